"""What this machine is, as far as images made on it depend on that, and how programs on it reach package registries."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PROXIES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
# Where packages come from is configuration of the machine; what pip does with them is the Dockerfile's.
PIP: Final = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST", "PIP_CERT",
    "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_RETRIES", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT",
)  # fmt: skip


def build_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that steps of a build get from this machine; they are no part of the image."""
    kept = {name: value for name, value in environ.items() if name in PIP or name.lower() in PROXIES}
    return {
        "DEBIAN_FRONTEND": "noninteractive",  # nobody is there to answer, and some packages fail when they ask
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    } | kept


def description() -> str:
    """Return the name of this machine's system, for people."""
    return os_release().get("PRETTY_NAME", platform.system())


def os_release() -> dict[str, str]:
    """Return what the system says about itself."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    return {name: value.strip('"') for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)}


def host_key() -> str:
    """Return a name for the programs of this machine, which changes when packages are installed or removed."""
    facts: list[object] = [os_release(), platform.machine(), os.getuid()]
    for path in ("/var/lib/dpkg/status", "/var/lib/rpm", "/usr/bin"):
        if os.path.exists(path):
            facts.append(os.stat(path).st_mtime_ns)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
