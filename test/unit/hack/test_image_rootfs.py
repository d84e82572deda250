"""Root directories made without maintainer scripts."""

from pathlib import Path

import pytest

from imagebuild import rootfs


def write(root: Path, name: str, content: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())


def test_both_places_of_a_package_become_one(tmp_path: Path) -> None:
    write(tmp_path, "lib/x86_64-linux-gnu/libc.so.6")
    write(tmp_path, "usr/lib/x86_64-linux-gnu/libssl.so.3")
    write(tmp_path, "bin/sh")
    (tmp_path / "lib/x86_64-linux-gnu/link").symlink_to("libc.so.6")
    for name in rootfs.MERGED:
        rootfs.merge(tmp_path / name, tmp_path / "usr" / name)
    rootfs.skeleton(tmp_path)
    assert {name: str((tmp_path / name).readlink()) for name in rootfs.MERGED} == {
        name: f"usr/{name}" for name in rootfs.MERGED
    }
    assert sorted(path.name for path in (tmp_path / "lib/x86_64-linux-gnu").iterdir()) == [
        "libc.so.6",
        "libssl.so.3",
        "link",
    ]
    assert (tmp_path / "bin/sh").exists()


def test_everybody_may_write_to_tmp_and_the_user_has_a_name(tmp_path: Path) -> None:
    for name in rootfs.MERGED:
        (tmp_path / "usr" / name).mkdir(parents=True)
    rootfs.skeleton(tmp_path)
    assert oct((tmp_path / "tmp").stat().st_mode)[-4:] == "1777"
    users = [line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    assert {user[0]: user[2] for user in users} == {"root": "0", "nobody": "65534", "nonroot": "65532"}
    assert {len(user) for user in users} == {7}


def test_what_no_program_reads_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, "usr/share/doc/a/copyright")
    write(tmp_path, "usr/share/man/man1/a.1.gz")
    write(tmp_path, "usr/lib/x86_64-linux-gnu/liba.a")
    write(tmp_path, "usr/lib/x86_64-linux-gnu/liba.so.1")
    write(tmp_path, "usr/share/zoneinfo/UTC")
    rootfs.strip(tmp_path)
    assert names(tmp_path) == ["usr/lib/x86_64-linux-gnu/liba.so.1", "usr/share/zoneinfo/UTC"]


def test_certificates_become_one_bundle(tmp_path: Path) -> None:
    write(tmp_path, f"{rootfs.CERTIFICATES}/mozilla/b.crt", "B\n")
    write(tmp_path, f"{rootfs.CERTIFICATES}/mozilla/a.crt", "A")
    rootfs.trust(tmp_path)
    assert (tmp_path / rootfs.BUNDLE).read_text() == "A\nB\n"
    assert names(tmp_path) == [rootfs.BUNDLE]


@pytest.mark.parametrize(
    ("there", "chosen"),
    [(["openblas-pthread", "blas"], "openblas-pthread"), (["blas"], "blas"), ([], None)],
)
def test_the_best_blas_is_chosen(tmp_path: Path, there: list[str], chosen: str | None) -> None:
    libraries = tmp_path / "usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    for directory in there:
        write(libraries, f"{directory}/libblas.so.3")
    rootfs.choose(tmp_path)
    link = libraries / "libblas.so.3"
    assert (str(link.readlink()) if link.is_symlink() else None) == (f"{chosen}/libblas.so.3" if chosen else None)


def test_packages_of_maintainer_scripts_are_left_out() -> None:
    files = [Path("perl-base_5.36_amd64.deb"), Path("python3.11_3.11.2_amd64.deb"), Path("debconf_1.5_all.deb")]
    assert [rootfs.package_of(path) for path in rootfs.used(files)] == ["python3.11"]


def test_programs_get_the_name_without_their_package(tmp_path: Path) -> None:
    for name in ("mpirun.openmpi", "orted"):
        write(tmp_path, f"usr/bin/{name}")
    rootfs.choose(tmp_path)
    assert (tmp_path / "usr/bin/mpirun").readlink() == Path("mpirun.openmpi")
    assert sorted(path.name for path in (tmp_path / "usr/bin").iterdir()) == ["mpirun", "mpirun.openmpi", "orted"]
