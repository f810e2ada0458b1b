"""The classes of the language server service, which a plugin brings: found when one of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .plugins import face_class, sandbox_service

if TYPE_CHECKING:
    from daytona_plugins.lsp.blocking import LspServer
    from daytona_plugins.lsp.service import AsyncLspServer

__all__ = ["AsyncLspServer", "LspServer"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    service = sandbox_service("lsp")
    return service if name == "AsyncLspServer" else face_class(service)
