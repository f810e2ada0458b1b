"""What the official client does in the life of a sandbox that the hosted platform offers in part: pauses, links, telemetry.

Prints one line of JSON: what each step saw.
"""

from __future__ import annotations

import json
from typing import Any

from daytona import CreateSandboxFromSnapshotParams, Daytona

COLLECTOR = "http://127.0.0.1:9"


def counted(sandbox: Any) -> int:
    return len(sandbox.process.exec("cat counted 2>/dev/null").result.splitlines())


def counts(sandbox: Any) -> bool:
    """Return whether a program goes on that was started before a pause."""
    before = counted(sandbox)
    return any(counted(sandbox) > before for _ in range(200))


daytona = Daytona()
owner = daytona.create(
    CreateSandboxFromSnapshotParams(auto_pause_interval=30, otel_endpoint_override=COLLECTOR)
)
owner.process.exec("(while sleep 0.01; do echo x >> counted; done >/dev/null 2>&1 &)")
seen: dict[str, Any] = {
    "intervals": [owner.auto_pause_interval, owner.auto_stop_interval],
    "collector": owner.process.exec("echo $DAYTONA_OTEL_ENDPOINT").result.strip(),
}
owner.pause()
seen["paused"] = [owner.state, daytona.get(owner.id).state]
owner.start()
seen["started"] = [owner.state, counts(owner)]
follower = daytona.create(CreateSandboxFromSnapshotParams(linked_sandbox=owner.id, ephemeral=True))
seen["linked"] = follower.linked_sandbox_id == owner.id
seen["named"] = [
    follower.process.exec(f"getent hosts {owner.name}").exit_code,
    owner.process.exec(f"getent hosts {follower.name}").exit_code,
]
(used, *_) = follower.get_metrics()
seen["used"] = [used.mem_total > used.mem_used > 0, used.cpu_count > 0]
seen["told elsewhere"] = owner.get_metrics()
owner.delete(wait=True)
print(json.dumps(seen))
