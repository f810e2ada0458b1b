"""The proxies of all sandboxes whose network is limited, and what holds for each of them now."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from daytona_plugins.local.egress.certificates import Authority, open_authority
from daytona_plugins.local.egress.gate import Gate
from daytona_plugins.local.egress.links import Link, LinkAddresses
from daytona_plugins.local.egress.placeholders import Attached
from daytona_plugins.local.egress.policy import Policy, parse_domains, parse_networks
from daytona_plugins.local.egress.rules import Rules
from daytona_plugins.local.platform.errors import not_in_this_version
from daytona_plugins.local.platform.linked_ports import connect_inside
from daytona_plugins.local.platform.links import others_of
from daytona_plugins.local.platform.secret_store import SecretRecord
from daytona_plugins.local.runtime.spec import PROXY_PORT, TRUST_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daytona_plugins.local.egress.connection import Streams
    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.store import Store
    from daytona_plugins.local.runtime.way_out import WayOut

_PROXY = f"http://127.0.0.1:{PROXY_PORT}"
_TRUSTED_BY = (
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
)  # fmt: skip
HTTP_ONLY = "Secrets are put into plain HTTP only; HTTPS needs the package `cryptography` beside the platform (extra `secrets`)."
NEEDS_RESTART = "Secrets stay placeholders until the next start: this sandbox was started without any."


class Gates:
    """Owns the gates; borrows the store, which is asked anew for every connection."""

    def __init__(self, store: Store, paths: Paths) -> None:
        self._store = store
        self._secrets = store.shelf("secret", SecretRecord)
        self._paths = paths
        self._authority: Authority | None = None
        self._gates: dict[str, Gate] = {}
        self._addresses: dict[str, LinkAddresses] = {}

    async def open(self, sandbox_id: str, way_out: WayOut) -> None:
        """Let a sandbox out as far as its record allows."""
        gate = Gate(lambda: self._rules(sandbox_id), self.authority)
        self._gates[sandbox_id] = gate
        self._addresses[sandbox_id] = LinkAddresses()
        await gate.open(way_out)

    async def close(self, sandbox_id: str) -> None:
        """End the connections of a sandbox; fine when it has none."""
        if gate := self._gates.pop(sandbox_id, None):
            await gate.close()
            del self._addresses[sandbox_id]

    def __contains__(self, sandbox_id: object) -> bool:
        """Whether a sandbox runs in a network of its own."""
        return sandbox_id in self._gates

    def review(self, sandbox_id: str) -> None:
        """Let a change of the record, or of the links, hold at once, for open connections as well."""
        if gate := self._gates.get(sandbox_id):
            gate.review()

    @property
    def authority(self) -> Authority | None:
        """Who signs for the hosts that are told secrets, where that is possible."""
        if self._authority is None:
            self._authority = open_authority(self._paths.data / "egress-authority.pem")
        return self._authority

    def trust(self, record: Record) -> str:
        """Return the certificate that a sandbox has to trust, empty when it need not."""
        return self.authority.pem if record.secrets and self.authority else ""

    def environment(self, record: Record) -> dict[str, str]:
        """Return what tells the programs of a sandbox about its proxy."""
        proxy = _PROXY if is_limited(record) else record.outbound_proxy_url
        if proxy is None:
            return {}
        here = "localhost,127.0.0.1,::1"
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
        trust = dict.fromkeys(_TRUSTED_BY, TRUST_FILE) if self.trust(record) else {}
        return proxies | {"NO_PROXY": here, "no_proxy": here} | trust

    def _rules(self, sandbox_id: str) -> Rules:
        record = self._store.get(sandbox_id)
        if record is None:
            return Rules(Policy(block_all=True))
        attached = set(record.secrets.values())
        secrets = [secret for secret in self._secrets.all() if secret.placeholder in attached]
        return Rules(
            policy_of(record),
            tuple(Attached(one.placeholder.encode(), one.value.encode(), one.hosts) for one in secrets),
            tuple(self._links(record)),
        )

    def _links(self, record: Record) -> Iterator[Link]:
        """Yield ways to the linked sandboxes that have networks of their own; the others are on this machine's."""
        if record.linked is None and not record.leads:
            return
        others = {one.id: one.name for one in others_of(record, self._store.all()) if one.id in self._gates}
        for sandbox_id, address in self._addresses[record.id].of(others).items():
            yield Link(others[sandbox_id], address, partial(self._connect, sandbox_id))

    async def _connect(self, sandbox_id: str, port: int) -> Streams:
        if sandbox_id not in self._gates:
            raise ConnectionRefusedError("the sandbox has ended")
        return await connect_inside(self._paths.agent_socket(sandbox_id), port)


def is_limited(record: Record) -> bool:
    """Return whether a sandbox goes out through a proxy, if at all."""
    return bool(
        record.network_block_all or record.network_allow_list or record.domain_allow_list or record.secrets
    )


def require_direct(record: Record) -> None:
    """Refuse a sandbox with two proxies: ours goes out directly, and would pass the other one by.

    Raises:
        HTTPError: It has an outbound proxy, and limits or secrets beside (501).
    """
    if record.outbound_proxy_url and is_limited(record):
        raise not_in_this_version("outboundProxyUrl together with secrets or limits of the network")


def policy_of(record: Record) -> Policy:
    """Return what a record allows."""
    return Policy(
        block_all=record.network_block_all,
        networks=parse_networks(record.network_allow_list or ""),
        domains=parse_domains(record.domain_allow_list or ""),
    )
