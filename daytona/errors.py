"""Everything this package raises on purpose.

One root, `DaytonaError`; below it one class per HTTP status and per error code of the wire, so that a program catches
what it can handle and no more. Facts are attributes, the message is for people. `error_from_response` is the only
place where an answer of a server becomes an exception.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .models.process import ExecuteResponse

SOURCE_API = "DAYTONA_API"
SOURCE_DAEMON = "DAYTONA_DAEMON"
SOURCE_PROXY = "DAYTONA_PROXY"

Outcome: TypeAlias = Literal["not_sent", "unknown", "done"]
"""What is known of the request: the server never saw it, it may have acted on it, or it has answered."""


class ResponseHeaders(dict[str, str]):
    """Header fields of one answer; names match in any case."""

    def __init__(self, fields: Mapping[str, str] | None = None) -> None:
        super().__init__({name.lower(): value for name, value in (fields or {}).items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]  # one default type
        """Return the value of the field *name*, or *default*."""
        return super().get(name.lower(), default)


class DaytonaError(Exception):
    """Something asked of Daytona failed; the attributes say what is known about it.

    Args:
        message: What failed and, where known, why. `str(error)` is exactly this.
        status_code: HTTP status of the answer; None when there was none.
        headers: Header fields of the answer.
        code: Stable name of the failure; None keeps the one of the class.
        source: Which part of Daytona reports it (`SOURCE_API`, `SOURCE_DAEMON`, `SOURCE_PROXY`).
        method: HTTP method of the request.
        path: Path of the request; a query is cut off, it may hold secrets.
        sandbox_id: The sandbox it is about.
        request_id: The server's name for the request; None takes it from *headers*.
        retryable: Sending the same request again later can succeed.
        outcome: Whether the server has seen the request; decides if repeating it is safe.
    """

    code: str | None = None
    sandbox_id: str | None = None

    def __init__(
        self,
        message: str = "",
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
        source: str | None = None,
        *,
        method: str | None = None,
        path: str | None = None,
        sandbox_id: str | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        outcome: Outcome = "unknown",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.headers = ResponseHeaders(headers)
        self.code = code or type(self).code
        self.source = source
        self.method = method
        self.path = path.partition("?")[0] if path else path
        self.sandbox_id = sandbox_id
        self.request_id = request_id or _request_id(self.headers)
        self.retryable = retryable
        self.outcome: Outcome = outcome

    @property
    def error_code(self) -> str | None:
        """The former name of `code`."""
        warnings.warn("DaytonaError.error_code is deprecated; use .code", DeprecationWarning, stacklevel=2)
        return self.code

    def add_context(self, prefix: str) -> None:
        """Put *prefix* before the message, as in "Failed to start sandbox: "."""
        self.message = prefix + self.message
        self.args = (self.message,)

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        facts = [f"{name}={getattr(self, name)!r}" for name in ("message", "status_code", "code")]
        facts += [
            f"{name}={value!r}" for name in _OPTIONAL_FACTS if (value := getattr(self, name)) is not None
        ]
        return f"{type(self).__name__}({', '.join(facts)})"


# Headers stay out of the representation: they hold cookies and tokens, and representations end in logs.
_OPTIONAL_FACTS = ("source", "method", "path", "sandbox_id", "request_id")

# One class per HTTP status ----------------------------------------------------------------------------------------


class DaytonaBadRequestError(DaytonaError):
    """The request, or an argument of the call, is malformed."""

    code = "BAD_REQUEST"


class DaytonaAuthenticationError(DaytonaError):
    """The credentials are missing or wrong."""

    code = "UNAUTHORIZED"


class DaytonaForbiddenError(DaytonaError):
    """The credentials do not allow this."""

    code = "FORBIDDEN"


class DaytonaNotFoundError(DaytonaError):
    """What the call names does not exist."""

    code = "NOT_FOUND"


class DaytonaTimeoutError(DaytonaError):
    """The time allowed for the call has passed; `sandbox_id` names a sandbox that exists already, if one does."""

    code = "REQUEST_TIMEOUT"


class DaytonaConflictError(DaytonaError):
    """The present state of the thing does not allow this."""

    code = "CONFLICT"


class DaytonaGoneError(DaytonaError):
    """It existed, and is over."""

    code = "GONE"


class DaytonaUnprocessableEntityError(DaytonaError):
    """The request is well-formed, and its content cannot be followed."""

    code = "UNPROCESSABLE_ENTITY"


class DaytonaRateLimitError(DaytonaError):
    """Too many requests; `headers` say when to come back."""

    code = "TOO_MANY_REQUESTS"


class DaytonaInternalServerError(DaytonaError):
    """The server failed."""

    code = "INTERNAL_SERVER_ERROR"


class DaytonaBadGatewayError(DaytonaError):
    """A server between here and there could not reach the next one."""

    code = "BAD_GATEWAY"


class DaytonaServiceUnavailableError(DaytonaError):
    """The service cannot answer now."""

    code = "SERVICE_UNAVAILABLE"


# One class per code of the toolbox --------------------------------------------------------------------------------


class DaytonaGitAuthFailedError(DaytonaAuthenticationError):
    """The git server refused the credentials."""

    code = "GIT_AUTH_FAILED"


class DaytonaGitRepoNotFoundError(DaytonaNotFoundError):
    """There is no such git repository."""

    code = "GIT_REPO_NOT_FOUND"


class DaytonaGitBranchNotFoundError(DaytonaNotFoundError):
    """The repository has no such branch."""

    code = "GIT_BRANCH_NOT_FOUND"


class DaytonaGitBranchExistsError(DaytonaConflictError):
    """The repository has a branch of this name already."""

    code = "GIT_BRANCH_EXISTS"


class DaytonaGitPushRejectedError(DaytonaConflictError):
    """The remote branch has commits that are missing here; pull first."""

    code = "GIT_PUSH_REJECTED"


class DaytonaGitDirtyWorktreeError(DaytonaConflictError):
    """Uncommitted changes are in the way."""

    code = "GIT_DIRTY_WORKTREE"


class DaytonaGitMergeConflictError(DaytonaConflictError):
    """The changes cannot be merged automatically."""

    code = "GIT_MERGE_CONFLICT"


class DaytonaGitTransportFailedError(DaytonaBadGatewayError):
    """The git server could not be reached."""

    code = "GIT_TRANSPORT_FAILED"


class DaytonaGitRemoteRejectedError(DaytonaUnprocessableEntityError):
    """The git server was reached and refused the operation."""

    code = "GIT_REMOTE_REJECTED"


class DaytonaFileNotFoundError(DaytonaNotFoundError):
    """There is no such file in the sandbox."""

    code = "FILE_NOT_FOUND"


class DaytonaFileAccessDeniedError(DaytonaForbiddenError):
    """The sandbox's user may not do this with the file."""

    code = "FILE_ACCESS_DENIED"


