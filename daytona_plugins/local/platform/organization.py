"""What there is beside sandboxes, and what a new sandbox gets of it: volumes, secrets, a place in a warm pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.images.logins import KIND
from daytona_plugins.local.platform import creation
from daytona_plugins.local.platform.agent_environment import change_environment
from daytona_plugins.local.platform.gates import require_direct
from daytona_plugins.local.platform.registries import Registries, RegistryRecord
from daytona_plugins.local.platform.secret_routes import SecretRoutes
from daytona_plugins.local.platform.secret_store import SecretRecord, Secrets
from daytona_plugins.local.platform.volume_routes import VolumeRoutes
from daytona_plugins.local.platform.volumes import VolumeRecord, Volumes
from daytona_plugins.local.platform.warm_pool_routes import WarmPoolRoutes
from daytona_plugins.local.platform.warm_pools import PoolRecord, WarmPools

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.platform.snapshots import Snapshots
    from daytona_plugins.local.web import Router


class Organization:
    """The one organization that a platform has."""

    def __init__(self, sandboxes: Sandboxes, snapshots: Snapshots) -> None:
        store, clock = sandboxes.store, sandboxes.clock
        directory = sandboxes.paths.volumes
        self.secrets = Secrets(store.shelf("secret", SecretRecord), clock)
        self.volumes = Volumes(store.shelf("volume", VolumeRecord), directory, sandboxes.all, clock)
        self.warm_pools = WarmPools(store.shelf("warm pool", PoolRecord), sandboxes, self._plan)
        self._registries = Registries(store.shelf(KIND, RegistryRecord), clock)
        self._sandboxes = sandboxes
        self._snapshots = snapshots

    def add_to(self, router: Router) -> None:
        """Register every route."""
        VolumeRoutes(self.volumes).add_to(router)
        SecretRoutes(self.secrets).add_to(router)
        WarmPoolRoutes(self.warm_pools).add_to(router)
        self._registries.add_to(router)

    async def create(self, record: Record, body: creation.CreateSandbox) -> Record:
        """Return the sandbox *record* with what *body* asks for beside: a warm one if there is one that fits.

        Raises:
            HTTPError: A volume or a secret is not there (404) or unusable (400), or the sandbox cannot be made.
        """
        record = msgspec.structs.replace(
            record,
            secrets=self.secrets.attached(body.secrets or ()),
            volumes=self.volumes.mounted(body.volumes or ()),
        )
        return self.warm_pools.hand_over(record) or await self._sandboxes.create(record)

    async def attach_secrets(self, record: Record, wanted: Iterable[dict[str, str]]) -> Record:
        """Replace the secrets of a sandbox; processes that it starts from now on see the new ones.

        Raises:
            HTTPError: There is no such secret (404).
        """
        attached = self.secrets.attached(wanted)
        changing = msgspec.structs.replace(record, secrets=attached)
        require_direct(changing)
        self._sandboxes.require_like_its_links(changing)
        changed = self._sandboxes.change(record, secrets=attached)
        if running := self._sandboxes.running(record.id):
            gone = record.secrets.keys() - attached
            await change_environment(self._sandboxes.agents, running.socket_path, attached, unset=gone)
        return changed

    def _plan(self, snapshot: str) -> Record:
        """Return a sandbox to be made from a snapshot, as nobody in particular asks for it."""
        body = creation.CreateSandbox(snapshot=snapshot)
        return creation.new_record(body, self._sandboxes.clock(), self._snapshots.lookup(snapshot))
