"""Errors: the classes, and what each kind of answer becomes."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from daytona import errors
from daytona.errors import (
    CODE_TO_ERROR,
    SOURCE_DAEMON,
    STATUS_CODE_TO_ERROR,
    DaytonaError,
    error_from_response,
)

PARENTS = {
    "DaytonaError": "Exception",
    "DaytonaBadRequestError": "DaytonaError",
    "DaytonaAuthenticationError": "DaytonaError",
    "DaytonaForbiddenError": "DaytonaError",
    "DaytonaNotFoundError": "DaytonaError",
    "DaytonaTimeoutError": "DaytonaError",
    "DaytonaConflictError": "DaytonaError",
    "DaytonaGoneError": "DaytonaError",
    "DaytonaUnprocessableEntityError": "DaytonaError",
    "DaytonaRateLimitError": "DaytonaError",
    "DaytonaInternalServerError": "DaytonaError",
    "DaytonaBadGatewayError": "DaytonaError",
    "DaytonaServiceUnavailableError": "DaytonaError",
    "DaytonaCommandFailedError": "DaytonaError",
    "DaytonaConnectionError": "DaytonaError",
    "DaytonaSpotEvictedError": "DaytonaError",
    "DaytonaQueueTimeoutError": "DaytonaTimeoutError",
    "DaytonaGitAuthFailedError": "DaytonaAuthenticationError",
    "DaytonaGitRepoNotFoundError": "DaytonaNotFoundError",
    "DaytonaGitBranchNotFoundError": "DaytonaNotFoundError",
    "DaytonaGitBranchExistsError": "DaytonaConflictError",
    "DaytonaGitPushRejectedError": "DaytonaConflictError",
    "DaytonaGitDirtyWorktreeError": "DaytonaConflictError",
    "DaytonaGitMergeConflictError": "DaytonaConflictError",
    "DaytonaGitTransportFailedError": "DaytonaBadGatewayError",
    "DaytonaGitRemoteRejectedError": "DaytonaUnprocessableEntityError",
    "DaytonaFileNotFoundError": "DaytonaNotFoundError",
    "DaytonaFileAccessDeniedError": "DaytonaForbiddenError",
    "DaytonaInvalidFilePathError": "DaytonaBadRequestError",
    "DaytonaFileReadFailedError": "DaytonaInternalServerError",
    "DaytonaLspServerNotInitializedError": "DaytonaBadRequestError",
    "DaytonaProcessExecutionTimeoutError": "DaytonaTimeoutError",
    "DaytonaProcessNotFoundError": "DaytonaNotFoundError",
    "DaytonaSessionEndedError": "DaytonaGoneError",
    "DaytonaCommandAlreadyCompletedError": "DaytonaGoneError",
    "DaytonaA11yUnavailableError": "DaytonaServiceUnavailableError",
    "DaytonaRecordingStillActiveError": "DaytonaConflictError",
    "DaytonaRecordingFfmpegNotFoundError": "DaytonaServiceUnavailableError",
}
ALL_CLASSES = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, DaytonaError)
]


@pytest.mark.parametrize(("name", "parent"), PARENTS.items())
def test_class_hangs_where_the_official_one_hangs(name: str, parent: str) -> None:
    assert [base.__name__ for base in getattr(errors, name).__bases__] == [parent]


def test_connection_timeout_is_both_kinds() -> None:
    kind = errors.DaytonaConnectionTimeoutError
    assert kind.__bases__ == (errors.DaytonaConnectionError, errors.DaytonaTimeoutError)


def test_old_names_are_the_same_objects() -> None:
    assert errors.DaytonaAuthorizationError is errors.DaytonaForbiddenError
    assert errors.DaytonaValidationError is errors.DaytonaBadRequestError


@pytest.mark.parametrize("kind", ALL_CLASSES)
def test_every_class_survives_pickling_with_its_facts(kind: type[DaytonaError]) -> None:
    error = kind("it broke")
    error.status_code, error.code, error.sandbox_id, error.request_id = 418, "TEAPOT", "sb-1", "r-1"
    error.headers = errors.ResponseHeaders({"Retry-After": "3"})
    error.add_context("Failed to brew: ")
    error.extra = ["anything"]  # type: ignore[attr-defined]
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(copied) is kind
        assert vars(copied) == vars(error)
        assert str(copied) == "Failed to brew: it broke"
        assert copied.headers.get("retry-AFTER") == "3"


def test_local_platform_error_pickles_cause_and_remedy() -> None:
    error = errors.DaytonaLocalPlatformError("no", cause="no user namespaces", remedy="enable them")
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.message, copied.cause, copied.remedy) == ("no", "no user namespaces", "enable them")


def test_positional_arguments_are_the_official_ones() -> None:
    error = DaytonaError("m", 500, {"A": "b"}, "C", "S")
    assert (str(error), error.status_code, dict(error.headers), error.code, error.source) == (
        "m",
        500,
        {"a": "b"},
        "C",
        "S",
    )


def test_error_code_is_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="use .code"):
        assert DaytonaError("m", code="X").error_code == "X"


def test_contexts_stack_up() -> None:
    error = DaytonaError("no")
    error.add_context("Failure during waiting: ")
    error.add_context("Failed to stop sandbox: ")
    assert (
        str(error) == error.message == error.args[0] == "Failed to stop sandbox: Failure during waiting: no"
    )


def test_representation_shows_facts_and_no_secrets() -> None:
    error = DaytonaError(
        "m", 403, {"Set-Cookie": "s3cret"}, method="GET", path="/x?token=s3cret", sandbox_id="sb-1"
    )
    assert repr(error) == (
        "DaytonaError(message='m', status_code=403, code=None, method='GET', path='/x', sandbox_id='sb-1')"
    )


@pytest.mark.parametrize(("status", "kind"), STATUS_CODE_TO_ERROR.items())
def test_status_chooses_the_class(status: int, kind: type[DaytonaError]) -> None:
    error = error_from_response(status, {}, b'{"message": "m"}')
    assert (type(error), error.status_code, error.message) == (kind, status, "m")


@pytest.mark.parametrize(("key", "kind"), CODE_TO_ERROR.items())
def test_code_wins_over_status(key: tuple[str, str], kind: type[DaytonaError]) -> None:
    source, code = key
    for named in [source, None] if source == SOURCE_DAEMON else [source]:
        body = json.dumps({"message": "m", "code": code, "source": named}).encode()
        error = error_from_response(502, {}, body)
        assert (type(error), error.status_code, error.code, error.source) == (kind, 502, code, named)
    assert kind.code == key[1]


def test_code_of_another_source_is_kept_as_text() -> None:
    error = error_from_response(
        404, {}, b'{"message": "m", "code": "FILE_NOT_FOUND", "source": "DAYTONA_API"}'
    )
    assert (type(error), error.code) == (errors.DaytonaNotFoundError, "FILE_NOT_FOUND")


def test_unknown_status_and_code_give_the_root() -> None:
    error = error_from_response(418, {}, b'{"message": "m", "code": "TEAPOT"}')
    assert (type(error), error.code) == (DaytonaError, "TEAPOT")


@pytest.mark.parametrize(
    ("status", "body", "message", "code"),
    [
        pytest.param(
            404,
            b'{"statusCode":404,"message":"not found: no x","code":"Not Found","timestamp":"t","path":"/p"}',
            "not found: no x",
            "NOT_FOUND",
            id="reason phrase as code",
        ),
        pytest.param(
            500,
            b'{"statusCode":500,"message":"m","timestamp":"0001-01-01T00:00:00Z","path":""}',
            "m",
            "INTERNAL_SERVER_ERROR",
            id="default envelope",
        ),
        pytest.param(
            404,
            b"",
            "GET /files/info failed with 404 Not Found and no explanation",
            "NOT_FOUND",
            id="empty",
        ),
        pytest.param(400, b'{"error":"bad paths"}', "bad paths", "BAD_REQUEST", id="error map"),
        pytest.param(
            503,
            b'{"error":"no","details":"no display"}',
            "no. no display",
            "SERVICE_UNAVAILABLE",
            id="error map with details",
        ),
        pytest.param(
            400,
            b'{"errors":["a: denied","b: gone"],"files":null}',
            "a: denied, b: gone",
            "BAD_REQUEST",
            id="upload",
        ),
        pytest.param(
            503,
            b'{"message":"not loaded","details":"no plugin","solution":"install it"}',
            "not loaded. no plugin. install it",
            "SERVICE_UNAVAILABLE",
            id="plain map",
        ),
        pytest.param(
            503,
            b'{"message":"not loaded: no plugin; install it","details":"no plugin","solution":"install it"}',
            "not loaded: no plugin; install it",
            "SERVICE_UNAVAILABLE",
            id="map that says all in its message",
        ),
        pytest.param(
            400,
            b'{"path":"/p","timestamp":"t","statusCode":400,"error":"Bad Request","message":["a is b","c is d"]}',
            "a is b, c is d",
            "BAD_REQUEST",
            id="list of messages of the API",
        ),
        pytest.param(404, b"404 page not found", "404 page not found", "NOT_FOUND", id="line of text"),
        pytest.param(
            502,
            b"<html>\n <body>Bad   Gateway</body></html>",
            "502 Bad Gateway: <html> <body>Bad Gateway</body></html>",
            "BAD_GATEWAY",
            id="page",
        ),
        pytest.param(520, b'["odd"]', 'status 520: ["odd"]', None, id="odd JSON"),
        pytest.param(500, b"\xff\xfe", "��", "INTERNAL_SERVER_ERROR", id="not text"),
    ],
)
def test_every_family_of_answers_has_a_message(
    status: int, body: bytes, message: str, code: str | None
) -> None:
    error = error_from_response(status, {}, body, method="GET", path="/files/info?path=x")
    assert (error.message, error.code) == (message, code)


def test_a_long_page_is_cut_at_200_bytes() -> None:
    error = error_from_response(502, {}, b"<html>" + b"x" * 5000)
    assert error.message == "502 Bad Gateway: <html>" + "x" * 194 + "…"


def test_deeply_nested_json_is_only_text() -> None:
    assert error_from_response(400, {}, b"[" * 100_000).message.startswith("400 Bad Request: [[[")


def test_facts_of_the_exchange_are_kept() -> None:
    error = error_from_response(
        429,
        {"X-Request-Id": "r-7", "Retry-After": "2"},
        b"",
        method="POST",
        path="/sandbox",
        sandbox_id="sb-1",
    )
    assert (error.request_id, error.method, error.path, error.sandbox_id) == (
        "r-7",
        "POST",
        "/sandbox",
        "sb-1",
    )
    assert error.headers["RETRY-after"] == "2"
    assert "retry-After" in error.headers


@pytest.mark.parametrize(
    ("status", "body", "retryable", "outcome"),
    [
        (400, b"", False, "done"),
        (429, b"", True, "done"),
        (503, b"", True, "done"),
        (502, b"", True, "unknown"),
        (504, b"", True, "unknown"),
        (502, b'{"message":"m","code":"GIT_TRANSPORT_FAILED","source":"DAYTONA_DAEMON"}', False, "done"),
    ],
)
def test_answer_says_whether_to_try_again(status: int, body: bytes, retryable: bool, outcome: str) -> None:
    error = error_from_response(status, {}, body)
    assert (error.retryable, error.outcome) == (retryable, outcome)


@pytest.mark.parametrize(
    ("message", "facts"),
    [
        ("Total CPU limit exceeded. Maximum allowed: 10.", ("cpu", 10, None)),
        ("Memory request 16 exceeds maximum allowed per sandbox (8)", ("memory", 8, None)),
        ("snapshot quota exceeded: 99 of 100 are in use; delete one first", ("snapshot", 100, 99)),
        ("Volume limit exceeded", ("volume", None, None)),
    ],
)
def test_a_quota_is_told_by_fields(message: str, facts: tuple[str, int | None, int | None]) -> None:
    """R-18."""
    body = json.dumps({"statusCode": 400, "message": message, "code": "BAD_REQUEST"}).encode()
    error = errors.error_from_response(400, {}, body)
    assert isinstance(error, errors.DaytonaQuotaExceededError)
    assert (error.resource, error.limit, error.used) == facts
    assert (error.message, error.code) == (message, "QUOTA_EXCEEDED")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.resource, copy.limit, copy.used) == facts


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "name exceeds the maximum length of 100"),
        (400, "the memory limit must be a positive number"),
        (403, "CPU limit exceeded"),
        (429, "Rate limit exceeded"),
    ],
)
def test_what_is_no_quota_is_not_called_one(status: int, message: str) -> None:
    error = errors.error_from_response(status, {}, json.dumps({"message": message}).encode())
    assert type(error) is errors.STATUS_CODE_TO_ERROR[status]