class DaytonaInvalidFilePathError(DaytonaBadRequestError):
    """The path does not name what the call needs."""

    code = "INVALID_FILE_PATH"


class DaytonaFileReadFailedError(DaytonaInternalServerError):
    """The file exists and could not be read."""

    code = "FILE_READ_FAILED"


class DaytonaLspServerNotInitializedError(DaytonaBadRequestError):
    """The language server has not been started."""

    code = "LSP_SERVER_NOT_INITIALIZED"


class DaytonaProcessExecutionTimeoutError(DaytonaTimeoutError):
    """The command ran longer than allowed.

    Where that is known, `partial_output` is what it wrote until then, and `killed` whether all its processes are gone.
    """

    code = "PROCESS_EXECUTION_TIMEOUT"
    partial_output: str | None = None
    killed: bool | None = None


class DaytonaProcessNotFoundError(DaytonaNotFoundError):
    """There is no such process."""

    code = "PROCESS_NOT_FOUND"


class DaytonaSessionEndedError(DaytonaGoneError):
    """The session has ended."""

    code = "SESSION_ENDED"


class DaytonaCommandAlreadyCompletedError(DaytonaGoneError):
    """The command has completed and takes no input any more."""

    code = "COMMAND_ALREADY_COMPLETED"


class DaytonaSandboxEndedError(DaytonaGoneError):
    """The sandbox ended before it had answered: it was stopped or deleted, failed, or used more than it may.

    The message says which. What the call began in the sandbox has ended with it.
    """

    code = "SANDBOX_ENDED"


