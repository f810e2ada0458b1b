"""The version that is stood in for: the official client's whose interface ours has, unless a package wants another."""

import os

__version__ = os.environ.get("STAND_IN_VERSION", "0.226.1")
