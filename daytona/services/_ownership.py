"""Whose a sandbox is: labels that a later run finds it by, when the one that made it is gone."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["CREATION_LABEL", "OWNER_LABEL", "RUN_LABEL", "Owner"]

OWNER_LABEL: Final = "daytona-owner"
RUN_LABEL: Final = "daytona-owner-run"
CREATION_LABEL: Final = "daytona-owner-creation"
"""Tells the sandbox that a call made from one of the same name that was there before."""
HOST_LABEL: Final = "daytona-owner-host"
PID_LABEL: Final = "daytona-owner-pid"


class Owner:
    """One client of an owner.

    Attributes:
        name: The owner, as all of its clients call it.
        run: Which of the clients it is.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.run = os.urandom(8).hex()

    def labels(self) -> dict[str, str]:
        """Return what says whose a new sandbox is, who made it where, and in which call."""
        from platform import node

        return {
            OWNER_LABEL: self.name,
            RUN_LABEL: self.run,
            CREATION_LABEL: os.urandom(8).hex(),
            HOST_LABEL: node(),
            PID_LABEL: str(os.getpid()),
        }
