"""Names that programs import from `daytona.common.secret`."""

from daytona.models.params import (
    CreateSecretParams as CreateSecretParams,
    UpdateSecretParams as UpdateSecretParams,
)
from daytona.models.secret import (
    ListSecretsResponse as ListSecretsResponse,
    Secret as Secret,
)
