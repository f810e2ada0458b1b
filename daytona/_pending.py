"""Names whose implementation is yet to come.

This file must be empty, and gone, when the package is complete. Until then a program can import each of these names,
subclass it and make an instance; the first operation raises `DaytonaNotSupportedError` and says which one it was.
"""

from __future__ import annotations

from typing import Never, Self

from daytona.errors import DaytonaNotSupportedError


class _Operation:
    """Something of a pending class: it has parts like a service, and cannot be called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> _Operation:
        return _part(self._name, name)

    def __call__(self, *args: object, **kwargs: object) -> Never:
        raise DaytonaNotSupportedError(
            f"{self._name} is not in this version of the package", outcome="not_sent"
        )


class Pending:
    """A class that is yet to come."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __getattr__(self, name: str) -> _Operation:
        return _part(type(self).__name__, name)

    @classmethod
    def _over(cls, core: object) -> Self:
        return cls()


def _part(owner: str, name: str) -> _Operation:
    # Copying, pickling and notebooks ask every object for private names.
    if name.startswith("_"):
        raise AttributeError(f"{owner} has no attribute {name!r}")
    return _Operation(f"{owner}.{name}")


class LspServer(Pending):
    """A language server in a sandbox; blocking."""


class AsyncLspServer(Pending):
    """A language server in a sandbox; asynchronous."""


class SnapshotService(Pending):
    """What sandboxes are made from; blocking."""


class AsyncSnapshotService(Pending):
    """What sandboxes are made from; asynchronous."""
