"""The labels by which a sandbox tells what image it was asked for and what it got, and the name of a build."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daytona_plugins.local.images.image import Image

DEFAULT_SNAPSHOT = "host"
DEFAULT_SNAPSHOT_ID = "00000000-0000-4000-8000-000000000003"

ASKED_LABEL = "daytona.local/image"
BASE_LABEL = "daytona.local/base"
SUBSTITUTE_LABEL = "daytona.local/substitute"

_INSTRUCTION = re.compile(r"^\s*([A-Za-z]+)\s+(.*)$")


def labels_for(dockerfile: str) -> dict[str, str]:
    """Return the label that tells which image *dockerfile* asks for."""
    images = [value.split()[0] for word, value in _instructions(dockerfile) if word == "FROM" and value]
    return {ASKED_LABEL: images[-1] if images else ""}


def labels_of(image: Image) -> dict[str, str]:
    """Return the labels that tell what an image is made from, and in what that is not what its name says."""
    substitute = {SUBSTITUTE_LABEL: "; ".join(image.differences)} if image.differences else {}
    return {BASE_LABEL: image.resolved, **substitute}


def snapshot_ref(dockerfile: str, context_hashes: tuple[str, ...]) -> str:
    """Return the name under which the image of these inputs is known."""
    identity = dockerfile + "".join(sorted(context_hashes))
    return f"daytona-{sha256(identity.encode()).hexdigest()}:daytona"


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    lines = dockerfile.replace("\\\n", " ").splitlines()
    found = (_INSTRUCTION.match(line) for line in lines if not line.lstrip().startswith("#"))
    return [(match[1].upper(), match[2].strip()) for match in found if match]
