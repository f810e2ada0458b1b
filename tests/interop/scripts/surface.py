"""Prints the public names of the installed `daytona`, and what each method of its main classes takes, as JSON.

Run by both interpreters: with the official client the classes are found where it keeps them.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from typing import Any

CLASSES = {
    "Daytona": ("daytona",),
    "AsyncDaytona": ("daytona",),
    "Sandbox": ("daytona",),
    "AsyncSandbox": ("daytona",),
    "FileSystem": ("daytona._sync.filesystem", "daytona"),
    "AsyncFileSystem": ("daytona._async.filesystem", "daytona"),
    "Process": ("daytona._sync.process", "daytona"),
    "AsyncProcess": ("daytona._async.process", "daytona"),
    "VolumeService": ("daytona._sync.volume", "daytona"),
    "AsyncVolumeService": ("daytona._async.volume", "daytona"),
    "SecretService": ("daytona._sync.secret", "daytona"),
    "AsyncSecretService": ("daytona._async.secret", "daytona"),
    "WarmPoolService": ("daytona._sync.warm_pool", "daytona"),
    "AsyncWarmPoolService": ("daytona._async.warm_pool", "daytona"),
    "ObjectStorage": ("daytona._sync.object_storage", "daytona"),
    "AsyncObjectStorage": ("daytona._async.object_storage", "daytona"),
    "Git": ("daytona._sync.git", "daytona"),
    "AsyncGit": ("daytona._async.git", "daytona"),
    "CodeInterpreter": ("daytona._sync.code_interpreter", "daytona"),
    "AsyncCodeInterpreter": ("daytona._async.code_interpreter", "daytona"),
    "PtyHandle": ("daytona.handle.pty_handle", "daytona"),
    "AsyncPtyHandle": ("daytona.handle.async_pty_handle", "daytona"),
    "LspServer": ("daytona._sync.lsp_server", "daytona"),
    "AsyncLspServer": ("daytona._async.lsp_server", "daytona"),
}
for _name in (
    "ComputerUse",
    "Mouse",
    "Keyboard",
    "Screenshot",
    "Display",
    "RecordingService",
    "Accessibility",
):
    CLASSES[_name] = ("daytona._sync.computer_use", "daytona.computer_use")
    CLASSES[f"Async{_name}"] = ("daytona._async.computer_use", "daytona.computer_use")


def find(name: str, modules: tuple[str, ...]) -> type:
    """Return the class, from the first of *modules* that exists."""
    for module in modules:
        try:
            found: type = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError:
            continue
        return found
    raise LookupError(name)


def parameters(method: Any) -> list[list[str | None]]:
    """Return name, kind and default of each parameter but the first."""
    found = list(inspect.signature(method).parameters.values())[1:]
    return [
        [one.name, one.kind.name, None if one.default is one.empty else _text(one.default)] for one in found
    ]


def _text(value: object) -> str:
    # 1800 and 1800.0 are the same default.
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else repr(value)


def methods(cls: type) -> dict[str, list[list[str | None]]]:
    """Return the parameters of every method that the package itself wrote: not those of pydantic."""
    ours: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0].startswith("daytona"):
            ours.update(vars(base))
    return {
        name: parameters(value)
        for name, value in ours.items()
        if inspect.isfunction(value) and not name.startswith(("_", "model_"))
    }


MACHINERY = (
    "daytona._utils.",
    "daytona.internal.",
    "daytona.common.file_transfer",
    "daytona.common.protocols",
)


def paths() -> dict[str, list[str]]:
    """Return, by module, the classes that programs can import from it: the package's own, and what it makes public."""
    found: dict[str, list[str]] = {}
    for module in ["daytona.handle.pty_handle", "daytona.handle.async_pty_handle", *_modules()]:
        values = vars(importlib.import_module(module)).items()
        names = [
            name for name, value in values if not name.startswith("_") and _is_class_of_ours(name, value)
        ]
        found[module] = sorted(names)
    return found


def _modules() -> list[str]:
    below = ("daytona._async.", "daytona._sync.", "daytona.common.")
    found = pkgutil.walk_packages(daytona.__path__, "daytona.")
    names = [module.name for module in found]
    return [name for name in names if name.startswith(below) and not name.startswith(MACHINERY)]


def _is_class_of_ours(name: str, value: object) -> bool:
    if not inspect.isclass(value) or value.__module__.startswith(MACHINERY):
        return False
    return value.__module__.startswith("daytona.") or name in daytona.__all__


daytona = importlib.import_module("daytona")
print(
    json.dumps(
        {
            "names": sorted(daytona.__all__),
            "paths": paths(),
            "classes": {name: methods(find(name, modules)) for name, modules in CLASSES.items()},
        }
    )
)
