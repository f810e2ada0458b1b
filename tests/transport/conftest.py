"""Certificates that the tests of this directory share."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from .certificates import make_authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a private authority and certificates that it issued."""
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificates with openssl")
    directory = tmp_path_factory.mktemp("authority")
    make_authority(directory)
    return directory
