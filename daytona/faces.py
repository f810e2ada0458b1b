"""Writes the blocking twin of async services: `python -m daytona.faces [--check] SOURCE DESTINATION`.

For every public class `AsyncX` of a module the face has a class `X` with the same methods, signatures and docstrings;
each body is one line that steps the async method. Nothing is decided here, so nothing can differ:

    async method                      ordinary method:   return step(self._core.method(...))
    async generator                   iterator:          return BlockingStream(self._core.method(...), convert)
    property, plain method            the same, forwarded
    self.x = AsyncX(...) in __init__  property `x`, the face of the core's `x`
    __aenter__, __aexit__             __enter__, __exit__
    __aiter__, __anext__              __iter__, __next__
    class AsyncX(Extensible)          class X(..., ExtensibleFace)

A service that the module imports only where it is needed (below `TYPE_CHECKING`, and inside what makes one), its face
imports there too: programs pay for what they use.
A constructor marked `@made_directly` is there with the same parameters; others are replaced by one that takes the core.
A method marked `@awaitable_when_blocking` returns `Done`, which may also be awaited, instead of None.
Parameters that `@keyword_when_blocking` names come last and by keyword only in the blocking face.
A result or argument of type `AsyncX` becomes `X`, wrapped or unwrapped on the way; `Awaitable[None] | None` of a
callback becomes `None`, and `AsyncIterable[X] | Iterable[X]` of an argument becomes `Iterable[X]`. A shape that is not
in this list is refused with its place, never guessed.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path
from typing import Final

__all__ = ["FaceError", "main", "write_face"]

HEADER: Final = '''"""{summary}

