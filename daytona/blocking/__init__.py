"""The blocking faces: the classes of `daytona.services` without "Async", written by `daytona.faces`."""

from __future__ import annotations

from .client import Client
from .code_interpreter import CodeInterpreter
from .filesystem import FileSystem
from .git import Git
from .process import Process
from .pty import PtyHandle
from .sandbox import Sandbox
from .secret import SecretService
from .snapshot import SnapshotService
from .volume import VolumeService
from .warm_pool import WarmPoolService

__all__ = [
    "Client",
    "CodeInterpreter",
    "FileSystem",
    "Git",
    "Process",
    "PtyHandle",
    "Sandbox",
    "SecretService",
    "SnapshotService",
    "VolumeService",
    "WarmPoolService",
]
