"""Git: 18.7 of the catalogue, with a git server of its own inside the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.behaviour import git_server
from tests.toolbox.conftest import OURS
from tests.toolbox.raw import refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.answers import Answer
    from tests.toolbox.raw import Toolbox

SERVE = """\
import pathlib
from git_server import GitServer
server = GitServer(pathlib.Path("repositories").absolute())
server.make("public/one.git", files={"a.txt": "one\\n"}, branches=("side",))
server.commit("public/one.git", {"a.txt": "two\\n"}, message="second\\n")
server.make("private/one.git", files={"a.txt": "secret\\n"})
server.make("forbidden/one.git", files={"a.txt": "x\\n"})
server.make("public/empty.git")
print(server.origin, flush=True)
"""
PRIVATE = {"username": git_server.USER, "password": git_server.PASSWORD}
OLD = () if OURS else (500,)
"""What v0.190 answers to much that is none of its own fault."""
AUTHOR = {"author": "Ann", "email": "ann@example.com"}


@pytest.fixture(scope="module")
def origin(toolbox: Toolbox) -> Iterator[str]:
    """The address of a git server in the sandbox."""
    if toolbox.run("git --version && python3 -c 'import typing' && echo both").count("both") == 0:
        pytest.skip("the sandbox lacks git or python3")
    toolbox.write("git-server/git_server.py", Path(git_server.__file__).read_bytes())
    toolbox.write("git-server/serve.py", SERVE.encode())
    toolbox.run("python3 serve.py > origin 2> errors & echo $! > pid", cwd="git-server")
    toolbox.until("grep -c http origin || cat errors >&2", "1", cwd="git-server")
    yield toolbox.read("git-server/origin").decode().strip()
    toolbox.run("kill $(cat pid)", cwd="git-server")


class Repository:
    """A clone in a folder of its own."""

    def __init__(self, toolbox: Toolbox, path: str) -> None:
        self.toolbox = toolbox
        self.path = path

    def ask(self, operation: str, method: str = "POST", **fields: Any) -> Answer:
        return self.toolbox.request(method, f"/git/{operation}", {"path": self.path, **fields})

    def do(self, operation: str, **fields: Any) -> Answer:
        answer = self.ask(operation, **fields)
        assert answer.status in (200, 201), answer
        return answer

    def look(self, what: str, **query: str) -> Any:
        answer = self.toolbox.get(f"/git/{what}", path=self.path, **query)
        assert answer.status == 200, answer
        return answer.json

    def status(self) -> dict[str, tuple[str, str]]:
        """Return both columns by name."""
        files = self.look("status")["fileStatus"]
        assert all(each["extra"] == "" for each in files)
        return {each["name"]: (each["staging"], each["worktree"]) for each in files}

    def run(self, command: str) -> str:
        return self.toolbox.run(command, cwd=self.path)

    def commit(self, name: str, content: str = "x\n") -> str:
        self.toolbox.write(f"{self.path}/{name}", content.encode())
        self.do("add", files=[name])
        return str(self.do("commit", message=f"{name}\n", **AUTHOR).json["hash"])


@pytest.fixture
def clone(toolbox: Toolbox, origin: str, folder: str) -> Repository:
    return cloned(toolbox, f"{origin}/public/one.git", f"{folder}/clone")


def cloned(toolbox: Toolbox, url: str, path: str, **fields: Any) -> Repository:
    answer = toolbox.post("/git/clone", {"url": url, "path": path, **fields})
    assert (answer.status, answer.body) == (200, b"")
    return Repository(toolbox, path)


# -- Clone ------------------------------------------------------------------------------------------------------------


@pytest.mark.case(66)
def test_clones_of_a_branch_a_commit_and_the_default(toolbox: Toolbox, origin: str, folder: str) -> None:
    url = f"{origin}/public/one.git"
    whole = cloned(toolbox, url, f"{folder}/whole")
    assert whole.look("status")["currentBranch"] == "main"
    assert [each["message"] for each in whole.look("history")] == ["second\n", "more\n"]
    side = cloned(toolbox, url, f"{folder}/side", branch="side")
    assert (side.look("status")["currentBranch"], side.look("status")["branchPublished"]) == ("side", True)
    first = whole.look("history")[-1]["hash"]
    detached = cloned(toolbox, url, f"{folder}/detached", commit_id=first)
    assert detached.look("status")["currentBranch"] == "HEAD"
    assert toolbox.read(f"{folder}/detached/a.txt") == b"one\n"


@pytest.mark.case(66)
def test_a_clone_that_fails_leaves_nothing(toolbox: Toolbox, origin: str, folder: str) -> None:
    def clone(url: str, **fields: Any) -> Answer:
        return toolbox.post("/git/clone", {"url": f"{origin}/{url}", "path": f"{folder}/none", **fields})

    unknown_branch = clone("public/one.git", branch="nope")
    assert unknown_branch.status in (404, *OLD)
    for answer, status, code in (
        (clone("public/missing.git"), 404, "GIT_REPO_NOT_FOUND"),
        (clone("public/empty.git"), 404, "GIT_REPO_NOT_FOUND"),
        (clone("private/one.git"), 401, "GIT_AUTH_FAILED"),
        (clone("private/one.git", username="ann", password="wrong"), 401, "GIT_AUTH_FAILED"),
        (clone("private/one.git", username="ann", password="p"), 401, "GIT_AUTH_FAILED"),
        (clone("forbidden/one.git", **PRIVATE), 403, "FORBIDDEN"),
    ):
        assert refuses(answer, status, code, ours=toolbox.ours)
    assert toolbox.get("/files", path=folder).json == []


@pytest.mark.case(66)
def test_credentials_are_used_and_not_kept(toolbox: Toolbox, origin: str, folder: str) -> None:
    repository = cloned(toolbox, f"{origin}/private/one.git", f"{folder}/clone", **PRIVATE)
    assert toolbox.read(f"{folder}/clone/a.txt") == b"secret\n"
    assert repository.run(f"grep -r {git_server.PASSWORD} . || echo none") == "none\n"
    again = toolbox.post("/git/clone", {"url": f"{origin}/public/one.git", "path": f"{folder}/clone"})
    assert refuses(again, 409, "CONFLICT", ours=toolbox.ours)


# -- Status, add, commit ----------------------------------------------------------------------------------------------


@pytest.mark.case(67)
def test_the_status_names_every_change(clone: Repository) -> None:
    for name in ("modified", "staged", "deleted", "moved"):
        clone.commit(name)
    clone.run(
        "echo y >> modified; echo y >> staged; git add staged; rm deleted; git mv moved elsewhere; mkdir d; touch d/new"
    )
    assert clone.status() == {
        "d/new": ("Untracked", "Untracked"),
        "deleted": ("Unmodified", "Deleted"),
        "elsewhere": ("Added", "Unmodified"),
        "modified": ("Unmodified", "Modified"),
        "moved": ("Deleted", "Unmodified"),
        "staged": ("Modified", "Unmodified"),
    }


@pytest.mark.case(67)
def test_the_status_tells_how_far_the_branch_is(toolbox: Toolbox, origin: str, folder: str) -> None:
    clone = cloned(toolbox, f"{origin}/public/one.git", f"{folder}/clone", branch="main")
    assert (clone.look("status")["ahead"], clone.look("status")["behind"]) == (0, 0)
    clone.commit("new")
    assert (clone.look("status")["ahead"], clone.look("status")["behind"]) == (1, 0)


@pytest.mark.case(67)
def test_what_has_no_commits_has_no_status(toolbox: Toolbox, folder: str) -> None:
    toolbox.run("git init -q .", cwd=folder)
    assert refuses(toolbox.get("/git/status", path=folder), 404, ours=toolbox.ours)
    assert toolbox.get("/git/branches", path=folder).json["branches"] in ([], None)
    assert refuses(
        toolbox.get("/git/status", path=f"{folder}/nope"), 404, "GIT_REPO_NOT_FOUND", ours=toolbox.ours
    )
    assert refuses(toolbox.get("/git/status"), 400, "BAD_REQUEST", ours=toolbox.ours)


@pytest.mark.case(68)
def test_files_are_staged_and_committed(clone: Repository) -> None:
    clone.run("echo y > a.txt; touch one two")
    clone.do("add", files=["one"])
    assert clone.status()["one"] == ("Added", "Unmodified")
    assert clone.ask("add", files=["nope"]).status in (404, *OLD)
    clone.do("add", files=["."])
    assert {column for column, _ in clone.status().values()} == {"Added", "Modified"}
    commit = clone.do("commit", message="both\n\nwith a body", **AUTHOR).json["hash"]
    assert (len(commit), int(commit, 16) > 0) == (40, True)
    newest, second = clone.look("history")[:2]
    assert newest.items() >= {"hash": commit, "message": "both\n\nwith a body", **AUTHOR}.items()
    assert newest.keys() == {"hash", "author", "email", "message", "timestamp"}
    assert second["message"] == "second\n"
    assert clone.ask("commit", message="m", **AUTHOR).status in (400, *OLD)
    clone.do("commit", message="empty", allow_empty=True, **AUTHOR)
    assert clone.look("history")[0]["message"] == "empty"


# -- Branches ---------------------------------------------------------------------------------------------------------


@pytest.mark.case(69)
def test_branches_are_made_listed_and_deleted(clone: Repository) -> None:
    assert clone.do("branches", name="topic/one").status == 201
    assert clone.look("status")["currentBranch"] == "topic/one"
    assert {"main", "topic/one"} <= set(clone.look("branches")["branches"])
    assert clone.ask("branches", name="topic/one").status in (409, *OLD)
    assert clone.ask("branches", name="no..name").status in (400, *OLD)
    clone.do("checkout", branch="main")
    deleted = clone.ask("branches", "DELETE", name="topic/one")
    assert (deleted.status, deleted.body) == (204, b"")
    assert "topic/one" not in clone.look("branches")["branches"]


@pytest.mark.case(70)
def test_branches_and_commits_are_checked_out(clone: Repository) -> None:
    first = clone.look("history")[-1]["hash"]
    clone.do("branches", name="topic")
    clone.do("checkout", branch="main")
    assert clone.look("status")["currentBranch"] == "main"
    clone.do("checkout", branch=first)
    assert clone.look("status")["currentBranch"] == "HEAD"
    answer = clone.ask("checkout", branch="nope")
    assert refuses(answer, 404, "GIT_BRANCH_NOT_FOUND", ours=clone.toolbox.ours)
    assert clone.look("status")["currentBranch"] == "HEAD"


@pytest.mark.case(70)
@pytest.mark.ours("lose nothing on a checkout")
def test_a_checkout_that_would_lose_changes_is_refused_and_others_keep_them(clone: Repository) -> None:
    first = clone.look("history")[-1]["hash"]
    clone.run("git branch master; echo mine > a.txt; git add a.txt")
    assert refuses(clone.ask("checkout", branch=first), 409, "GIT_DIRTY_WORKTREE")
    assert clone.ask("checkout", branch="unknown").status == 404
    assert refuses(clone.ask("branches", "DELETE", name="main"), 409, "CONFLICT")
    clone.do("checkout", branch="master")
    assert clone.run("cat a.txt; git diff --cached --name-only") == "mine\na.txt\n"


# -- Push and pull ----------------------------------------------------------------------------------------------------


@pytest.mark.case(71)
def test_commits_go_out_and_come_in(toolbox: Toolbox, origin: str, folder: str) -> None:
    bare = toolbox.get("/work-dir").json["dir"] + "/git-server/repositories/private/one.git"
    url = f"{origin}/private/one.git"
    mine = cloned(toolbox, url, f"{folder}/mine", branch="main", **PRIVATE)
    theirs = cloned(toolbox, url, f"{folder}/theirs", branch="main", **PRIVATE)
    commit = mine.commit("pushed")
    assert refuses(mine.ask("push"), 401, "GIT_AUTH_FAILED", ours=toolbox.ours)
    assert mine.do("push", **PRIVATE).body == b""
    assert toolbox.run(f"git -C {bare} rev-parse main") == f"{commit}\n"
    mine.do("push", **PRIVATE)
    theirs.do("pull", **PRIVATE)
    assert theirs.look("history")[0]["hash"] == commit
    theirs.do("pull", **PRIVATE)
    theirs.commit("theirs")
    mine.commit("mine")
    mine.do("push", **PRIVATE)
    assert refuses(theirs.ask("pull", **PRIVATE), 409, ours=toolbox.ours)
    assert theirs.ask("push", **PRIVATE).status in (409, *OLD)


# -- Newer calls ------------------------------------------------------------------------------------------------------


@pytest.mark.case(72)
def test_newer_calls_are_there_or_404(toolbox: Toolbox, origin: str, folder: str) -> None:
    repository = Repository(toolbox, f"{folder}/new")
    made = repository.ask("init", initial_branch="trunk")
    if made.status == 404 and not toolbox.ours:
        pytest.skip("this toolbox is older than v0.205")
    assert (made.status, made.body) == (201, b"")
    assert repository.ask("remotes", name="up", url=f"{origin}/public/one.git", fetch=True).status == 201
    assert repository.look("remotes") == {"remotes": [{"name": "up", "url": f"{origin}/public/one.git"}]}
    repository.commit("f", "one\n")
    repository.commit("f", "two\n")
    repository.do("reset", mode="hard", target="HEAD~1")
    assert toolbox.read(f"{folder}/new/f") == b"one\n"
    toolbox.write(f"{folder}/new/f", b"lost\n")
    repository.do("restore", files=["f"])
    assert toolbox.read(f"{folder}/new/f") == b"one\n"
    assert repository.do("config", key="user.name", value="Ann", scope="local").body == b""
    assert repository.look("config", key="user.name", scope="local") == {"value": "Ann"}
    assert repository.look("config", key="no.such", scope="local") == {"value": None}
    assert repository.do("config/user", name="Bob", email="b@example.com", scope="local").status == 200
    assert repository.run("git config user.email") == "b@example.com\n"
    status = repository.look("status")
    assert (status["currentBranch"], status["detached"], status["upstream"]) == ("trunk", False, "")
    assert repository.look("branches") == {"branches": ["trunk"], "current": "trunk"}
    home = toolbox.get("/user-home-dir").json["dir"]
    kept = toolbox.post("/git/credentials", {"username": "u", "password": "p4", "host": "h.example"})
    assert kept.status == 200
    assert "https://u:p4@h.example" in toolbox.read(f"{home}/.git-credentials").decode()
