"""POST /process/code-run: a piece of Python, JavaScript or TypeScript.

The interpreter reads the code from its standard input, as with the real daemon, so that tracebacks and `sys.argv` look
the same. Arguments are quoted, which the real daemon leaves to its callers.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.charting import Drawing, draws
from daytona_plugins.local.agent.command import Command, StartError, start_command, text_file
from daytona_plugins.local.agent.environment import Variables, values_of
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.agent.execute import Patience, Seconds, check_env_names, finish
from daytona_plugins.local.agent.shell import choose_shell
from daytona_plugins.local.web import HTTPError, Request, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox

ARTIFACT: Final = "dtn_artifact_k39fd2:"


class CodeRunRequest(msgspec.Struct, rename="camel"):
    """Code to run; `drain_seconds` is an extension of ours."""

    code: str | None = None
    language: str | None = None
    argv: list[str] | None = None
    envs: Variables | None = None
    timeout: Seconds | None = None
    drain_seconds: Patience | None = None


class Artifact(msgspec.Struct):
    """A line of output that is not text; a chart's value passes through as it was printed."""

    type: str
    value: msgspec.Raw = msgspec.Raw(b"null")


decode_artifact = msgspec.json.Decoder(Artifact).decode


def add_code_run(toolbox: Toolbox) -> None:
    """Run code."""

    async def code_run(request: Request) -> Response:
        wanted = await read_json(request, CodeRunRequest, code="INVALID_REQUEST_BODY")
        language = find_language(wanted)
        check_env_names(wanted.envs)
        _check_program(wanted, language)
        drawing = Drawing(wanted.code or "") if language is PYTHON and draws(wanted.code or "") else None
        try:
            command = _start(toolbox, wanted, language, drawing)
            exit_code = await finish(command, timeout=wanted.timeout, drain=wanted.drain_seconds)
        except StartError as error:
            return json_response({"exitCode": -1, "result": str(error)})
        finally:
            drawn = drawing.take() if drawing is not None else []
        result, charts = split_artifacts(command.stdout.text())
        answer: dict[str, object] = {"exitCode": exit_code, "result": result}
        if charts or drawn:
            answer["artifacts"] = {"charts": charts + drawn}
        if command.truncated:
            answer["truncated"] = True
        return json_response(answer)

    toolbox.router.add("POST", "/process/code-run", code_run)


class Language(NamedTuple):
    """How code of one language is run: *script* gets the quoted arguments and the file with the code."""

    script: str
    program: str
    prefix: str = ""


# Node runs TypeScript by itself since 22.7. Before, ts-node does, with the last compiler that it can use; the real daemon
# takes any, and so one that it cannot.
TYPESCRIPT: Final = r"""
file=${{TMPDIR:-/tmp}}/dtn_$$.ts; cat < {code} > $file
flag=$(node -p 'process.allowedNodeEnvironmentFlags.has("--experimental-transform-types") ? 1 : ""')
if [ -n "$flag" ]; then
    node --disable-warning=ExperimentalWarning --experimental-transform-types $file {arguments}
else
    npm_config_loglevel=error npm_config_update_notifier=false npx --yes -p typescript@5 -p ts-node@10 \
        ts-node -T --ignore-diagnostics 5107 -O '{{"module":"CommonJS"}}' $file {arguments}
fi
status=$?; rm -f $file; exit $status
"""

PYTHON: Final = Language("python3 -u - {arguments} < {code}", "python3")
LANGUAGES: Final = {
    "python": PYTHON,
    # Element 1 would be the script's name, which standard input lacks.
    "javascript": Language("node - {arguments} < {code}", "node", prefix="process.argv.splice(1, 1);\n"),
    "typescript": Language(TYPESCRIPT, "node"),
}
INSTALL: Final = {
    "python3": "install python3",
    "node": "install Node.js (for TypeScript 22.7 or newer, or an older one with npm)",
}


def find_language(wanted: CodeRunRequest) -> Language:
    """Return how to run the code.

    Raises:
        HTTPError: There is no code, or its language is unknown (400).
    """
    if not wanted.code or not wanted.language:
        raise bad_request("code and language are required", code="INVALID_REQUEST_BODY")
    if wanted.language not in LANGUAGES:
        raise bad_request(f"unsupported language: {wanted.language}")
    return LANGUAGES[wanted.language]


def _check_program(wanted: CodeRunRequest, language: Language) -> None:
    """Refuse code whose interpreter the sandbox lacks: the shell's own words would only name a program.

    Raises:
        HTTPError: The interpreter is not there (501).
    """
    path = values_of(wanted.envs).get("PATH", os.environ.get("PATH"))
    if shutil.which(language.program, path=path) is None:
        message = f"this sandbox has no {language.program}, which runs {wanted.language}: {INSTALL[language.program]}"
        raise HTTPError(501, message, code="NOT_SUPPORTED")


def _start(toolbox: Toolbox, wanted: CodeRunRequest, language: Language, drawing: Drawing | None) -> Command:
    """Start the shell, with the code in a file that only exists in memory: no quoting, no limit, nothing to clean up."""
    code = drawing.starter if drawing else text_file(language.prefix + (wanted.code or ""))
    passed = drawing.passed if drawing else [code]
    arguments = shlex.join(wanted.argv or [])
    script = language.script.format(arguments=arguments, code=f"/proc/self/fd/{code}")
    try:
        return start_command(
            toolbox.reaper, choose_shell(), script, cwd=None, envs=values_of(wanted.envs), passed=passed
        )
    finally:
        if drawing:
            drawing.started()
        else:
            os.close(code)


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