Written by `python -m daytona.faces` from `{source}`: change that, and run {command}.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false
'''
WIDTH: Final = 110
_ABSTRACT: Final = frozenset({"AsyncGenerator", "AsyncIterable", "AsyncIterator", "AsyncContextManager"})
_PACKAGE: Final = "daytona."
_PLUGINS: Final = "daytona_plugins."
_ASYNC_NAME: Final = re.compile(r"\bAsync([A-Z]\w*)")
_EITHER_ITERABLE: Final = re.compile(r"AsyncIterable\[(\w+)\] \| (?=Iterable\[\1\])")


class FaceError(Exception):
    """The source has a shape that has no blocking twin."""


class _Refused(Exception):
    """A shape that is not in the list, and its line."""

    def __init__(self, node: ast.stmt | ast.arg, why: str) -> None:
        super().__init__(why)
        self.line = node.lineno


def write_face(source: str, module: str) -> str:
    """Return the text of the face of a module.

    Args:
        source: Text of the module.
        module: Its dotted name, for the header and the imports.

    Raises:
        FaceError: It has a shape that this tool does not know.
    """
    tree = ast.parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.startswith("Async")]
    if not classes:
        raise FaceError(f"{module} has no public class whose name begins with Async")
    try:
        faces = [_Face(node, module, _plugged_in(tree, module), _late(tree, module)) for node in classes]
        body = "\n\n\n".join(face.text() for face in faces)
    except _Refused as refused:
        raise FaceError(f"{module}:{refused.line}: {refused}") from None
    ours = module.startswith((_PACKAGE, _PLUGINS))
    head = HEADER.format(
        summary=_summary(tree), source=module, command="`nox -s faces`" if ours else "this again"
    )
    return f"{head}\n{_imports(tree, module, classes, body)}\n\n\n{body}\n"


def _summary(tree: ast.Module) -> str:
    doc = ast.get_docstring(tree) or "Services."
    return doc.splitlines()[0].removesuffix(".") + ", for blocking code."


class _Face:
    """The twin of one class."""

    def __init__(
        self, node: ast.ClassDef, module: str, plugged_in: frozenset[str], late: dict[str, str]
    ) -> None:
        self.node = node
        self.module = module
        self.name = node.name.removeprefix("Async")
        self.overloads: list[ast.AsyncFunctionDef] = []
        self.plugged_in = plugged_in
        self.late = late

    def text(self) -> str:
        """Return the class statement."""
        bases = [f"BlockingService[{self.node.name}]"]
        bases += ["ExtensibleFace" for base in self.node.bases if ast.unparse(base) == "Extensible"]
        bases += [name for base in self.node.bases if (name := ast.unparse(base)).endswith("View")]
        lines = [f"class {self.name}({', '.join(bases)}):"]
        lines += _docstring(self.node, "    ")
        for block in self._members():
            lines += ["", *block] if block else []
        return "\n".join(lines)

    def _members(self) -> list[list[str]]:
        blocks: list[list[str]] = [self._view_data()] if len(self._view_bases()) else []
        for statement in self.node.body:
            match statement:
                case ast.FunctionDef(name="__init__"):
                    blocks += self._constructor(statement) + self._attributes(statement)
                case ast.AsyncFunctionDef(name="__aenter__") | ast.AsyncFunctionDef(name="__aexit__"):
                    blocks.append(self._context(statement))
                case ast.AsyncFunctionDef(name="__anext__"):
                    blocks += self._iteration(statement)
                case ast.AsyncFunctionDef() | ast.FunctionDef() if statement.name.startswith("_"):
                    if statement.name == "__repr__":
                        blocks.append(
                            [
                                "    def __repr__(self) -> str:",
                                f'        return repr(self._core).replace("{self.node.name}", "{self.name}", 1)',
                            ]
                        )
                case ast.AsyncFunctionDef():
                    _check_bound(statement)
                    blocks.append(self._method(statement))
                case ast.FunctionDef():
                    _check_bound(statement)
                    blocks.append(self._plain(statement))
                case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                    blocks.append(self._field(name, ast.unparse(statement.annotation)))
                case _:
                    pass  # docstrings, private names
        return blocks

    def _view_bases(self) -> list[str]:
        return [ast.unparse(base) for base in self.node.bases if ast.unparse(base).endswith("View")]

    def _view_data(self) -> list[str]:
        return [
            "    @property",
            "    def _data(self) -> SandboxData:  # type: ignore[override]  # read through, never kept",
            "        return self._core._data",
        ]

    # -- Members --------------------------------------------------------------------------------------------------

    def _constructor(self, init: ast.FunctionDef) -> list[list[str]]:
        """Return a constructor that makes the service from the same arguments, for those that `@made_directly` names."""
        if not _has_decorator(init, "made_directly"):
            return []
        service = f"{self.node.name}({_arguments(init)})"
        return [[*_signature(init, "None"), f"        super().__init__({service})"]]

    def _attributes(self, init: ast.FunctionDef) -> list[list[str]]:
        """Return a property for every public attribute that the constructor sets."""
        blocks: list[list[str]] = []
        for statement in init.body:
            match statement:
                case ast.Assign(targets=[ast.Attribute(attr=name)], value=value) if not name.startswith("_"):
                    blocks.append(self._attribute(name, value))
                case _:
                    pass
        return blocks

    def _attribute(self, name: str, value: ast.expr) -> list[str]:
        match value:
            case ast.Call(func=ast.Name(id=kind)) if kind.startswith("Async"):
                face = kind.removeprefix("Async")
                return [
                    "    @functools.cached_property",
                    f"    def {name}(self) -> {face}:",
                    f"        return {_wrapped(face, f'self._core.{name}')}",
                ]
            case _:
                return self._field(name, "str")

    def _field(self, name: str, annotation: str) -> list[str]:
        return [
            "    @property",
            f"    def {name}(self) -> {annotation}:",
            f"        return self._core.{name}",
        ]

    def _context(self, node: ast.AsyncFunctionDef) -> list[str]:
        if node.name == "__aenter__":
            return [
                "    def __enter__(self) -> Self:",
                "        step(self._core.__aenter__())",
                "        return self",
            ]
        return [
            "    def __exit__(",
            "        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None",
            "    ) -> None:",
            "        step(self._core.__aexit__(kind, error, trace))",
        ]

    def _iteration(self, node: ast.AsyncFunctionDef) -> list[list[str]]:
        return [
            ["    def __iter__(self) -> Self:", "        return self"],
            [
                f"    def __next__(self) -> {_returns(node)}:",
                "        try:",
                "            return step(self._core.__anext__())",
                "        except StopAsyncIteration:",
                "            raise StopIteration from None",
            ],
        ]

    def _method(self, node: ast.AsyncFunctionDef) -> list[str]:
        if any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list):
            return ["    @overload", *_signature(node, _blocking(_returns(node)), " ...")]
        call = f"self._core.{node.name}({_arguments(node)})"
        returns = _returns(node)
        if generator := re.fullmatch(r"AsyncGenerator\[(.+?)(?:, None)?\]", returns):
            item = generator[1]
            result = f"BlockingStream({call}, {self._converter(node, item)})"
            return self._with_body(node, f"BlockingStream[{item}, {_blocking(item)}]", f"return {result}")
        stepped = f"step({call})"
        if _has_decorator(node, "awaitable_when_blocking"):
            return self._with_body(node, "Done", f"return Done({stepped})")
        if returns == "None":
            return self._with_body(node, returns, stepped)
        return self._with_body(node, _blocking(returns), f"return {self._converted(node, returns, stepped)}")

    def _plain(self, node: ast.FunctionDef) -> list[str]:
        returns = _returns(node)
        kinds = {"property", "functools.cached_property"} & {ast.unparse(d) for d in node.decorator_list}
        if kinds:
            block = self._with_body(
                node,
                _blocking(returns),
                f"return {self._converted(node, returns, f'self._core.{node.name}')}",
            )
            return [f"    @{kinds.pop()}", *block]
        call = f"self._core.{node.name}({_arguments(node)})"
        return self._with_body(node, _blocking(returns), f"return {self._converted(node, returns, call)}")

    def _with_body(self, node: ast.AsyncFunctionDef | ast.FunctionDef, returns: str, body: str) -> list[str]:
        late = [
            f"        from {home} import {name}"
            for name, home in self.late.items()
            if f"{name}._over" in body
        ]
        return [*_signature(node, returns), *_docstring(node, "        "), *late, f"        {body}"]

    def _converted(self, node: ast.AsyncFunctionDef | ast.FunctionDef, returns: str, value: str) -> str:
        names = _ASYNC_NAME.findall(returns)
        if not names:
            return value
        if returns in self.plugged_in:
            return f'cast("{names[0]}", face_of({value}))'
        if _is_service(returns):
            return _wrapped(names[0], value)
        raise _Refused(
            node, f"{self.node.name}.{node.name} returns {returns}: return one service, or yield them"
        )

    def _converter(self, node: ast.AsyncFunctionDef, item: str) -> str:
        if _is_service(item):
            return f"{item.removeprefix('Async')}._over"
        if _ASYNC_NAME.search(item):
            raise _Refused(node, f"{self.node.name}.{node.name} yields {item}: yield services one by one")
        return "same"


def _has_decorator(node: ast.AsyncFunctionDef | ast.FunctionDef, name: str) -> bool:
    return any(ast.unparse(decorator) == name for decorator in node.decorator_list)


def _is_service(annotation: str) -> bool:
    """Return whether an annotation is one service and nothing around it."""
    return bool(re.fullmatch(r"Async[A-Z]\w*", annotation)) and annotation not in _ABSTRACT


def _check_bound(node: ast.AsyncFunctionDef | ast.FunctionDef) -> None:
    """Refuse methods that have no object: a face is made over one."""
    for decorator in node.decorator_list:
        if (kind := ast.unparse(decorator)) in ("staticmethod", "classmethod"):
            raise _Refused(node, f"{node.name} is a {kind}: make it a function of the module")


def _wrapped(face: str, value: str) -> str:
    return f"{face}._over({value})"


def _returns(node: ast.AsyncFunctionDef | ast.FunctionDef) -> str:
    if node.returns is None:
        raise _Refused(node, f"{node.name} has no return annotation")
    return ast.unparse(node.returns)


def _blocking(annotation: str) -> str:
    """Return an annotation as the blocking face has it."""
    return _ASYNC_NAME.sub(r"\1", annotation.replace("Awaitable[None] | None", "None"))


def _docstring(node: ast.ClassDef | ast.AsyncFunctionDef | ast.FunctionDef, indent: str) -> list[str]:
    doc = ast.get_docstring(node)
    if doc is None:
        return []
    lines = f'"""{doc}'.splitlines()
    closing = [*lines[:-1], lines[-1] + '"""'] if len(lines) == 1 else [*lines, '"""']
    return [f"{indent}{line}".rstrip() for line in closing]


def _parameters(node: ast.AsyncFunctionDef | ast.FunctionDef) -> list[str]:
    """Return the parameters as the blocking face declares them."""
    spec = node.args
    if spec.vararg is not None or spec.kwarg is not None:
        raise _Refused(node, f"{node.name} takes *args or **kwargs; name its parameters")
    positional = [*spec.posonlyargs, *spec.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
    moved = _keywords(node)
    pairs = list(zip(positional, defaults, strict=True))
    declared = [positional[0].arg]  # self
    declared += [_parameter(a, d) for a, d in pairs[1:] if a.arg not in moved]
    if spec.posonlyargs:
        declared.insert(len(spec.posonlyargs), "/")
    if spec.kwonlyargs or moved:
        declared.append("*")
        declared += [_parameter(a, d) for a, d in pairs if a.arg in moved]
        declared += [_parameter(a, d) for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)]
    return declared


def _keywords(node: ast.AsyncFunctionDef | ast.FunctionDef) -> set[str]:
    """Return the parameters that `@keyword_when_blocking` names."""
    return {
        str(ast.literal_eval(argument))
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "keyword_when_blocking"
        for argument in decorator.args
    }


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    if argument.annotation is None:
        raise _Refused(argument, f"the parameter {argument.arg} has no annotation")
    source = _EITHER_ITERABLE.sub("", ast.unparse(argument.annotation))
    annotation = _blocking(source)
    if "Awaitable" in annotation or (_ASYNC_NAME.search(source) and not _is_service(source)):
        raise _Refused(argument, f"the parameter {argument.arg}: {source} has no blocking twin")
    return f"{argument.arg}: {annotation}" + (f" = {ast.unparse(default)}" if default is not None else "")


def _arguments(node: ast.AsyncFunctionDef | ast.FunctionDef) -> str:
    """Return the call's arguments: a service is handed over as its core."""
    positional = [*node.args.posonlyargs, *node.args.args][1:]
    given = [_argument(argument) for argument in positional]
    given += [f"{argument.arg}={_argument(argument)}" for argument in node.args.kwonlyargs]
    return ", ".join(given)


def _argument(argument: ast.arg) -> str:
    annotation = ast.unparse(argument.annotation) if argument.annotation is not None else ""
    return f"{argument.arg}._core" if _is_service(annotation) else argument.arg


def _signature(node: ast.AsyncFunctionDef | ast.FunctionDef, returns: str, ending: str = "") -> list[str]:
    parameters = _parameters(node)
    line = f"    def {node.name}({', '.join(parameters)}) -> {returns}:{ending}"
    if len(line) <= WIDTH:
        return [line]
    middle = f"        {', '.join(parameters)}"
    if len(middle) <= WIDTH:
        return [f"    def {node.name}(", middle, f"    ) -> {returns}:{ending}"]
    return [f"    def {node.name}(", *(f"        {p}," for p in parameters), f"    ) -> {returns}:{ending}"]


# -- Imports ----------------------------------------------------------------------------------------------------------

_RUNTIME: Final = {
    "BlockingService": "daytona.service",
    "BlockingStream": "daytona.service",
    "Done": "daytona.service",
    "ExtensibleFace": "daytona.plugins",
    "face_of": "daytona.plugins",
    "same": "daytona.service",
    "step": "daytona.service",
}


def _imports(tree: ast.Module, module: str, classes: list[ast.ClassDef], body: str) -> str:
    """Return the import block: what the face uses of what the source imports, and the source's own classes."""
    code = re.sub(r'"""(?:[^"]|"(?!""))*"""', "", body)
    used = set(re.findall(r"\b[A-Za-z_]\w*\b", code))
    own = {node.name.removeprefix("Async") for node in classes}
    at_once = _at_once(tree)
    late = _late(tree, module)
    runtime: dict[str, set[str]] = {}
    typing_only: dict[str, set[str]] = {}
    for name, origin in _RUNTIME.items():
        if name in used:
            runtime.setdefault(origin, set()).add(name)
    for name, origin in _imported(tree, module).items():
        blocking = name.removeprefix("Async") if _is_service(name) else name
        if blocking in own:
            continue
        if name != blocking and blocking in used:
            target = typing_only if f"{blocking}._over" not in code or blocking in late else runtime
            target.setdefault(_face_module(origin, blocking), set()).add(blocking)
        if name in used and name != blocking:
            typing_only.setdefault(origin, set()).add(name)
        if name in used and name == blocking:
            # What the source imports at once costs nothing, and annotations that can be evaluated are worth something.
            needed = name in at_once or f"({name}" in code or f", {name})" in code or f"= {name}" in code
            (runtime if needed else typing_only).setdefault(origin, set()).add(name)
    for name in _constants(tree) & used:
        runtime.setdefault(module, set()).add(name)
    for node in classes:
        runtime.setdefault(module, set()).add(node.name)
    lines = ["from __future__ import annotations", ""]
    if "functools" in used:
        lines += ["import functools"]
    typed = _from_lines(typing_only, "    ")
    names = [
        *(["TYPE_CHECKING"] if typed else []),
        *(name for name in ("Self", "cast", "overload") if name in used),
    ]
    lines += [f"from typing import {', '.join(names)}", ""] if names else []
    lines += _from_lines(runtime, "")
    lines += ["", "if TYPE_CHECKING:", *typed] if typed else []
    lines += ["", f"__all__ = {_listed(sorted(own))}"]
    return "\n".join(lines)


def _imported(tree: ast.Module, module: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            origin = _absolute(node, module)
            found.update({alias.asname or alias.name: origin for alias in node.names})
    return {name: origin for name, origin in found.items() if origin != "typing"}


def _plugged_in(tree: ast.Module, module: str) -> frozenset[str]:
    """Return the names that the package takes from plugins: their faces are found at run time."""
    if module.startswith(_PLUGINS):
        return frozenset()
    return frozenset(name for name, origin in _imported(tree, module).items() if origin.startswith(_PLUGINS))


def _at_once(tree: ast.Module) -> set[str]:
    """Return the names that the module imports when it is itself imported."""
    return {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _late(tree: ast.Module, module: str) -> dict[str, str]:
    """Return the faces of services that the module does not import when it is itself imported, and their homes."""
    at_once = _at_once(tree)
    imported = _imported(tree, module).items()
    services = {name: origin for name, origin in imported if _is_service(name) and name not in at_once}
    faces = {name.removeprefix("Async"): origin for name, origin in services.items()}
    return {name: _face_module(origin, name) for name, origin in faces.items()}


def _constants(tree: ast.Module) -> set[str]:
    """Return the names of the module's constants: defaults of parameters may be among them."""
    targets = [node.target if isinstance(node, ast.AnnAssign) else None for node in tree.body]
    return {target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper()}


def _absolute(node: ast.ImportFrom, module: str) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".")[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _face_module(origin: str, name: str) -> str:
    """Return the face in which the blocking twin of a class lives."""
    package, _, leaf = origin.rpartition(".")
    parent = package.rpartition(".")[0] if package.endswith(".services") else package
    return f"{parent}.blocking.{leaf}" if package.endswith(".services") else f"{package}.blocking"


def _from_lines(groups: dict[str, set[str]], indent: str) -> list[str]:
    lines: list[str] = []
    for origin in sorted(groups):
        names = sorted(groups[origin])
        if not names:
            continue
        line = f"{indent}from {origin} import {', '.join(names)}"
        if len(line) <= WIDTH:
            lines.append(line)
        else:
            lines += [
                f"{indent}from {origin} import (",
                *(f"{indent}    {name}," for name in names),
                f"{indent})",
            ]
    return lines


def _listed(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


# -- Command ----------------------------------------------------------------------------------------------------------


def _module_name(path: Path) -> str:
    """Return the dotted name of a file: as many packages as there are `__init__.py` above it."""
    parts = [path.stem]
    for parent in path.resolve().parents:
        if not (parent / "__init__.py").exists():
            break
        parts.insert(0, parent.name)
    return ".".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Write, or with `--check` compare, the face of one module; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m daytona.faces", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--check", action="store_true", help="compare instead of writing; exit 1 on a difference"
    )
    parser.add_argument("source", type=Path, help="module with the Async... classes")
    parser.add_argument("destination", type=Path, help="module to write")
    options = parser.parse_args(arguments)
    try:
        text = write_face(options.source.read_text(encoding="utf-8"), _module_name(options.source))
    except FaceError as error:
        print(error, file=sys.stderr)
        return 1
    if not options.check:
        options.destination.write_text(text, encoding="utf-8")
        return 0
    current = options.destination.read_text(encoding="utf-8") if options.destination.exists() else ""
    if current == text:
        return 0
    print(f"{options.destination} is not the face of {options.source}: run `nox -s faces`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
