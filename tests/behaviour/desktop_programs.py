"""Which programs of a desktop this machine lacks, by the Debian packages that bring them."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from importlib.util import find_spec

PACKAGES = {
    "Xvfb": "xvfb",
    "openbox": "openbox",
    "ffmpeg": "ffmpeg",
    "dbus-daemon": "dbus",
    "/usr/libexec/at-spi-bus-launcher": "at-spi2-core",
}
GTK = "import gi; gi.require_version('Gtk', '3.0'); from gi.repository import Gtk"


def lacking_programs() -> list[str]:
    """Return what a desktop lacks here."""
    return [package for program, package in PACKAGES.items() if shutil.which(program) is None]


@cache
def lacking() -> list[str]:
    """Return what a desktop with a window on it lacks here."""
    libraries = ["pillow"] if find_spec("PIL") is None else []
    return [*libraries, *lacking_programs(), *lacking_window()]


@cache
def lacking_window() -> list[str]:
    """Return what a window lacks that the system's Python shows."""
    try:
        shown = subprocess.run(["/usr/bin/python3", "-c", GTK], check=False, capture_output=True)
    except OSError:
        return ["python3"]
    return ["python3-gi", "gir1.2-gtk-3.0"] if shown.returncode else []
