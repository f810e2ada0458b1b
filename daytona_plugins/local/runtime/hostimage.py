"""The "host" image: the programs of this machine, without its data.

A sandbox sees the live `/usr` and `/opt` through overlays. Everything else at the root comes from a skeleton that is
made here once and used read-only by all sandboxes: `/etc` holds copies of the files every user may read, without
accounts of people; `/home`, `/root`, `/srv`, `/mnt` and `/var` hold no host data at all. The skeleton belongs to the
user who runs the platform, so that its files can be changed inside, whoever owns their originals.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
import sysconfig
from pathlib import Path
from typing import Final

import msgspec

from daytona_plugins.local.runtime.lending import find_programs

LAYOUT_VERSION: Final = 3
LIVE_TREES: Final = ("usr", "opt", "nix", "gnu")
MERGED_INTO_USR: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# State of the package manager: without it, apt and dpkg believe that nothing is installed.
PACKAGE_STATE: Final = ("var/lib/dpkg", "var/lib/apt", "var/lib/rpm", "var/lib/pacman")
PLAIN_DIRECTORIES: Final = (
    "dev", "etc", "home/daytona", "media", "mnt", "proc", "root", "run", "srv", "sys", "tmp",
    "var/cache", "var/lib", "var/local", "var/log", "var/mail", "var/opt", "var/spool", "var/tmp",
)  # fmt: skip
# Differs from machine to machine, or says more about it than a program needs.
NOT_COPIED: Final = {
    "environment", "fstab", "group", "gshadow", "hostname", "hosts", "machine-id", "motd", "mtab", "passwd",
    "resolv.conf", "shadow", "ssh", "subgid", "subuid", "sudoers", "sudoers.d",
}  # fmt: skip
COPY_LIMIT: Final = 16 * 1024 * 1024
PYTHON: Final = "/opt/daytona-python"
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FIRST_PERSON: Final = 1000
NOBODY: Final = 65534


class Tree(msgspec.Struct, frozen=True):
    """A directory of the host seen through an overlay; the first layer lies on top."""

    target: str
    layers: list[str]


class HostImage(msgspec.Struct, frozen=True):
    """Where the parts of the image lie on the host, and what a sandbox needs to know to use them."""

    directory: str
    root: str
    empty: str
    """What a sandbox without the host's programs has below its layers."""
    mount_point: str
    trees: list[Tree]
    python: str | None
    """Bound at `PYTHON` when the host has no python3 of its own in `/usr/bin`."""
    lent: dict[str, str]
    """Programs of the platform's environment that sandboxes see too, by name."""
    env: dict[str, str]
    """What a process needs to find its programs and libraries."""
    resolv_conf: str


def prepare_host_image(directory: Path) -> HostImage:
    """Return the image, making its skeleton below *directory* unless a fitting one is there."""
    current = directory / _fingerprint()
    if not current.exists():
        _remove_outdated(directory)
        _make_skeleton(current)
    needs_python = not os.access("/usr/bin/python3", os.X_OK)
    return HostImage(
        directory=str(current),
        root=str(current / "root"),
        empty=str(current / "empty"),
        mount_point=str(current / "mnt"),
        trees=_trees(current),
        python=sys.base_prefix if needs_python else None,
        lent=find_programs(),
        env=_lent_python_env() if needs_python else {"PATH": SYSTEM_PATH},
        resolv_conf=_read("/etc/resolv.conf"),
    )


def _lent_python_env() -> dict[str, str]:
    """An interpreter built with a shared library looks for it where it was installed, which is not where it is inside."""
    shared = bool(sysconfig.get_config_var("Py_ENABLE_SHARED"))
    return {"PATH": f"{SYSTEM_PATH}:{PYTHON}/bin"} | ({"LD_LIBRARY_PATH": f"{PYTHON}/lib"} if shared else {})


def _fingerprint() -> str:
    """Name a skeleton by what it was made from, so that a changed host gets a new one."""
    facts = [LAYOUT_VERSION, os.getuid(), sys.base_prefix]
    for path in (
        "/etc",
        "/etc/alternatives",
        "/etc/ld.so.cache",
        "/etc/ssl/certs",
        "/etc/passwd",
        "/usr/local",
        "/opt",
    ):
        with contextlib.suppress(OSError):
            facts.append(os.stat(path).st_mtime_ns)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _remove_outdated(directory: Path) -> None:
    """No sandbox runs while a zygote starts, so nothing uses them."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        shutil.rmtree(old)


def _make_skeleton(final: Path) -> None:
    """Build beside the final place and rename, so that an interrupted build is never used."""
    work = final.with_suffix(".part")
    root = work / "root"
    (work / "mnt").mkdir(parents=True)
    (work / "empty").mkdir()
    root.mkdir(mode=0o755)
    _make_root(root)
    copy_readable(Path("/etc"), root / "etc")
    _write_accounts(root / "etc")
    if os.getuid() != 0:
        mirror_directories(Path("/usr"), work / "usr", depth=1)
        mirror_directories(Path("/usr/local"), work / "usr" / "local", depth=4)
        mirror_directories(Path("/opt"), work / "opt", depth=2)
    _name_python(work / "usr/local/bin")
    work.rename(final)


def _name_python(directory: Path) -> None:
    """Make a `python` of the host's `python3`, which Debian does not: the official sandboxes have both."""
    if os.access("/usr/bin/python3", os.X_OK) and shutil.which("python", path=SYSTEM_PATH) is None:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        (directory / "python").symlink_to("/usr/bin/python3")


