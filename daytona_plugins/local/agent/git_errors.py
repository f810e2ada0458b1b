"""What git's words mean: the status and code that a client can decide by.

git has one exit status for nearly everything, so its text is all there is; it runs in the C locale to keep that text
the same everywhere. The first row that fits decides, so the more special ones come first.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from daytona_plugins.local.web import HTTPError

TEXT_LIMIT: Final = 4096


class _Meaning(NamedTuple):
    status: int
    code: str
    phrases: tuple[str, ...]

    def fits(self, text: str) -> bool:
        return re.search("|".join(self.phrases), text) is not None


_MEANINGS: Final = (
    _Meaning(401, "GIT_AUTH_FAILED", (
        "could not read (?:Username|Password)", "Authentication failed", "returned error: 401",
        r"Permission denied \(publickey",
    )),
    _Meaning(403, "FORBIDDEN", ("returned error: 403",)),
    _Meaning(404, "GIT_BRANCH_NOT_FOUND", (
        "couldn't find remote ref", "Remote branch .* not found", "not our ref", "no such ref was fetched",
        "src refspec .* does not match", "branch '.*' not found", "unknown revision", "invalid reference",
    )),
    _Meaning(404, "GIT_REPO_NOT_FOUND", (
        "not a git repository", "inside a git repository", "repository '[^']{2048}", "repository '[^']*' (?:does not exist|not found)", "returned error: 404",
        "does not appear to be a git repository", "[Nn]o such remote", "remote repository is empty",
    )),
    _Meaning(422, "GIT_REMOTE_REJECTED", (r"\[remote rejected\]",)),
    _Meaning(409, "GIT_PUSH_REJECTED", (r"\[rejected\]",)),
    _Meaning(409, "GIT_DIRTY_WORKTREE", (
        "would be overwritten", "not uptodate", "local changes", "uncommitted changes", "unstaged changes",
    )),
    _Meaning(409, "GIT_MERGE_CONFLICT", (
        "Not possible to fast-forward", "unmerged (?:files|paths)", "not concluded your merge",
        "in the middle of a merge",
    )),
    _Meaning(409, "GIT_BRANCH_EXISTS", ("a branch named '.*' already exists",)),
    _Meaning(409, "CONFLICT", (
        "[Cc]annot delete (?:the )?branch", r"index\.lock", "already (?:checked out|used by worktree)",
    )),
    _Meaning(404, "FILE_NOT_FOUND", ("pathspec '.*' did not match",)),
    _Meaning(502, "GIT_TRANSPORT_FAILED", (
        "unable to access", "early EOF", "RPC failed", "hung up", "Could not read from remote repository",
    )),
    _Meaning(403, "FILE_ACCESS_DENIED", ("Permission denied",)),
    _Meaning(404, "NOT_FOUND", ("does not have any commits yet", "could not resolve HEAD")),
    _Meaning(400, "BAD_REQUEST", (
        "is not a valid", "File name too long", "cannot mkdir", "invalid (?:key|refspec|path)", "does not contain a section", "outside repository",
        "must be run in a work tree", "empty ident name", "ident name consists only of",
        "Unable to find remote helper", "transport '.*' not allowed",
    )),
)  # fmt: skip
_NOISE: Final = re.compile(
    r"hint: .*|Cloning into .*|remote: (?:Enumerating|Counting|Compressing|Total) .*|To .*|Done"
)


def failure(text: str, *, shown: str | None = None) -> HTTPError:
    """Return the error for a run of git that has failed with this text, of which clients see what may be *shown*."""
    summary = _summary(text if shown is None else shown)
    for meaning in _MEANINGS:
        if meaning.fits(text):
            return HTTPError(meaning.status, summary, code=meaning.code)
    return HTTPError(500, summary, code="INTERNAL_SERVER_ERROR")


def _summary(text: str) -> str:
    """Return what git complains about, without its hints and its progress."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    told = [line for line in lines if line and not _NOISE.fullmatch(line)]
    shown = "; ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in told)
    return shown[-TEXT_LIMIT:] or "git failed without a word"
