"""A Daytona platform on this machine: the same wire protocol, sandboxes made of Linux namespaces.

`connect` is what the client finds under the entry point `daytona.platforms`; everything else is loaded by the
platform's own process.
"""

from __future__ import annotations

from daytona_plugins.local.launch import PlatformEndpoint, connect

__all__ = ["PlatformEndpoint", "connect"]
