"""What holds for one sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from daytona_plugins.local.egress.placeholders import Attached
    from daytona_plugins.local.egress.policy import Policy


class Rules(NamedTuple):
    """What holds for a sandbox at this moment."""

    policy: Policy
    secrets: tuple[Attached, ...] = ()
