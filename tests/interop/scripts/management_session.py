"""What a program does with the generated client beside the official one: keys, the organization, quotas, users, regions.

Prints one line of JSON: what each call saw.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import daytona_api_client as generated
from daytona_api_client.exceptions import ApiException


def client(key: str) -> generated.ApiClient:
    configuration = generated.Configuration(host=os.environ["DAYTONA_API_URL"], access_token=key)
    return generated.ApiClient(configuration)


def status_of(call: Any, *arguments: Any) -> int:
    try:
        call(*arguments)
    except ApiException as error:
        return int(error.status)
    return 200


api = client(os.environ["DAYTONA_API_KEY"])
keys = generated.ApiKeysApi(api)
organizations = generated.OrganizationsApi(api)
sandboxes = generated.SandboxApi(api)

soon = datetime.now(UTC) + timedelta(hours=1)
wanted = generated.CreateApiKey(name="interop", permissions=["write:sandboxes"], expires_at=soon)
made = keys.create_api_key(wanted)
limited = generated.SandboxApi(client(made.value))
box = limited.create_sandbox(generated.CreateSandbox())
(organization,) = organizations.list_organizations()
usage = organizations.get_organization_usage_overview(organization.id)
seen = {
    "keys": [key.name for key in keys.list_api_keys()],
    "current": generated.ApiKeysApi(client(made.value)).get_current_api_key().permissions,
    "refused": status_of(limited.delete_sandbox, box.id),
    "organization": organizations.get_organization(organization.id).name == organization.name,
    "usage": [region.sandbox_class for region in usage.region_usage],
    "classes": [one.region_id for one in organizations.list_available_sandbox_classes(organization.id)],
    "gpus": organizations.get_gpu_capacity(organization.id).capacity,
    "members": [member.role for member in organizations.list_organization_members(organization.id)],
    "roles": organizations.list_organization_roles(organization.id),
    "invitations": organizations.list_organization_invitations(organization.id),
    "regions": [region.id for region in organizations.list_available_regions()],
    "user": generated.UsersApi(api).get_authenticated_user().id,
    "runners": generated.RunnersApi(api).list_runners(),
    "whose": sandboxes.get_organization_by_sandbox_id(box.id).id == organization.id,
    "quota": sandboxes.get_region_quota_by_sandbox_id(box.id).region_id,
    "jobs": status_of(generated.JobsApi(api).list_jobs),
}
keys.delete_api_key("interop")
seen["revoked"] = status_of(limited.list_sandboxes)
sandboxes.delete_sandbox(box.id)
print(json.dumps(seen))
