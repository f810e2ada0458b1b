"""POST /process/code-run: a piece of Python, JavaScript or TypeScript.

The code reaches the interpreter through a pipeline in the shell, as with the real daemon, so that tracebacks and
`sys.argv` look the same. Arguments are quoted, which the real daemon leaves to its callers.
"""

from __future__ import annotations

import base64
import re
import shlex
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.command import StartError, start_command
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.agent.execute import check_env_names, finish
from daytona_plugins.local.agent.shell import choose_shell
from daytona_plugins.local.web import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.agent.toolbox import Toolbox

ARTIFACT: Final = "dtn_artifact_k39fd2:"
# Element 1 is the script's name, which standard input lacks.
JAVASCRIPT_PREFIX: Final = "process.argv.splice(1, 1);\n"


class CodeRunRequest(msgspec.Struct, rename="camel"):
    """Code to run."""

    code: str | None = None
    language: str | None = None
    argv: list[str] | None = None
    envs: dict[str, str] | None = None
    timeout: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Artifact(msgspec.Struct):
    """A line of output that is not text; a chart's value passes through as it was printed."""

    type: str
    value: msgspec.Raw = msgspec.Raw(b"null")


decode_artifact = msgspec.json.Decoder(Artifact).decode


def add_code_run(toolbox: Toolbox) -> None:
    """Run code."""

    async def code_run(request: Request) -> Response:
        wanted = await read_json(request, CodeRunRequest, code="INVALID_REQUEST_BODY")
        script = build_script(wanted)
        check_env_names(wanted.envs)
        try:
            command = start_command(toolbox.reaper, choose_shell(), script, cwd=None, envs=wanted.envs or {})
        except StartError as error:
            return json_response({"exitCode": -1, "result": str(error)})
        exit_code = await finish(command, timeout=wanted.timeout)
        result, charts = split_artifacts(command.stdout.text())
        answer: dict[str, object] = {"exitCode": exit_code, "result": result}
        return json_response({**answer, "artifacts": {"charts": charts}} if charts else answer)

    toolbox.router.add("POST", "/process/code-run", code_run)


def build_script(wanted: CodeRunRequest) -> str:
    """Return the shell script that runs the code.

    Raises:
        HTTPError: There is no code, or its language is unknown (400).
    """
    if not wanted.code or not wanted.language:
        raise bad_request("code and language are required", code="INVALID_REQUEST_BODY")
    build = _BUILDERS.get(wanted.language)
    if build is None:
        raise bad_request(f"unsupported language: {wanted.language}")
    return build(wanted.code, shlex.join(wanted.argv or []))


def _python(code: str, arguments: str) -> str:
    return _pipe(code, f"python3 -u - {arguments}")


def _javascript(code: str, arguments: str) -> str:
    return _pipe(JAVASCRIPT_PREFIX + code, f"node - {arguments}")


def _typescript(code: str, arguments: str) -> str:
    file = '"${TMPDIR:-/tmp}/dtn_$$.ts"'
    options = """-T --ignore-diagnostics 5107 -O '{"module":"CommonJS"}'"""
    run = f"npm_config_loglevel=error npx ts-node {options} {file} {arguments}"
    return _pipe(code, f"cat > {file}") + f"{run}\ncode=$?\nrm -f {file}\nexit $code\n"


def _pipe(code: str, command: str) -> str:
    """Feed the code to *command*: base64 needs no quoting, and a here-document has no length limit."""
    text = base64.b64encode(code.encode("utf-8", "surrogateescape")).decode("ascii")
    return f"base64 -d <<'DAYTONA_CODE' | {command}\n{text}\nDAYTONA_CODE\n"


_BUILDERS: Final[dict[str, Callable[[str, str], str]]] = {
    "python": _python,
    "javascript": _javascript,
    "typescript": _typescript,
}


def split_artifacts(output: str) -> tuple[str, list[msgspec.Raw]]:
    """Return the output without artifact lines, and the charts that were in them."""
    if ARTIFACT not in output:
        return output, []
    lines = re.findall(r"[^\n]*\n|[^\n]+", output)
    charts = [chart for line in lines if line.startswith(ARTIFACT) and (chart := _chart(line)) is not None]
    return "".join(line for line in lines if not line.startswith(ARTIFACT)), charts


def _chart(line: str) -> msgspec.Raw | None:
    try:
        artifact = decode_artifact(line.removeprefix(ARTIFACT))
    except msgspec.DecodeError:
        return None
    return artifact.value if artifact.type == "chart" else None
