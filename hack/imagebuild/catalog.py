"""The images that there are, and the packages in them."""

from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

from imagebuild import code as own_code
from imagebuild import interpreter, rootfs, sshd, wheels
from imagebuild.archive import Settings
from imagebuild.layers import Image, Layer
from imagebuild.wheels import Wheels
from kdl_workloads.api.definitions import KUBERNETES_VERSION

CHECKOUT = Path(__file__).resolve().parents[2]
REGISTRY = "docker.io/kdl"

PYTHON = ("python3",)
NATIVE = ("libgomp1", "libstdc++6")
"""Libraries that wheels expect of every system."""
QUADMATH = ("libquadmath0",)
TORCH = ("python3-torch",)
MPI = ("openmpi-bin", "python3-mpi4py")
DESKTOP = ("iso-codes", "libgl1-mesa-dri", "libllvm15", "libtorch-test", "libz3-4", "proj-data", "systemd", "udev")
"""Torch is linked with OpenCV, and that with all of a desktop's libraries; these are only loaded to draw."""

FRAMEWORKS = Wheels(
    requirements=("jax==0.10.2", "numpy==2.4.6", "scikit-learn==1.9.1", "xgboost-cpu==3.2.0"),
    imports=("jax", "sklearn.datasets", "xgboost"),
    drop=("scipy/**/tests", "sklearn/**/tests"),
)
"""What examples/ train with."""
TENSORFLOW = Wheels(
    requirements=("tensorflow-cpu==2.21.0",),
    imports=("tensorflow",),
    drop=("clang", "tensorflow/include", "**/tests"),
)
"""A framework of its own, which is larger than all others together."""
PADDLE = Wheels(
    requirements=("paddlepaddle==3.3.1", "setuptools<81"),
    imports=("paddle",),
    drop=("paddle/include", "**/tests"),
)
"""It imports setuptools, and does not say so."""
MXNET = Wheels(requirements=("mxnet==1.9.1", "numpy==1.23.5"), imports=("mxnet",), drop=("mxnet/include", "**/tests"))
"""The last MXNet. It does not know NumPy's later names."""

PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
PYTHON_ENVIRONMENT = {**PATH, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
USER = "65532:65532"
"""``nonroot`` of the root directory."""

DEFAULT = ("pause", "busybox", "operator", "python")
"""What is built if no name is given. Those of single frameworks take downloads of up to 270 MB more."""


def images(checkout: Path = CHECKOUT) -> dict[str, Image]:
    """Every image by its name, made from the code of that checkout."""
    base = Layer("base", interpreter.standard_library(rootfs.python(PYTHON)), PYTHON, modules=(rootfs,))
    shell = Layer("shell", rootfs.shell, ())
    native = Layer("native", rootfs.beside(NATIVE), NATIVE, below=(base,))
    torch_recipe = interpreter.debian_packages(rootfs.beside(TORCH, DESKTOP))
    torch = Layer("torch", torch_recipe, (*TORCH, "without", *DESKTOP), below=(base, native), modules=(rootfs,))
    mpi_recipe = interpreter.debian_packages(rootfs.beside(MPI))
    mpi = Layer("mpi", mpi_recipe, MPI, below=(base,), modules=(rootfs,))
    server = Layer(
        "sshd", sshd.recipe, (*sshd.PACKAGES, "without", *sshd.NOT_NEEDED), below=(base, mpi), modules=(rootfs,)
    )
    dependencies = _wheels("dependencies", _dependencies(checkout), base)
    frameworks = _wheels("frameworks", FRAMEWORKS, base, native, dependencies)
    tensorflow = _wheels("tensorflow", TENSORFLOW, base, native)
    paddle = _wheels("paddle", PADDLE, base, native)
    quadmath = Layer("quadmath", rootfs.beside(QUADMATH), QUADMATH, below=(base, native))
    mxnet = _wheels("mxnet", MXNET, base, native, quadmath)
    code = _code(checkout, base)
    pause = Layer("pause", rootfs.pause, ())
    training = (base, shell, native, dependencies, frameworks, code)
    found = [
        _image("pause:1", "Holds the namespaces of a pod", (pause,), PAUSE_SETTINGS),
        _image("busybox:1", "A shell and small tools", (shell,), Settings(command=("sh",), environment=PATH)),
        _image("operator:dev", "The operator", (base, dependencies, code), OPERATOR_SETTINGS),
        _image("python:1", "Python with XGBoost, JAX and kdl", training, PYTHON_SETTINGS),
        _image("mpi:1", "Python with Open MPI and SSH", (base, shell, mpi, server), PYTHON_SETTINGS),
        _image("pytorch:1", "Python with PyTorch", (base, shell, native, torch), PYTHON_SETTINGS),
        _image("paddle:1", "Python with PaddlePaddle", (base, shell, native, paddle), PYTHON_SETTINGS),
        _image("mxnet:1", "Python with MXNet", (base, shell, native, quadmath, mxnet), PYTHON_SETTINGS),
        _image("tensorflow:1", "Python with TensorFlow", (base, shell, native, tensorflow), PYTHON_SETTINGS),
    ]
    return {image.name: image for image in found}


PAUSE_SETTINGS = Settings(entrypoint=("/busybox", "sleep", "infinity"))
PYTHON_SETTINGS = Settings(command=("python3",), environment=PYTHON_ENVIRONMENT)
OPERATOR_SETTINGS = Settings(entrypoint=("/usr/local/bin/kdl", "operator"), environment=PYTHON_ENVIRONMENT, user=USER)


def install_requires(checkout: Path) -> tuple[str, ...]:
    """What our code needs to run, as setup.cfg says."""
    config = ConfigParser()
    config.read(checkout / "setup.cfg", encoding="utf-8")
    return tuple(line.strip() for line in config["options"]["install_requires"].splitlines() if line.strip())


def _dependencies(checkout: Path) -> Wheels:
    """Without a second copy of the client and the schemas of Kubernetes versions that our code does not ask for, which
    together are more than the rest."""
    schemas = "kubernetes_validate/kubernetes-json-schema"
    return Wheels(
        requirements=install_requires(checkout),
        imports=("aiohttp", "kubernetes.client", "kubernetes.config", "kubernetes_validate", "pydantic"),
        drop=("kubernetes/aio", f"{schemas}/*"),
        keep=(f"{schemas}/v{KUBERNETES_VERSION}.*",),
    )


def _wheels(name: str, wanted: Wheels, *below: Layer) -> Layer:
    return Layer(name, wanted.recipe, wanted.inputs, below=below, modules=(interpreter,))


def _code(checkout: Path, base: Layer) -> Layer:
    modules = (interpreter, wheels)
    backend = Layer("backend", own_code.backend, (), below=(base,), modules=modules)
    sources = own_code.sources_digest(checkout)
    return Layer("code", own_code.own(checkout, sources), (sources,), below=(base, backend), modules=modules)


def _image(name: str, description: str, layers: tuple[Layer, ...], settings: Settings) -> Image:
    """``name``: with the tag."""
    repository, _, tag = name.partition(":")
    title = {"org.opencontainers.image.title": f"kdl {repository}"}
    labels = {**title, "org.opencontainers.image.description": description}
    return Image(f"{REGISTRY}/{repository}", tag, layers, replace(settings, labels=labels))
