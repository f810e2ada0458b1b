"""Every operation, once: plain `async def` methods that await the transport and nothing else."""

from __future__ import annotations

from .client import AsyncClient
from .filesystem import AsyncFileSystem
from .git import AsyncGit
from .process import AsyncProcess
from .sandbox import AsyncSandbox

__all__ = ["AsyncClient", "AsyncFileSystem", "AsyncGit", "AsyncProcess", "AsyncSandbox"]
