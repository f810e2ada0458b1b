"""The former name of this package: programs that import `daytona_sdk` get `daytona`, its classes and its modules."""

import warnings

from daytona import (
    __all__ as __all__,  # pyright: ignore[reportUnsupportedDunderAll]
    __dir__ as __dir__,
    __getattr__ as __getattr__,
    __path__ as __path__,
)

warnings.warn(
    "The package daytona_sdk is deprecated: import daytona, which has the same names",
    DeprecationWarning,
    stacklevel=2,
)
