"""The images that there are, and the packages in them."""

from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

from imagebuild import interpreter, packages, rootfs
from imagebuild.archive import Settings
from imagebuild.layers import Image, Layer

CHECKOUT = Path(__file__).resolve().parents[2]
REGISTRY = "docker.io/kdl"

PYTHON = ("python3",)
TORCH = ("python3-torch",)
FRAMEWORKS = ("jax==0.10.2", "numpy==2.4.6", "scikit-learn==1.9.1", "xgboost-cpu==3.2.0")
"""What examples/ train with."""
NOT_NEEDED = ("scipy/**/tests", "sklearn/**/tests", "jaxlib/mosaic/gpu")

PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
PYTHON_ENVIRONMENT = {**PATH, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
USER = "65532:65532"
"""``nonroot`` of the root directory."""

PAUSE = "pause"
BUSYBOX = "busybox"
OPERATOR = "operator"
PYTHON_IMAGE = "python"
PYTORCH = "pytorch"

DEFAULT = (PAUSE, BUSYBOX, OPERATOR, PYTHON_IMAGE)
"""What is built if no name is given; the other ones are big and rarely wanted."""


def images(checkout: Path = CHECKOUT) -> dict[str, Image]:
    """Every image by its name, made from the code of that checkout."""
    base = Layer(
        "base",
        packages.standard_library(rootfs.python(PYTHON)),
        PYTHON,
        modules=(rootfs, interpreter),
    )
    shell = Layer("shell", rootfs.shell, ())
    requirements = install_requires(checkout)
    dependencies = _from_index("dependencies", requirements, base)
    backend = Layer("backend", packages.backend, (), below=(base,), modules=(interpreter,))
    code = Layer(
        "code",
        packages.own(checkout),
        (packages.sources_digest(checkout),),
        below=(base, backend),
        modules=(interpreter,),
    )
    frameworks = _from_index("frameworks", FRAMEWORKS, base, dependencies, without=NOT_NEEDED)
    torch = Layer("torch", rootfs.beside(TORCH), TORCH, below=(base,))
    training = (base, shell, dependencies, frameworks, code)
    found = [
        _image(PAUSE, "1", "Holds the namespaces of a pod", (Layer("pause", rootfs.pause, ()),), _PAUSE),
        _image(BUSYBOX, "1", "A shell and small tools", (shell,), Settings(command=("sh",), environment=PATH)),
        _image(OPERATOR, "dev", "The operator", (base, dependencies, code), _OPERATOR),
        _image(PYTHON_IMAGE, "1", "Python with XGBoost and JAX", training, _PYTHON),
        _image(PYTORCH, "1", "Python with PyTorch", (base, shell, torch), _PYTHON),
    ]
    return {image.name: image for image in found}


_PAUSE = Settings(entrypoint=("/busybox", "sleep", "infinity"))
_PYTHON = Settings(command=("python3",), environment=PYTHON_ENVIRONMENT)
_OPERATOR = Settings(entrypoint=("/usr/local/bin/kdl", "operator"), environment=PYTHON_ENVIRONMENT, user=USER)


def install_requires(checkout: Path) -> tuple[str, ...]:
    """What our code needs to run, as setup.cfg says."""
    config = ConfigParser()
    config.read(checkout / "setup.cfg", encoding="utf-8")
    return tuple(line.strip() for line in config["options"]["install_requires"].splitlines() if line.strip())


def _from_index(name: str, requirements: tuple[str, ...], *below: Layer, without: tuple[str, ...] = ()) -> Layer:
    recipe = packages.from_index(requirements, without=without)
    return Layer(name, recipe, (*requirements, "without", *without), below=below, modules=(interpreter,))


def _image(name: str, tag: str, description: str, layers: tuple[Layer, ...], settings: Settings) -> Image:
    labels = {"org.opencontainers.image.title": f"kdl {name}", "org.opencontainers.image.description": description}
    return Image(f"{REGISTRY}/{name}", tag, layers, replace(settings, labels=labels))
