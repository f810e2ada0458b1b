"""The platform itself: its public configuration, telemetry, and the store for build contexts."""

from __future__ import annotations

from daytona.models._base import Confidential, Model, Number


class OidcConfig(Model, frozen=True):
    """Where people log in."""

    issuer: str = ""
    client_id: str = ""
    audience: str = ""
    provider: str | None = None
    auth_api_hostname: str | None = None


class DaytonaConfiguration(Model, frozen=True):
    """What `GET /config` says about a platform, as far as a client needs it."""

    version: str = ""
    build_sha: str | None = None
    oidc: OidcConfig | None = None
    forced_feature_flags: list[str] | None = None
    linked_accounts_enabled: bool = False
    proxy_template_url: str = ""
    proxy_toolbox_url: str = ""
    default_snapshot: str = ""
    dashboard_url: str = ""
    max_auto_archive_interval: Number = 0
    maintanance_mode: bool = False
    environment: str = ""
    billing_api_url: str | None = None
    analytics_api_url: str | None = None
    ssh_gateway_command: str | None = None
    ssh_gateway_public_key: str | None = None
    ssh_gateway_host: str | None = None
    ssh_gateway_port: Number | None = None
    ssh_gateway_host_keys: list[str] | None = None
    ssh_gateway_host_key_fingerprints: list[str] | None = None


class StorageAccess(Confidential, frozen=True):
    """Short-lived credentials for the store that takes build contexts."""

    access_key: str = ""
    secret: str = ""
    session_token: str = ""
    storage_url: str = ""
    organization_id: str = ""
    bucket: str = ""
    region: str = ""


class MetricDataPoint(Model, frozen=True):
    """One value of a series."""

    timestamp: str = ""
    value: Number = 0


class MetricSeries(Model, frozen=True):
    """The values of one metric over time."""

    metric_name: str = ""
    data_points: list[MetricDataPoint] = []


class MetricsResponse(Model, frozen=True):
    """Telemetry of one sandbox, from the API."""

    series: list[MetricSeries] = []


class MetricPoint(Model, frozen=True):
    """Telemetry of one sandbox, from the analytics service."""

    metric_name: str = ""
    timestamp: str = ""
    value: Number = 0
