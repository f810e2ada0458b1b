"""From the body of `POST /sandbox` to a record, or to the refusal that the protocol asks for."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

from daytona_plugins.local.egress.policy import parse_domains, parse_networks
from daytona_plugins.local.images.image import HOST
from daytona_plugins.local.platform.collectors import is_endpoint
from daytona_plugins.local.platform.images import (
    DEFAULT_SNAPSHOT,
    DEFAULT_SNAPSHOT_ID,
    labels_for,
    labels_of,
    snapshot_ref,
)
from daytona_plugins.local.platform.mounts import MountRequest
from daytona_plugins.local.platform.records import BuildInfo, Record
from daytona_plugins.local.platform.regions import refuse_elsewhere
from daytona_plugins.local.platform.states import Desired, State
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.snapshot_store import SnapshotRecord

MAX_AUTO_ARCHIVE = 43200
LONGEST_INTERVAL = 1e9
"""In minutes: beyond it lie dates that cannot be written down."""
DEFAULT_USER = "daytona"
_PREVIEW_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_UNSAFE_NAME = re.compile(
    r"<[^>]*>|[a-z][a-z0-9+.-]*://|www\.|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", re.IGNORECASE
)


class CreateBuildInfo(msgspec.Struct, rename="camel", kw_only=True):
    """An image described by a Dockerfile."""

    dockerfile_content: str = ""
    context_hashes: tuple[str, ...] | None = None


class CreateSandbox(msgspec.Struct, rename="camel", kw_only=True):
    """The body of `POST /sandbox`; keys that are not here are ignored, as the protocol asks."""

    name: str | None = None
    snapshot: str | None = None
    user: str | None = None
    env: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    public: bool | None = None
    network_block_all: bool | None = None
    network_allow_list: str | None = None
    domain_allow_list: str | None = None
    outbound_proxy_url: str | None = None
    otel_endpoint_override: str | None = None
    target: str | None = None
    cpu: int | None = None
    memory: int | None = None
    disk: int | None = None
    gpu: int | None = None
    gpu_type: str | list[str] | None = None
    auto_stop_interval: float | None = None
    auto_pause_interval: float | None = None
    auto_archive_interval: float | None = None
    auto_delete_interval: float | None = None
    ttl_minutes: float | None = None
    volumes: list[MountRequest] | None = None
    secrets: list[dict[str, str]] | None = None
    build_info: CreateBuildInfo | None = None
    linked_sandbox: str | None = None
    kvm: bool | None = None
    spot: bool | None = None
    queue_timeout: int | None = None


_decode = msgspec.json.Decoder(CreateSandbox).decode


def read_body(content: bytes) -> CreateSandbox:
    """Decode the body of a create request.

    Raises:
        HTTPError: It is not JSON, or one of its values is of the wrong type (400).
    """
    try:
        return _decode(content)
    except msgspec.DecodeError as error:
        raise HTTPError(400, str(error)) from error


def new_record(body: CreateSandbox, now: float, snapshot: SnapshotRecord | None = None) -> Record:
    """Return the sandbox that *body* asks for, made from *snapshot* when it names one.

    Raises:
        HTTPError: The protocol refuses it, or this platform cannot honour a part of it.
    """
    _refuse_contradictions(body)
    _refuse_unknown_places(body, snapshot)
    _refuse_what_is_not_there(body)
    identity = str(uuid4())
    record = Record(
        id=identity,
        name=safe_name(body.name) or identity,
        state=State.PENDING_BUILD if body.build_info else State.UNKNOWN,
        desired=Desired.STARTED,
        created_at=now,
        updated_at=now,
        last_activity_at=now,
        auth_token=new_token(),
        signing_key=secrets.token_hex(32),
        snapshot=None if body.build_info else (snapshot.name if snapshot else DEFAULT_SNAPSHOT),
        user=body.user or DEFAULT_USER,
        env=body.env or {},
        labels=(body.labels or {}) | _image_labels(body, snapshot),
        public=body.public or False,
        network_block_all=body.network_block_all or False,
        network_allow_list=allow_list(body.network_allow_list, parse_networks),
        domain_allow_list=allow_list(body.domain_allow_list, parse_domains),
        cpu=body.cpu or (snapshot.cpu if snapshot else 1),
        memory=body.memory or (snapshot.mem if snapshot else 1),
        disk=body.disk or (snapshot.disk if snapshot else 3),
        limited=_limited(body, snapshot),
        auto_stop_interval=not_negative(
            body.auto_stop_interval, default=0 if body.auto_pause_interval else 15
        ),
        auto_pause_interval=not_negative(body.auto_pause_interval, default=0),
        auto_archive_interval=archive_interval(not_negative(body.auto_archive_interval, default=10080)),
        auto_delete_interval=interval(body.auto_delete_interval, default=-1),
        auto_destroy_at=deadline(not_negative(body.ttl_minutes, default=0), now),
        build_info=build_info_of(body.build_info),
        outbound_proxy_url=_proxy_url(body.outbound_proxy_url),
        image=snapshot.image if snapshot else HOST,
        otel_endpoint=body.otel_endpoint_override or None,
        linked=body.linked_sandbox or None,
    )
    refuse_two_ends(record)
    return record


def _limited(body: CreateSandbox, snapshot: SnapshotRecord | None) -> tuple[str, ...]:
    """Return which sizes somebody has asked for, now or when the snapshot was made."""
    asked = {"cpu": body.cpu, "memory": body.memory, "disk": body.disk}
    return tuple(name for name, size in asked.items() if size) or (snapshot.limited if snapshot else ())


def new_token() -> str:
    """Return a fresh token for previews."""
    number = int.from_bytes(
        secrets.token_bytes(64)
    )  # asked of the kernel at once; so long that no letter is likelier
    letters: list[str] = []
    for _ in range(32):
        number, letter = divmod(number, len(_PREVIEW_ALPHABET))
        letters.append(_PREVIEW_ALPHABET[letter])
    return "".join(letters)


def allow_list(text: str | None, parse: Callable[[str], object]) -> str | None:
    """Return a list of what may be reached as it was given, None for an empty one, or refuse it."""
    try:
        return text if text and parse(text) else None
    except ValueError as error:
        raise HTTPError(400, str(error)) from error


def interval(minutes: float | None, *, default: float) -> float:
    """Return an interval that may be negative, or refuse one that is no number of minutes."""
    if minutes is not None and not abs(minutes) <= LONGEST_INTERVAL:  # so that NaN is refused too
        raise HTTPError(400, "an interval is a number of minutes")
    return default if minutes is None else minutes


def not_negative(minutes: float | None, *, default: float) -> float:
    """Return an interval, or refuse a negative one."""
    found = interval(minutes, default=default)
    if found < 0:
        raise HTTPError(400, "an interval must not be negative")
    return found


def archive_interval(minutes: float) -> float:
    """Return when to archive: zero and more than the maximum both mean the maximum."""
    return min(minutes or MAX_AUTO_ARCHIVE, MAX_AUTO_ARCHIVE)


def refuse_two_ends(record: Record) -> None:
    """Refuse a sandbox of which two things are to become when nobody uses it.

    Raises:
        HTTPError: It is to be paused, and to be stopped or deleted (400).
    """
    if record.auto_pause_interval and record.auto_stop_interval:
        raise HTTPError(400, "an idle sandbox is stopped or paused: one of the two intervals has to be 0")
    if record.auto_pause_interval and record.ephemeral:
        raise HTTPError(400, "an ephemeral sandbox cannot have an auto-pause interval")


def deadline(ttl_minutes: float, now: float) -> float | None:
    """Return when a lifetime that begins now ends; zero minutes mean never."""
    return now + ttl_minutes * 60 if ttl_minutes else None


def _refuse_contradictions(body: CreateSandbox) -> None:
    if body.build_info and body.snapshot:
        raise HTTPError(400, "a sandbox comes from a snapshot or from a build, not from both")
    if body.linked_sandbox and body.auto_delete_interval != 0:
        raise HTTPError(400, "a linked sandbox is ephemeral: its autoDeleteInterval has to be 0")
    if body.build_info and body.linked_sandbox:
        raise HTTPError(400, "a linked sandbox cannot come from a build")
    if any(size is not None and size < 0 for size in (body.cpu, body.memory, body.disk, body.gpu)):
        raise HTTPError(400, "resources must not be negative")
    if not body.build_info and (body.cpu or body.memory or body.disk or body.gpu or body.gpu_type):
        raise HTTPError(400, "resources come with the snapshot; give them with an image only")


def _refuse_unknown_places(body: CreateSandbox, found: SnapshotRecord | None) -> None:
    refuse_elsewhere(body.target)
    snapshot = (body.snapshot or "").strip()
    if snapshot and snapshot not in (DEFAULT_SNAPSHOT, DEFAULT_SNAPSHOT_ID) and found is None:
        raise HTTPError(
            400, f"snapshot {snapshot!r} not found; this platform always has {DEFAULT_SNAPSHOT!r}"
        )
    if found is not None and found.state != "active":
        raise HTTPError(400, f"snapshot {found.name!r} is {found.state}; only an active one can be used")


def _refuse_what_is_not_there(body: CreateSandbox) -> None:
    """A promise that could not be kept (a firewall, above all) is not made."""
    if body.gpu:
        raise HTTPError(400, "no available runners: this platform has no GPU to give")
    if body.spot:
        raise HTTPError(400, "spot is for sandboxes with GPUs only")
    if body.kvm:
        raise HTTPError(400, "kvm is for sandboxes of the class linux-vm; this platform has containers")
    if body.queue_timeout is not None and body.queue_timeout < 1:
        raise HTTPError(400, "queueTimeout is a number of minutes, at least 1")
    if body.otel_endpoint_override and not is_endpoint(body.otel_endpoint_override):
        raise HTTPError(
            400, "otelEndpointOverride is the address of a collector, like http://collector.example:4318"
        )


def _proxy_url(url: str | None) -> str | None:
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        usable = False
    if not usable:
        raise HTTPError(
            400, "outboundProxyUrl is the address of a proxy, like http://user:password@proxy.example:3128"
        )
    return url


def safe_name(name: str | None) -> str | None:
    """Return a name that is safe to show, or refuse it."""
    if name and _UNSAFE_NAME.search(name):
        raise HTTPError(400, "a name holds no HTML tags, no URLs and no control characters")
    return name


def _image_labels(body: CreateSandbox, snapshot: SnapshotRecord | None) -> dict[str, str]:
    if snapshot is not None:
        return labels_of(snapshot.image)
    return labels_for(body.build_info.dockerfile_content) if body.build_info else {}


def build_info_of(build: CreateBuildInfo | None) -> BuildInfo | None:
    """Return what is remembered of a build."""
    if build is None:
        return None
    content, hashes = build.dockerfile_content, build.context_hashes or ()
    return BuildInfo(dockerfile=content, context_hashes=hashes, snapshot_ref=snapshot_ref(content, hashes))