def _make_root(root: Path) -> None:
    for name in PLAIN_DIRECTORIES:
        (root / name).mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in (*LIVE_TREES, *MERGED_INTO_USR, *PACKAGE_STATE):
        source = Path("/", name)
        if source.is_symlink():
            (root / name).symlink_to(os.readlink(source))
        elif source.is_dir():
            (root / name).mkdir(mode=0o755, parents=True)
    (root / "opt").mkdir(exist_ok=True)
    (root / "root").chmod(0o700)
    (root / "tmp").chmod(0o1777)
    (root / "var/tmp").chmod(0o1777)
    (root / "var/run").symlink_to("/run")
    (root / "var/lock").symlink_to("/run/lock")


def _trees(current: Path) -> list[Tree]:
    names = [
        name
        for name in (*LIVE_TREES, *MERGED_INTO_USR, *PACKAGE_STATE)
        if _is_plain_directory(Path("/", name))
    ]
    return [Tree(name, _layers(current, name)) for name in names]


def _layers(current: Path, name: str) -> list[str]:
    own = current / name
    return [str(own), f"/{name}"] if own.is_dir() else [f"/{name}"]


def _is_plain_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def copy_readable(source: str | Path, target: str | Path) -> None:
    """Copy the files, links and directories that every user may read; leave out the rest."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(target, mode=0o755)
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.name not in NOT_COPIED:
                # A file may vanish or be unreadable for reasons beyond its mode; the image is complete without it.
                with contextlib.suppress(OSError):
                    _copy_entry(entry, os.path.join(target, entry.name))


def _copy_entry(entry: os.DirEntry[str], target: str) -> None:
    """Copy one entry; not with `shutil`, which looks at each file four times, and there are a thousand of them."""
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), target)
        return
    status = entry.stat(follow_symlinks=False)
    readable = status.st_mode & stat.S_IROTH
    if entry.is_dir(follow_symlinks=False) and readable and status.st_mode & stat.S_IXOTH:
        copy_readable(entry.path, target)
    elif entry.is_file(follow_symlinks=False) and readable and status.st_size <= COPY_LIMIT:
        with open(entry.path, "rb") as original, open(target, "wb") as copy:
            copy.write(original.read())
            os.fchmod(copy.fileno(), status.st_mode & 0o755)


def mirror_directories(source: Path, target: Path, *, depth: int) -> None:
    """Make the same directories as below *source*, without their files, to *depth* levels.

    Over the host's own directories they act as ours: new files can be made in them.
    """
    target.mkdir(mode=0o755, parents=True, exist_ok=True)
    if depth == 0 or not os.access(source, os.R_OK | os.X_OK):
        return
    for entry in os.scandir(source):
        if entry.is_dir(follow_symlinks=False):
            mirror_directories(Path(entry.path), target / entry.name, depth=depth - 1)


def _write_accounts(etc: Path) -> None:
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    users = ["daytona:x:0:0::/home/daytona:" + shell, "root:x:0:0:root:/root:" + shell]
    (etc / "passwd").write_text("\n".join(users + _system_accounts("/etc/passwd")) + "\n")
    (etc / "group").write_text("\n".join(["root:x:0:", "daytona:x:0:", *_system_groups()]) + "\n")
    (etc / "machine-id").write_text("")


def _system_accounts(path: str) -> list[str]:
    """Return the lines of accounts that belong to the system: their third field is a number below the first person's."""
    return [line for line in _read(path).splitlines() if _is_system_account(line)]


def _is_system_account(line: str) -> bool:
    number = [*line.split(":"), "", ""][2]
    return number.isdecimal() and (0 < int(number) < FIRST_PERSON or int(number) == NOBODY)


def _system_groups() -> list[str]:
    """Return the system's groups without their members, who are people."""
    return [line.rpartition(":")[0] + ":" for line in _system_accounts("/etc/group")]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
