"""Where the official package keeps its classes: private modules that programs import from all the same.

Each of them has all public names of `daytona`, and the models of its subject. None is a file: they are made when the
package they belong to is imported.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECTS: Final = {
    "code_interpreter": "interpreter",
    "computer_use": "computer_use",
    "daytona": "sandbox",
    "filesystem": "files",
    "git": "git",
    "lsp_server": "lsp",
    "object_storage": "platform",
    "process": "process",
    "sandbox": "sandbox",
    "secret": "secret",
    "snapshot": "snapshot",
    "volume": "volume",
    "warm_pool": "warm_pool",
}
"""The official module of each service, and our module of models that belongs to it."""


def add_modules(package: str, subjects: Mapping[str, str] = SUBJECTS) -> None:
    """Let programs import the modules *subjects* from *package*, which is being imported."""
    for leaf, subject in subjects.items():
        name = f"{package}.{leaf}"
        module = module_from_spec(ModuleSpec(name, loader=None))
        module.__doc__ = f"Names that programs import from `{name}`."
        vars(module)["__getattr__"] = partial(_find, name, f"daytona.models.{subject}")
        sys.modules[name] = module
        setattr(sys.modules[package], leaf, module)


def _find(module: str, models: str, name: str) -> object:
    for home in ("daytona", models):
        try:
            found: object = getattr(import_module(home), name)
        except AttributeError:
            continue
        return found
    raise AttributeError(f"module {module!r} has no attribute {name!r}")
