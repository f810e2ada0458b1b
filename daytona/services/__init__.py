"""Every operation, once: plain `async def` methods that await the transport and nothing else."""

from __future__ import annotations

from .client import AsyncClient
from .code_interpreter import AsyncCodeInterpreter
from .filesystem import AsyncFileSystem
from .git import AsyncGit
from .process import AsyncProcess
from .pty import AsyncPtyHandle
from .sandbox import AsyncSandbox
from .secret import AsyncSecretService
from .snapshot import AsyncSnapshotService
from .volume import AsyncVolumeService
from .warm_pool import AsyncWarmPoolService

__all__ = [
    "AsyncClient",
    "AsyncCodeInterpreter",
    "AsyncFileSystem",
    "AsyncGit",
    "AsyncProcess",
    "AsyncPtyHandle",
    "AsyncSandbox",
    "AsyncSecretService",
    "AsyncSnapshotService",
    "AsyncVolumeService",
    "AsyncWarmPoolService",
]