class DaytonaA11yUnavailableError(DaytonaServiceUnavailableError):
    """The desktop offers no accessibility interface."""

    code = "A11Y_UNAVAILABLE"


class DaytonaRecordingStillActiveError(DaytonaConflictError):
    """The recording is still running; stop it first."""

    code = "RECORDING_STILL_ACTIVE"


class DaytonaRecordingFfmpegNotFoundError(DaytonaServiceUnavailableError):
    """The sandbox has no ffmpeg, which makes recordings."""

    code = "RECORDING_FFMPEG_NOT_FOUND"


# Found out by the client ------------------------------------------------------------------------------------------


class DaytonaConnectionError(DaytonaError):
    """The server could not be reached, or the connection broke; `outcome` says how far the request came."""

    code = "CONNECTION_FAILED"


class DaytonaConnectionTimeoutError(DaytonaConnectionError, DaytonaTimeoutError):
    """The server did not answer in time."""

    code = "CONNECTION_TIMEOUT"


class DaytonaCommandFailedError(DaytonaError):
    """A command or code that was to be checked ended with another exit code than 0.

    `exit_code` and `output` say how it went, `response` is all that is known of it.
    """

    code = "COMMAND_FAILED"
    exit_code: int | None = None
    output: str | None = None
    response: ExecuteResponse | None = None


class DaytonaProxyError(DaytonaConnectionError):
    """The proxy that is configured cannot be reached, or does not let us through; `proxy` is its address."""

    code = "PROXY_FAILED"

    def __init__(
        self,
        message: str = "",
        *,
        proxy: str | None = None,
        retryable: bool = False,
        outcome: Outcome = "unknown",
    ) -> None:
        super().__init__(message, retryable=retryable, outcome=outcome)
        self.proxy = proxy


class DaytonaCertificateError(DaytonaConnectionError):
    """The server's certificate is not to be trusted; `issuer` is who issued it, None when that is not known."""

    code = "CERTIFICATE_NOT_TRUSTED"

    def __init__(
        self,
        message: str = "",
        *,
        issuer: str | None = None,
        retryable: bool = False,
        outcome: Outcome = "unknown",
    ) -> None:
        super().__init__(message, retryable=retryable, outcome=outcome)
        self.issuer = issuer


class DaytonaQuotaExceededError(DaytonaBadRequestError):
    """A limit of the organization, or of one sandbox, would be exceeded.

    `resource` is which one (`cpu`, `memory`, `snapshot`, …), `limit` how much there may be and `used` how much there is, as
    far as the platform tells: it does so in words, so the message may say more.
    """

    code = "QUOTA_EXCEEDED"
    resource: str | None = None
    limit: int | None = None
    used: int | None = None


class DaytonaQueueTimeoutError(DaytonaTimeoutError):
    """The sandbox waited for free capacity longer than its queue timeout."""

    code = "QUEUE_TIMEOUT"


class DaytonaSpotEvictedError(DaytonaError):
    """The sandbox ran on spot capacity, and that was taken back."""

    code = "SPOT_EVICTED"


class DaytonaNotSupportedError(DaytonaError):
    """This version of the package, or the server it talks to, cannot do this."""

    code = "NOT_SUPPORTED"


class DaytonaPluginError(DaytonaError):
    """A plug-in could not be loaded; `distribution` names the package it came with."""

    code = "PLUGIN_FAILED"
    distribution: str | None = None


class DaytonaPluginMissingError(DaytonaPluginError, AttributeError):
    """No plug-in of this name is installed; `distribution` names the one to install, where that is known.

    It is an `AttributeError` too, because plug-ins are attributes: `hasattr` tells whether there is one.
    """

    code = "PLUGIN_MISSING"


class DaytonaLocalPlatformError(DaytonaError):
    """The embedded platform cannot run here; `cause` says what is missing and `remedy` what to do about it."""

    code = "LOCAL_PLATFORM_UNAVAILABLE"

    def __init__(self, message: str = "", *, cause: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message, outcome="not_sent")
        self.cause = cause
        self.remedy = remedy


class DaytonaClosedError(DaytonaError):
    """The client, or the connection the object lives on, has been closed."""

    code = "CLOSED"


