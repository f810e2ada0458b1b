"""Processes and what they have started, as the kernel tells of them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def family(process_1: int) -> Iterator[int]:
    """Yield a process and all that it has started, directly or not; parents come before their children."""
    waiting = [process_1]
    while waiting:
        pid = waiting.pop()
        yield pid
        with suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
