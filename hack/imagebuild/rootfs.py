"""Files of Debian packages as a root directory. No maintainer script runs: what these would do is done here.

The packages of images are few, and of their scripts an image needs: the directories of the merged /usr, user names, the
bundle of CA certificates, and the alternatives for BLAS. Compiled Python is the interpreter module's part.
"""

import shutil
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

import debian
from imagebuild.layers import Build, Report

MERGED = ("bin", "sbin", "lib", "lib64")
"""Directories that are links into /usr. Packages have files in both places."""

BUSYBOX = "busybox-static"
APPLETS = """
    ash awk base64 basename cat chmod chown cp cut date dd df dirname du echo env expr false find free grep gunzip gzip
    head hostname id ip kill ln ls md5sum mkdir mkfifo mktemp more mount mv nc netstat nohup nproc nslookup od ping
    printenv printf ps pwd readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat sync tail tar tee test
    timeout touch tr true tty umount uname uniq uptime vi wc wget which whoami xargs yes
"""
"""Names under which it is called."""

UNUSED = ("debconf", "dpkg", "perl-base", "tar")
"""Packages that others name only for their maintainer scripts."""

STRIPPED = (
    "usr/include",
    "usr/share/applications",
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/pixmaps",
    "var/cache",
    "var/lib/dpkg",
)
STATIC_LIBRARIES = "usr/lib/*-linux-gnu/*.a"

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/usr/sbin/nologin
"""
GROUP = """\
root:x:0:
nogroup:x:65534:
nonroot:x:65532:
"""
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
OS_RELEASE = "usr/lib/os-release"

ALTERNATIVES = {
    "libblas.so.3": ("openblas-pthread", "blas"),
    "liblapack.so.3": ("openblas-pthread", "lapack"),
}
"""Library in /usr/lib/<triplet> -> the directories beside it that may hold it, the best first."""

CERTIFICATES = "usr/share/ca-certificates"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


RECORDS = "var/lib/dpkg/status.d"
"""One file per package with what is known of it, where scanners look for it in images without a package manager."""


def python(packages: tuple[str, ...]) -> Callable[[Build], None]:
    """Recipe: a root directory that runs Python and trusts the usual certificate authorities, without a shell."""

    def recipe(build: Build) -> None:
        files = used(fetch(packages, build.report))
        # Of these only the files: the tools that their scripts need would be most of the image.
        files += fetch(("base-files", "ca-certificates"), build.report, closure=False)
        populate(build.root, files)
        trust(build.root)
        (build.root / "usr/bin/python").symlink_to("python3")

    return recipe


def shell(build: Build) -> None:
    """Recipe: a shell and the usual small tools, all of them one program."""
    populate(build.root, fetch((BUSYBOX,), build.report, closure=False))
    for name in APPLETS.split():
        (build.root / "usr/bin" / name).symlink_to("busybox")


def pause(build: Build) -> None:
    """Recipe: a program that sleeps, and nothing else."""
    package = build.scratch / "busybox"
    populate(package, fetch((BUSYBOX,), build.report, closure=False))
    shutil.copy2(package / "usr/bin/busybox", build.root / "busybox")


def beside(packages: tuple[str, ...], without: tuple[str, ...] = ()) -> Callable[[Build], None]:
    """Recipe: packages with all that they need and that the layers below do not have. ``without``: what they name but
    do not need to run."""

    def recipe(build: Build) -> None:
        present = {path.name for path in (build.below / RECORDS).iterdir()}
        left_out = present.union(without)
        files = [path for path in used(fetch(packages, build.report)) if package_of(path) not in left_out]
        build.report(f"unpacking {len(files)} packages")
        populate(build.root, files)
        choose(build.root)

    return recipe


# ---- steps


def fetch(packages: Collection[str], report: Report, *, closure: bool = True) -> list[Path]:
    """The packages' files; ``closure``: and those of everything that they depend on."""
    return debian.fetch(list(packages), closure=closure, report=report)


def package_of(file: Path) -> str:
    return file.name.split("_")[0]


def used(files: Collection[Path]) -> list[Path]:
    return [path for path in files if package_of(path) not in UNUSED]


def populate(root: Path, files: Collection[Path]) -> None:
    """A root directory with these packages, without what no program reads, and the record of them."""
    debian.extract(sorted(files), root)
    for name in MERGED:
        merge(root / name, root / "usr" / name)
    skeleton(root)
    strip(root)
    records = root / RECORDS
    records.mkdir(parents=True)
    for file in files:
        control = subprocess.run(["dpkg-deb", "--field", file], check=True, capture_output=True, text=True).stdout
        (records / package_of(file)).write_text(control)


def merge(source: Path, target: Path) -> None:
    """Move what is in one directory to another one, which may have some of its directories; the first one goes."""
    target.mkdir(parents=True, exist_ok=True)
    if not source.exists():
        return
    for path in source.iterdir():
        if path.is_dir() and not path.is_symlink():
            merge(path, target / path.name)
        else:
            path.rename(target / path.name)
    source.rmdir()


def skeleton(root: Path) -> None:
    for name in MERGED:
        (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "etc", "home/nonroot", "proc", "root", "run", "sys", "var/tmp", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    for name, content in (("passwd", PASSWD), ("group", GROUP), ("nsswitch.conf", NSSWITCH)):
        (root / "etc" / name).write_text(content)


def trust(root: Path) -> None:
    """What update-ca-certificates does, for programs that read the bundle."""
    certificates = sorted((root / CERTIFICATES).rglob("*.crt"))
    bundle = root / BUNDLE
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(path.read_text().rstrip("\n") + "\n" for path in certificates))
    shutil.rmtree(root / CERTIFICATES)


def choose(root: Path) -> None:
    """What update-alternatives does for libraries and programs of which several packages have one."""
    for program in (root / "usr/bin").glob("*.openmpi"):
        (root / "usr/bin" / program.stem).symlink_to(program.name)
    for libraries in (root / "usr/lib").glob("*-linux-gnu"):
        for name, directories in ALTERNATIVES.items():
            found = next((item for item in directories if (libraries / item / name).exists()), None)
            if found:
                (libraries / name).unlink(missing_ok=True)
                (libraries / name).symlink_to(f"{found}/{name}")


def strip(root: Path) -> None:
    """Drop what no program reads."""
    for pattern in (*STRIPPED, STATIC_LIBRARIES):
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
