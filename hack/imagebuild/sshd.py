"""An SSH server for the workers of MPIJobs of v2beta1, and clients that trust it.

A job brings its keys. They are all the identity that there is: no key is part of the image, the server's host key is
the job's own, and clients do not remember hosts, whose names are used again for other pods.
"""

from imagebuild import rootfs
from imagebuild.layers import Build

PACKAGES = ("openssh-server",)
NOT_NEEDED = (
    "adduser",
    "init-system-helpers",
    "libfile-find-rule-perl",
    "libgdbm-compat4",
    "libgdbm6",
    "libnumber-compare-perl",
    "libpam-modules",
    "libpam-modules-bin",
    "libpam-runtime",
    "libperl5.36",
    "libproc2-0",
    "libtext-glob-perl",
    "lsb-base",
    "openssh-sftp-server",
    "passwd",
    "perl",
    "perl-modules-5.36",
    "procps",
    "runit-helper",
    "sensible-utils",
    "sysvinit-utils",
    "ucf",
    "usrmerge",
)
"""What installs it, with all of Perl, runs it as a service of a machine, or asks for passwords."""

USER = "sshd:x:100:65534:sshd:/run/sshd:/usr/sbin/nologin\n"
"""As whom it talks to clients that have not said yet who they are, in an empty directory."""
SERVER = """\
HostKey /root/.ssh/id_rsa
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile none
# Secrets are mounted with links in them.
StrictModes no
UsePAM no
"""
CLIENT = """\
Host *
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
"""


def recipe(build: Build) -> None:
    """Recipe: the server, and what both sides are told."""
    rootfs.beside(PACKAGES, NOT_NEEDED)(build)
    (build.root / "etc/passwd").write_text(rootfs.PASSWD + USER)
    (build.root / "run/sshd").mkdir(parents=True)
    directory = build.root / "etc/ssh"
    directory.mkdir(exist_ok=True)
    (directory / "sshd_config").write_text(SERVER)
    (directory / "ssh_config").write_text(CLIENT)
