"""Which root file system a sandbox gets for the image it was asked for.

This version builds and pulls nothing: every sandbox runs over the file system of this machine, the base `host`.
Whoever asked for something else finds in the sandbox's labels what they asked for, what they got instead,
and which steps of their Dockerfile were left out.
"""

from __future__ import annotations

import re
from hashlib import sha256

BASE = "host"
DEFAULT_SNAPSHOT = "host"

ASKED_LABEL = "daytona.local/image"
BASE_LABEL = "daytona.local/base"
SKIPPED_LABEL = "daytona.local/skipped"

_INSTRUCTION = re.compile(r"^\s*([A-Za-z]+)\s+(.*)$")
_CHANGES_FILES = ("RUN", "COPY", "ADD")


def labels_for(dockerfile: str) -> dict[str, str]:
    """Return the labels that tell what became of *dockerfile*."""
    instructions = _instructions(dockerfile)
    images = [value.split()[0] for word, value in instructions if word == "FROM"]
    labels = {ASKED_LABEL: images[-1] if images else "", BASE_LABEL: BASE}
    if skipped := [word for word, _ in instructions if word in _CHANGES_FILES]:
        labels[SKIPPED_LABEL] = ", ".join(skipped)
    return labels


def snapshot_ref(dockerfile: str, context_hashes: tuple[str, ...]) -> str:
    """Return the name under which the image of these inputs is known."""
    identity = dockerfile + "".join(sorted(context_hashes))
    return f"daytona-{sha256(identity.encode()).hexdigest()}:daytona"


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    lines = dockerfile.replace("\\\n", " ").splitlines()
    found = (_INSTRUCTION.match(line) for line in lines if not line.lstrip().startswith("#"))
    return [(match[1].upper(), match[2].strip()) for match in found if match]