DaytonaAuthorizationError = DaytonaForbiddenError
DaytonaValidationError = DaytonaBadRequestError

# From the wire to the classes -------------------------------------------------------------------------------------

STATUS_CODE_TO_ERROR: dict[int, type[DaytonaError]] = {
    400: DaytonaBadRequestError,
    401: DaytonaAuthenticationError,
    403: DaytonaForbiddenError,
    404: DaytonaNotFoundError,
    408: DaytonaTimeoutError,
    409: DaytonaConflictError,
    410: DaytonaGoneError,
    422: DaytonaUnprocessableEntityError,
    429: DaytonaRateLimitError,
    500: DaytonaInternalServerError,
    501: DaytonaNotSupportedError,
    502: DaytonaBadGatewayError,
    503: DaytonaServiceUnavailableError,
    504: DaytonaTimeoutError,
}

CODE_TO_ERROR: dict[tuple[str, str], type[DaytonaError]] = {
    (SOURCE_DAEMON, "GIT_AUTH_FAILED"): DaytonaGitAuthFailedError,
    (SOURCE_DAEMON, "GIT_REPO_NOT_FOUND"): DaytonaGitRepoNotFoundError,
    (SOURCE_DAEMON, "GIT_BRANCH_NOT_FOUND"): DaytonaGitBranchNotFoundError,
    (SOURCE_DAEMON, "GIT_BRANCH_EXISTS"): DaytonaGitBranchExistsError,
    (SOURCE_DAEMON, "GIT_PUSH_REJECTED"): DaytonaGitPushRejectedError,
    (SOURCE_DAEMON, "GIT_DIRTY_WORKTREE"): DaytonaGitDirtyWorktreeError,
    (SOURCE_DAEMON, "GIT_MERGE_CONFLICT"): DaytonaGitMergeConflictError,
    (SOURCE_DAEMON, "GIT_TRANSPORT_FAILED"): DaytonaGitTransportFailedError,
    (SOURCE_DAEMON, "GIT_REMOTE_REJECTED"): DaytonaGitRemoteRejectedError,
    (SOURCE_DAEMON, "FILE_NOT_FOUND"): DaytonaFileNotFoundError,
    (SOURCE_DAEMON, "FILE_ACCESS_DENIED"): DaytonaFileAccessDeniedError,
    (SOURCE_DAEMON, "INVALID_FILE_PATH"): DaytonaInvalidFilePathError,
    (SOURCE_DAEMON, "FILE_READ_FAILED"): DaytonaFileReadFailedError,
    (SOURCE_DAEMON, "LSP_SERVER_NOT_INITIALIZED"): DaytonaLspServerNotInitializedError,
    (SOURCE_DAEMON, "PROCESS_EXECUTION_TIMEOUT"): DaytonaProcessExecutionTimeoutError,
    (SOURCE_DAEMON, "PROCESS_NOT_FOUND"): DaytonaProcessNotFoundError,
    (SOURCE_DAEMON, "SESSION_ENDED"): DaytonaSessionEndedError,
    (SOURCE_DAEMON, "COMMAND_ALREADY_COMPLETED"): DaytonaCommandAlreadyCompletedError,
    (SOURCE_DAEMON, "A11Y_UNAVAILABLE"): DaytonaA11yUnavailableError,
    (SOURCE_DAEMON, "RECORDING_STILL_ACTIVE"): DaytonaRecordingStillActiveError,
    (SOURCE_DAEMON, "RECORDING_FFMPEG_NOT_FOUND"): DaytonaRecordingFfmpegNotFoundError,
    (SOURCE_PROXY, "SANDBOX_ENDED"): DaytonaSandboxEndedError,
}

_RETRYABLE = frozenset({429, 502, 503, 504})
_GATEWAY = frozenset({502, 504})
_EXCERPT = 200


