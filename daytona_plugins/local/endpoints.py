"""What the author of endpoints inside a sandbox imports, and nothing else.

A function named in the group `daytona.agent_services` is called with the `Toolbox` of every new sandbox, and adds routes
to its `router`. It is imported before there is a sandbox: what it needs later it imports at the top of its file.
"""

from __future__ import annotations

from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.agent.toolbox import Toolbox
from daytona_plugins.local.web import HTTPError, Request, Response, Router, json_response

__all__ = [
    "HTTPError",
    "Request",
    "Response",
    "Router",
    "Toolbox",
    "bad_request",
    "json_response",
    "read_json",
]
