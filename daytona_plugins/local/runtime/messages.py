"""What the platform and the zygote say to each other: one JSON value per message of their socket pair."""

from __future__ import annotations

from typing import Final

import msgspec

from daytona_plugins.local.runtime.probe import Verdict
from daytona_plugins.local.runtime.spec import Isolation, SandboxSpec

MESSAGE_LIMIT: Final = 1024 * 1024


class Spawn(msgspec.Struct):
    """Build a sandbox; its listening socket comes with the message."""

    spec: SandboxSpec


class Ready(msgspec.Struct, tag=True):
    """What the probe found; sandboxes can be spawned if it is full."""

    verdict: Verdict


class Spawned(msgspec.Struct, tag=True):
    """A sandbox serves."""

    id: str
    pid: int
    isolation: Isolation


class SpawnFailed(msgspec.Struct, tag=True):
    """A sandbox could not be built."""

    id: str
    message: str


class Exited(msgspec.Struct, tag=True):
    """Process 1 of a sandbox ended with this status, negative for a signal."""

    id: str
    status: int


Event = Ready | Spawned | SpawnFailed | Exited
decode_spawn = msgspec.json.Decoder(Spawn).decode
decode_event = msgspec.json.Decoder(Event).decode