def error_class(
    status_code: int | None, code: str | None = None, source: str | None = None
) -> type[DaytonaError]:
    """Return the class for an answer; a known code says more than the status."""
    # The daemon of v0.190 sends some of these codes and never names itself.
    specific = CODE_TO_ERROR.get((source or SOURCE_DAEMON, code or ""))
    return specific or STATUS_CODE_TO_ERROR.get(status_code or 0, DaytonaError)


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str | None = None,
    path: str | None = None,
    sandbox_id: str | None = None,
) -> DaytonaError:
    """Return the exception for an answer that is not a success, with every fact the answer holds."""
    envelope = _json_object(body)
    code = _stable_code(envelope)
    source = _text(envelope, "source")
    message = _envelope_message(envelope) or _plain_message(status, body, method, path)
    kind = error_class(status, code, source)
    resource = re.search(_EXCEEDED, message) if kind is DaytonaBadRequestError else None
    if resource is not None:
        kind, code = DaytonaQuotaExceededError, None if code == DaytonaBadRequestError.code else code
    error = kind(
        message,
        status,
        headers,
        code,
        source,
        method=method,
        path=path,
        sandbox_id=sandbox_id,
        retryable=status in _RETRYABLE and kind is STATUS_CODE_TO_ERROR[status],
        # A gateway's own words say nothing about what happened behind it.
        outcome="unknown" if status in _GATEWAY and source != SOURCE_DAEMON else "done",
    )
    if isinstance(error, DaytonaQuotaExceededError) and resource is not None:
        error.resource = resource[1].lower()
        error.used, error.limit = _used_and_limit(message)
    if isinstance(error, DaytonaProcessExecutionTimeoutError):
        output, killed = envelope.get("output"), envelope.get("killed")
        error.partial_output = output if isinstance(output, str) else None
        error.killed = killed if isinstance(killed, bool) else None
    return error


# The platform names what is exceeded in a sentence and nowhere else, and the words differ from limit to limit.
_EXCEEDED = (
    r"(?i)\b(cpu|gpu|memory|disk|sandbox|snapshot|volume|secret)(?:s|es)?\b[^.\n]{0,40}?"
    r"\b(?:limit exceeded|quota exceeded|exceeds (?:the )?(?:maximum|limit|quota))"
)
_LIMIT = r"(?i)\b(?:maximum|limit|quota)\b[^\d\n]{0,60}(\d+)(?: of (\d+))?"


def _used_and_limit(message: str) -> tuple[int | None, int | None]:
    found = re.search(_LIMIT, message)
    if found is None:
        return None, None
    return (int(found[1]), int(found[2])) if found[2] else (None, int(found[1]))


def _json_object(body: bytes) -> dict[str, object]:
    try:
        import json  # failures only

        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _text(envelope: dict[str, object], *names: str) -> str | None:
    values = (envelope.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), None)


def _stable_code(envelope: dict[str, object]) -> str | None:
    # v0.190 puts the reason phrase ("Not Found") where later servers put a code; the class has a better one.
    code = _text(envelope, "code", "error_code")
    return code if code and re.fullmatch(r"[A-Z0-9_]+", code) else None


def _envelope_message(envelope: dict[str, object]) -> str:
    message = _text(envelope, "message") or _joined(envelope.get("message")) or _text(envelope, "error")
    message = message or _joined(envelope.get("errors"))
    found = (_text(envelope, name) for name in ("details", "solution"))
    more = [text for text in found if text and text not in message]
    return ". ".join([message, *more] if message else more)


def _joined(value: object) -> str:
    return ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else ""


def _plain_message(status: int, body: bytes, method: str | None, path: str | None) -> str:
    text = " ".join(body[:_EXCERPT].decode("utf-8", "replace").split())
    if not text:
        return f"{_operation(method, path)} failed with {_status_line(status)} and no explanation"
    if len(body) > _EXCERPT:
        text += "…"
    # A page of HTML or an odd piece of JSON needs its status to make sense; a line of text speaks for itself.
    return f"{_status_line(status)}: {text}" if text[0] in "<{[" else text


def _operation(method: str | None, path: str | None) -> str:
    return f"{method or 'request'} {(path or '').partition('?')[0]}".rstrip()


def _status_line(status: int) -> str:
    from http import HTTPStatus  # sixty words that are seldom needed

    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}"


def _request_id(headers: ResponseHeaders) -> str | None:
    names = ("x-request-id", "x-daytona-request-id", "cf-ray")
    return next((headers[name] for name in names if name in headers), None)
