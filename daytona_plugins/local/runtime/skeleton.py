"""The skeleton of the "host" image: everything at the root of a sandbox but the programs of this machine.

It is made once and used read-only by all sandboxes. `/etc` holds copies of the files every user may read, without accounts
of people; `/home`, `/root`, `/srv`, `/mnt` and `/var` hold no host data at all. The skeleton belongs to the user who runs the
platform, so that its files can be changed inside, whoever owns their originals.

Making it is the first thing that a platform does, in a process beside all others, so little is imported here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from pathlib import Path
from typing import Final

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
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FIRST_PERSON: Final = 1000
NOBODY: Final = 65534


def make_skeleton(data: Path) -> Path:
    """Return a fitting skeleton in a data directory, made unless it is there."""
    directory = data / "host-image"
    current = directory / _fingerprint()
    if not current.exists():
        _remove_outdated(directory)
        _make_skeleton(current)
    return current


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
    if outdated := list(directory.iterdir()):
        import shutil  # takes longer than all else that is imported here, and there is seldom anything to remove

        for old in outdated:
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
    if os.access("/usr/bin/python3", os.X_OK) and not _has_program("python"):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        (directory / "python").symlink_to("/usr/bin/python3")


def _has_program(name: str) -> bool:
    return any(os.access(f"{place}/{name}", os.X_OK) for place in SYSTEM_PATH.split(":"))


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
        _copy_file(entry.path, target, status.st_mode & 0o755)


def _copy_file(source: str, target: str, mode: int) -> None:
    """Copy the content; the kernel does, and no file object is made for it."""
    original = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        try:
            while os.sendfile(copy, original, None, COPY_LIMIT):
                pass
            os.fchmod(copy, mode)
        finally:
            os.close(copy)
    finally:
        os.close(original)


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
    return [line for line in read_text(path).splitlines() if _is_system_account(line)]


def _is_system_account(line: str) -> bool:
    number = [*line.split(":"), "", ""][2]
    return number.isdecimal() and (0 < int(number) < FIRST_PERSON or int(number) == NOBODY)


def _system_groups() -> list[str]:
    """Return the system's groups without their members, who are people."""
    return [line.rpartition(":")[0] + ":" for line in _system_accounts("/etc/group")]


def read_text(path: str) -> str:
    """Return what a file of the machine says; nothing when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
