"""What `git status --porcelain=v2 -z --branch` says, as the wire has it."""

from __future__ import annotations

from typing import Final

COMMAND: Final = (
    "--no-optional-locks", "status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--no-renames",
)  # fmt: skip
_WORDS: Final = {
    ".": "Unmodified",
    "M": "Modified",
    "T": "Modified",
    "A": "Added",
    "D": "Deleted",
    "R": "Renamed",
    "C": "Copied",
    "U": "Updated but unmerged",
    "?": "Untracked",
}
# The name is what follows so many fields, by the letter that begins an entry.
_FIELDS: Final = {"1": 8, "u": 10, "?": 1}
_UNBORN: Final = "(initial)"
_DETACHED: Final = "(detached)"


def parse_status(text: str) -> dict[str, object] | None:
    """Return branch and changed files, sorted by name; None for a repository without commits."""
    records = text.split("\0")
    facts = dict(_fact(record) for record in records if record.startswith("# branch."))
    if facts.get("oid") == _UNBORN:
        return None
    files = [_file(record) for record in records if record[:1] in _FIELDS]
    return {**_branch(facts), "fileStatus": sorted(files, key=lambda file: file["name"])}


def _fact(record: str) -> tuple[str, str]:
    name, _, value = record.removeprefix("# branch.").partition(" ")
    return name, value


def _branch(facts: dict[str, str]) -> dict[str, object]:
    detached = facts.get("head") == _DETACHED
    # Without this line the upstream is configured, but does not exist.
    ahead, _, behind = facts.get("ab", "+0 -0").partition(" ")
    return {
        "currentBranch": "HEAD" if detached else facts.get("head", ""),
        "detached": detached,
        "upstream": facts.get("upstream", ""),
        "branchPublished": "ab" in facts,
        "ahead": abs(int(ahead)),
        "behind": abs(int(behind)),
    }


def _file(record: str) -> dict[str, str]:
    kind = record[0]
    *fields, name = record.split(" ", _FIELDS[kind])
    codes = fields[1] if kind == "1" else kind.upper() * 2
    return {"name": name, "extra": "", "staging": _WORDS[codes[0]], "worktree": _WORDS[codes[1]]}
