"""Git: repositories in a sandbox, and a real server that some of them come from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    DaytonaBadRequestError,
    DaytonaConflictError,
    DaytonaError,
    DaytonaForbiddenError,
    DaytonaGitAuthFailedError,
    DaytonaGitBranchExistsError,
    DaytonaGitBranchNotFoundError,
    DaytonaGitDirtyWorktreeError,
    DaytonaGitMergeConflictError,
    DaytonaGitPushRejectedError,
    DaytonaGitRemoteRejectedError,
    DaytonaGitRepoNotFoundError,
    DaytonaGitTransportFailedError,
    DaytonaNotFoundError,
)
from tests.behaviour.git_server import PASSWORD, USER, GitServer, git, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ME = ("Bo B", "bo@example.com")
FILES = {"a.txt": "one\n", "ünï codé.txt": "two\n"}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    if shutil.which("git") is None:
        pytest.skip("this machine has no git to serve repositories with")
    with serving(tmp_path_factory.mktemp("git")) as running:
        yield running


@pytest.fixture
def public(server: GitServer, folder: str) -> str:
    """The name of a repository that everybody may read and write."""
    name = f"public/{folder}.git"
    server.make(name, files=FILES, branches=("develop",))
    return name


@pytest.fixture
def private(server: GitServer, folder: str) -> str:
    """The name of a repository that wants credentials."""
    name = f"private/{folder}.git"
    server.make(name, files=FILES)
    return name


async def run(sandbox: Any, command: str) -> str:
    """Return what a command prints, or the test fails."""
    done = await sandbox.process.exec(command)
    assert done.exit_code == 0, done.result
    return str(done.result).strip()


async def local_repository(sandbox: Any, path: str) -> str:
    """Make a repository with one commit and return the commit."""
    await sandbox.git.init(path, initial_branch="main")
    await sandbox.fs.upload_file(b"one\n", f"{path}/a.txt")
    await sandbox.git.add(path, ["."])
    return str((await sandbox.git.commit(path, "first", *ME)).sha)


# -- Clone ------------------------------------------------------------------------------------------------------------


async def test_a_clone_has_files_a_branch_and_its_remote(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    url = f"{server.origin}/{public}"
    async with box() as sandbox:
        await sandbox.git.clone(url, f"{folder}/deep/er")
        repository = f"{folder}/deep/er"
        assert await sandbox.fs.download_file(f"{repository}/ünï codé.txt") == b"two\n"
        status = await sandbox.git.status(repository)
        assert (status.current_branch, status.file_status, status.detached) == ("main", [], False)
        assert (status.branch_published, status.upstream) == (True, "origin/main")
        assert (status.ahead, status.behind) == (0, 0)
        assert await sandbox.git.remote_get(repository, "origin") == url
        assert await sandbox.git.remote_get(repository, "other") is None
        assert await run(sandbox, f"ls -A {repository}") == ".git\na.txt\nünï codé.txt"


async def test_a_clone_of_a_branch_or_a_commit(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    first = server.head(public)
    second = server.commit(public, {"later.txt": "x"})
    url = f"{server.origin}/{public}"
    async with box() as sandbox:
        await sandbox.git.clone(url, f"{folder}/b", branch="develop")
        assert (await sandbox.git.status(f"{folder}/b")).current_branch == "develop"
        await sandbox.git.clone(url, f"{folder}/c", commit_id=first)
        status = await sandbox.git.status(f"{folder}/c")
        assert (status.current_branch, status.detached, status.branch_published) == ("HEAD", True, False)
        await sandbox.git.clone(url, f"{folder}/d", depth=1)
        assert [commit.hash for commit in await sandbox.git.history(f"{folder}/d")] == [second]
        await sandbox.git.clone(url, f"{folder}/e", depth=1, commit_id=first)
        assert [commit.hash for commit in await sandbox.git.history(f"{folder}/e")] == [first]


async def test_a_clone_keeps_what_is_in_its_directory(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"mine", f"{folder}/mine.txt")
        await sandbox.git.clone(f"{server.origin}/{public}", folder)
        status = await sandbox.git.status(folder)
        assert [(file.name, file.worktree) for file in status.file_status] == [("mine.txt", "Untracked")]
        assert await run(sandbox, f"ls -A {folder}") == ".git\na.txt\nmine.txt\nünï codé.txt"
        with pytest.raises(DaytonaConflictError, match="already exists"):
            await sandbox.git.clone(f"{server.origin}/{public}", folder)


async def test_a_failed_clone_leaves_nothing(
    box: Callable[[], Any], server: GitServer, public: str, folder: str, unused_port: int
) -> None:
    empty = server.make(f"public/{folder}-empty.git")
    url = f"{server.origin}/{public}"
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"mine", f"{folder}/kept/mine.txt")
        for target in (f"{folder}/new", f"{folder}/kept"):
            with pytest.raises(DaytonaGitBranchNotFoundError, match="Failed to clone repository: "):
                await sandbox.git.clone(url, target, branch="nope")
            with pytest.raises(DaytonaGitBranchNotFoundError):
                await sandbox.git.clone(url, target, commit_id="12345678" * 5)
            with pytest.raises(DaytonaGitRepoNotFoundError):
                await sandbox.git.clone(f"{server.origin}/public/none.git", target)
            with pytest.raises(DaytonaGitRepoNotFoundError, match="empty"):
                await sandbox.git.clone(empty, target)
            with pytest.raises(DaytonaGitRepoNotFoundError):
                await sandbox.git.clone("nowhere/near", target)
            with pytest.raises(DaytonaGitTransportFailedError):
                await sandbox.git.clone(f"http://127.0.0.1:{unused_port}/r.git", target)
        assert (
            await run(sandbox, f"ls -A {folder} {folder}/kept")
            == f"{folder}:\nkept\n\n{folder}/kept:\nmine.txt"
        )


async def test_a_clone_of_a_repository_in_the_sandbox(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        commit = await local_repository(sandbox, f"{folder}/a")
        await sandbox.git.clone(f"{folder}/a", f"{folder}/b")
        assert (await sandbox.git.history(f"{folder}/b"))[0].hash == commit


# -- Credentials ------------------------------------------------------------------------------------------------------


async def test_a_private_repository_wants_the_right_credentials(
    box: Callable[[], Any], server: GitServer, private: str, folder: str
) -> None:
    url = f"{server.origin}/{private}"
    async with box() as sandbox:
        for credentials in ({}, {"username": USER}, {"username": USER, "password": "wrong-pa55"}):
            with pytest.raises(DaytonaGitAuthFailedError) as caught:
                await sandbox.git.clone(url, folder, **credentials)
            assert (caught.value.status_code, caught.value.code) == (401, "GIT_AUTH_FAILED")
            assert "wrong-pa55" not in str(caught.value)
        await sandbox.git.clone(url, folder, username=USER, password=PASSWORD)
        assert await sandbox.fs.download_file(f"{folder}/a.txt") == b"one\n"
        for call in (sandbox.git.push, sandbox.git.pull, sandbox.git.fetch):
            with pytest.raises(DaytonaGitAuthFailedError):
                await call(folder)
        await sandbox.fs.upload_file(b"more\n", f"{folder}/a.txt")
        await sandbox.git.add(folder, ["a.txt"])
        commit = await sandbox.git.commit(folder, "more", *ME)
        await sandbox.git.push(folder, username=USER, password=PASSWORD)
        assert server.head(private) == commit.sha
        await sandbox.git.pull(folder, USER, PASSWORD)
        await sandbox.git.fetch(folder, USER, PASSWORD)
        with pytest.raises(DaytonaForbiddenError):
            await sandbox.git.clone(
                f"{server.origin}/forbidden/x.git", f"{folder}/x", username=USER, password="p"
            )


async def test_credentials_are_in_no_file_and_no_argument(
    box: Callable[[], Any], server: GitServer, private: str, folder: str
) -> None:
    plain = f"{server.origin}/{private}"
    lines: list[str] = []

    def look_at_every_process() -> None:
        for place in Path("/proc").glob("[0-9]*"):
            for file in ("cmdline", "environ"):
                try:
                    lines.append((place / file).read_bytes().decode("utf-8", "replace"))
                except OSError:  # ended meanwhile, or somebody else's
                    continue

    server.during_request = look_at_every_process
    try:
        async with box() as sandbox:
            await sandbox.git.clone(plain, f"{folder}/a", username=USER, password=PASSWORD)
            await sandbox.git.clone(plain.replace("://", f"://{USER}:{PASSWORD}@"), f"{folder}/b")
            await sandbox.git.pull(f"{folder}/a", USER, PASSWORD)
            await sandbox.git.commit(f"{folder}/a", "x", *ME, allow_empty=True)
            await sandbox.git.push(f"{folder}/a", USER, PASSWORD)
            with pytest.raises(DaytonaBadRequestError, match="password") as caught:
                await sandbox.git.remote_add(
                    f"{folder}/a", "second", f"http://{USER}:{PASSWORD}@127.0.0.1/r.git"
                )
            with pytest.raises(DaytonaError) as missing:
                await sandbox.git.clone(
                    f"{server.origin}/private/none.git", f"{folder}/n", None, None, USER, PASSWORD
                )
            found = await sandbox.process.exec(f"grep -rlaF {PASSWORD} {folder} ~/.git* /tmp 2>/dev/null")
            assert found.result == ""
    finally:
        server.during_request = lambda: None
    assert any("\0fetch" in line or "\0clone" in line for line in lines)
    assert any("\0push" in line for line in lines)
    assert not [line for line in lines if PASSWORD in line]
    assert PASSWORD not in str(caught.value) + str(missing.value)


async def test_credentials_stay_with_the_server_they_are_for(
    box: Callable[[], Any], server: GitServer, private: str, folder: str, tmp_path: Path
) -> None:
    with serving(tmp_path) as thief:
        server.destination = f"{thief.origin}/private"
        async with box() as sandbox:
            with pytest.raises(DaytonaError):
                await sandbox.git.clone(
                    f"{server.origin}/moved/r.git", folder, username=USER, password=PASSWORD
                )
        assert thief.authorizations == []


async def test_credentials_with_odd_characters_arrive(
    box: Callable[[], Any], server: GitServer, folder: str
) -> None:
    before = len(server.authorizations)
    async with box() as sandbox:
        with pytest.raises(DaytonaGitAuthFailedError):
            await sandbox.git.clone(
                f"{server.origin}/private/x.git", folder, username="ü=$'", password='a b"`\\ü%'
            )
        with pytest.raises(DaytonaBadRequestError, match="line ends"):
            await sandbox.git.clone(
                f"{server.origin}/private/x.git", folder, username="a\nhost=b", password="p"
            )
    expected = "Basic " + __import__("base64").b64encode("ü=$':a b\"`\\ü%".encode()).decode()
    assert server.authorizations[before:] == [expected]


# -- Push, pull, fetch ------------------------------------------------------------------------------------------------


async def test_commits_go_out_and_come_in(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    async with box() as sandbox:
        await sandbox.git.clone(f"{server.origin}/{public}", folder)
        await sandbox.git.push(folder)
        await sandbox.git.pull(folder)
        await sandbox.fs.upload_file(b"changed\n", f"{folder}/a.txt")
        await sandbox.git.add(folder, ["a.txt"])
        commit = (await sandbox.git.commit(folder, "change", *ME)).sha
        status = await sandbox.git.status(folder)
        assert (status.ahead, status.behind) == (1, 0)
        await sandbox.git.push(folder)
        assert server.head(public) == commit
        assert (await sandbox.git.status(folder)).ahead == 0
        there = server.commit(public, {"new.txt": "from there"})
        await sandbox.git.fetch(folder)
        status = await sandbox.git.status(folder)
        assert (status.ahead, status.behind) == (0, 1)
        await sandbox.git.pull(folder)
        assert (await sandbox.git.history(folder))[0].hash == there
        assert await sandbox.fs.download_file(f"{folder}/new.txt") == b"from there"


async def test_diverged_branches_are_neither_pushed_nor_pulled(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    async with box() as sandbox:
        await sandbox.git.clone(f"{server.origin}/{public}", folder)
        mine = (await sandbox.git.commit(folder, "mine", *ME, allow_empty=True)).sha
        theirs = server.commit(public, {"a.txt": "theirs\n"})
        with pytest.raises(DaytonaGitPushRejectedError) as caught:
            await sandbox.git.push(folder)
        assert (caught.value.status_code, caught.value.code) == (409, "GIT_PUSH_REJECTED")
        assert str(caught.value).startswith("Failed to push changes: ")
        with pytest.raises(DaytonaGitMergeConflictError) as caught:
            await sandbox.git.pull(folder)
        assert caught.value.status_code == 409
        status = await sandbox.git.status(folder)
        assert (status.ahead, status.behind) == (1, 1)
        assert server.head(public) == theirs
        assert (await sandbox.git.history(folder))[0].hash == mine


async def test_local_changes_are_not_lost_to_a_pull(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    async with box() as sandbox:
        await sandbox.git.clone(f"{server.origin}/{public}", folder)
        server.commit(public, {"a.txt": "theirs\n"})
        await sandbox.fs.upload_file(b"mine\n", f"{folder}/a.txt")
        with pytest.raises(DaytonaGitDirtyWorktreeError):
            await sandbox.git.pull(folder)
        assert await sandbox.fs.download_file(f"{folder}/a.txt") == b"mine\n"


async def test_new_branches_are_published(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    async with box() as sandbox:
        await sandbox.git.clone(f"{server.origin}/{public}", folder)
        await sandbox.git.create_branch(folder, "feat/one")
        await sandbox.git.push(folder)
        assert not (await sandbox.git.status(folder)).branch_published
        await sandbox.git.push(folder, set_upstream=True)
        status = await sandbox.git.status(folder)
        assert (status.branch_published, status.upstream) == (True, "origin/feat/one")
        assert server.head(public, "feat/one") == server.head(public)
        with pytest.raises(DaytonaGitBranchNotFoundError):
            await sandbox.git.push(folder, branch="nope")
        with pytest.raises(DaytonaGitRepoNotFoundError):
            await sandbox.git.push(folder, remote="nope")
        await sandbox.git.checkout_branch(folder, server.head(public))
        with pytest.raises(DaytonaBadRequestError, match="detached"):
            await sandbox.git.push(folder)


async def test_branches_of_the_server_are_fetched_and_checked_out(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    commit = server.commit(public, {"d.txt": "d"}, branch="develop")
    async with box() as sandbox:
        await sandbox.git.clone(f"{server.origin}/{public}", folder)
        with pytest.raises(DaytonaGitBranchNotFoundError):
            await sandbox.git.checkout_branch(folder, "develop")
        await sandbox.git.fetch(folder, branch="develop")
        await sandbox.git.checkout_branch(folder, "develop")
        assert (await sandbox.git.history(folder))[0].hash == commit
        await sandbox.git.pull(folder)
        with pytest.raises(DaytonaGitBranchNotFoundError):
            await sandbox.git.fetch(folder, branch="nope")


async def test_the_server_may_refuse(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    hook = server.root / public / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not on my watch >&2\nexit 1\n")
    hook.chmod(0o755)
    async with box() as sandbox:
        await sandbox.git.clone(f"{server.origin}/{public}", folder)
        await sandbox.git.commit(folder, "x", *ME, allow_empty=True)
        with pytest.raises(DaytonaGitRemoteRejectedError, match="not on my watch"):
            await sandbox.git.push(folder)


async def test_remotes_are_added_and_replaced(
    box: Callable[[], Any], server: GitServer, public: str, folder: str
) -> None:
    url = f"{server.origin}/{public}"
    async with box() as sandbox:
        await sandbox.git.init(folder, initial_branch="main")
        assert (await sandbox.git.remotes(folder)).remotes == []
        await sandbox.git.remote_add(folder, "up", f"{server.origin}/public/other.git")
        with pytest.raises(DaytonaConflictError):
            await sandbox.git.remote_add(folder, "up", url)
        await sandbox.git.remote_add(folder, "up", url, fetch=True, overwrite=True)
        assert [(remote.name, remote.url) for remote in (await sandbox.git.remotes(folder)).remotes] == [
            ("up", url)
        ]
        await sandbox.git.pull(folder, remote="up", branch="main")
        assert (await sandbox.git.history(folder))[0].hash == server.head(public)
        with pytest.raises(DaytonaBadRequestError):
            await sandbox.git.remote_add(folder, "no such name", url)


# -- Status -----------------------------------------------------------------------------------------------------------


async def test_the_status_tells_every_kind_of_change(box: Callable[[], Any], folder: str) -> None:
    names = ("modified", "deleted", "gone", "moved", "mode")
    async with box() as sandbox:
        await sandbox.git.init(folder)
        for name in names:
            await sandbox.fs.upload_file(f"{name}\n".encode() * 9, f"{folder}/{name}")
        await sandbox.git.add(folder, ["."])
        await sandbox.git.commit(folder, "first", *ME)
        await run(
            sandbox,
            f"cd {folder} && echo x >> modified && rm deleted && git rm -q gone && git mv moved renamed"
            " && chmod +x mode && mkdir sub && echo 'ü' > 'sub/ü b.txt' && echo s > staged && git add staged"
            " && echo '*.log' > .gitignore && echo l > x.log",
        )
        status = await sandbox.git.status(folder)
    found = {file.name: (file.staging, file.worktree) for file in status.file_status}
    assert list(found) == sorted(found)
    assert found == {
        ".gitignore": ("Untracked", "Untracked"),
        "deleted": ("Unmodified", "Deleted"),
        "gone": ("Deleted", "Unmodified"),
        "mode": ("Unmodified", "Modified"),
        "modified": ("Unmodified", "Modified"),
        "moved": ("Deleted", "Unmodified"),
        "renamed": ("Added", "Unmodified"),
        "staged": ("Added", "Unmodified"),
        "sub/ü b.txt": ("Untracked", "Untracked"),
    }


async def test_only_the_top_of_a_repository_is_one(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await local_repository(sandbox, f"{folder}/r")
        await sandbox.fs.upload_file(b"", f"{folder}/r/sub/f")
        for path in (f"{folder}/r/sub", f"{folder}/r/a.txt", folder, f"{folder}/absent"):
            with pytest.raises(DaytonaGitRepoNotFoundError) as caught:
                await sandbox.git.status(path)
            assert caught.value.status_code == 404
        await sandbox.git.init(f"{folder}/empty")
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.git.status(f"{folder}/empty")
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.git.history(f"{folder}/empty")
        assert (await sandbox.git.branches(f"{folder}/empty")).branches == []


# -- Add, commit, history ---------------------------------------------------------------------------------------------


async def test_files_are_staged_by_name_and_all_at_once(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await local_repository(sandbox, folder)
        await run(
            sandbox, f"cd {folder} && rm a.txt && echo n > -n && echo '*.log' > .gitignore && echo l > l.log"
        )
        await sandbox.git.add(folder, [])
        await sandbox.git.add(folder, ["-n", "a.txt", "l.log"])
        status = {file.name: file.staging for file in (await sandbox.git.status(folder)).file_status}
        assert status == {"-n": "Added", "a.txt": "Deleted", "l.log": "Added", ".gitignore": "Untracked"}
        await sandbox.git.add(folder, ["."])
        assert (await sandbox.git.status(folder)).file_status[1].staging == "Added"
        for missing in ("absent", "*.t", "/etc/passwd", "../x"):
            with pytest.raises((DaytonaNotFoundError, DaytonaBadRequestError)):
                await sandbox.git.add(folder, [missing])


async def test_a_commit_is_what_was_asked_for(box: Callable[[], Any], folder: str) -> None:
    message = "msg: é\n\n# no comment\nbody\n\n"
    async with box() as sandbox:
        first = await local_repository(sandbox, folder)
        assert re.fullmatch(r"[0-9a-f]{40}", first)
        with pytest.raises(DaytonaError, match="clean working tree"):
            await sandbox.git.commit(folder, "nothing", *ME)
        empty = await sandbox.git.commit(folder, message, "Zoë", "z@example.com", allow_empty=True)
        newest, oldest = await sandbox.git.history(folder)
    assert (newest.hash, oldest.hash) == (empty.sha, first)
    assert (newest.author, newest.email, newest.message) == ("Zoë", "z@example.com", message)
    assert oldest.message == "first"
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", newest.timestamp)


async def test_hooks_and_signatures_of_the_repository_do_not_interfere(
    box: Callable[[], Any], folder: str
) -> None:
    async with box() as sandbox:
        await local_repository(sandbox, folder)
        await run(
            sandbox,
            f"cd {folder} && printf '#!/bin/sh\\nexit 1' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit"
            " && git config commit.gpgsign true && git config core.editor false",
        )
        await sandbox.git.commit(folder, "signed by nobody", *ME, allow_empty=True)


async def test_a_repository_of_another_user_can_be_used(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await local_repository(sandbox, folder)
        changed = await sandbox.process.exec(f"chown -R 1234 {folder}")
        if changed.exit_code:
            pytest.skip("the sandbox has one user only")
        assert (await sandbox.git.status(folder)).current_branch == "main"


# -- Branches ---------------------------------------------------------------------------------------------------------


async def test_branches_are_made_listed_and_deleted(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await local_repository(sandbox, folder)
        await sandbox.fs.upload_file(b"changed\n", f"{folder}/a.txt")
        await sandbox.git.create_branch(folder, "feat/one")
        listed = await sandbox.git.branches(folder)
        assert (sorted(listed.branches), listed.current) == (["feat/one", "main"], "feat/one")
        assert await sandbox.fs.download_file(f"{folder}/a.txt") == b"changed\n"
        with pytest.raises(DaytonaGitBranchExistsError):
            await sandbox.git.create_branch(folder, "main")
        for name in ("bad..name", "-x", "a b", "@{u}"):
            with pytest.raises(DaytonaBadRequestError, match="invalid reference name"):
                await sandbox.git.create_branch(folder, name)
        with pytest.raises(DaytonaConflictError):
            await sandbox.git.delete_branch(folder, "feat/one")
        with pytest.raises(DaytonaGitBranchNotFoundError):
            await sandbox.git.delete_branch(folder, "absent")
        await sandbox.git.delete_branch(folder, "main")
        assert (await sandbox.git.branches(folder)).branches == ["feat/one"]


async def test_a_checkout_moves_everything_or_nothing(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        first = await local_repository(sandbox, folder)
        await run(sandbox, f"cd {folder} && git branch -q master")
        await sandbox.git.create_branch(folder, "other")
        await sandbox.fs.upload_file(b"two\n", f"{folder}/a.txt")
        await sandbox.git.add(folder, ["a.txt"])
        with pytest.raises(DaytonaGitBranchNotFoundError):
            await sandbox.git.checkout_branch(folder, "unknown")
        await sandbox.git.commit(folder, "second", *ME)
        await sandbox.fs.upload_file(b"staged\n", f"{folder}/a.txt")
        await sandbox.git.add(folder, ["a.txt"])
        with pytest.raises(DaytonaGitDirtyWorktreeError):
            await sandbox.git.checkout_branch(folder, "main")
        assert (await sandbox.git.status(folder)).current_branch == "other"
        assert await sandbox.fs.download_file(f"{folder}/a.txt") == b"staged\n"
        await sandbox.git.reset(folder, mode="hard")
        await sandbox.git.checkout_branch(folder, "main")
        assert await sandbox.fs.download_file(f"{folder}/a.txt") == b"one\n"
        await sandbox.git.checkout_branch(folder, first)
        assert (await sandbox.git.status(folder)).current_branch == "HEAD"


# -- Newer calls ------------------------------------------------------------------------------------------------------


async def test_repositories_are_made(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.git.init(f"{folder}/r", initial_branch="trunk")
        assert (await sandbox.git.branches(f"{folder}/r")).current == "trunk"
        await sandbox.git.init(f"{folder}/b.git", bare=True)
        assert await run(sandbox, f"git -C {folder}/b.git rev-parse --is-bare-repository") == "true"
        for taken in (f"{folder}/r", f"{folder}/b.git"):
            with pytest.raises(DaytonaConflictError):
                await sandbox.git.init(taken)
        with pytest.raises(DaytonaBadRequestError):
            await sandbox.git.status(f"{folder}/b.git")
        with pytest.raises(DaytonaBadRequestError):
            await sandbox.git.init(f"{folder}/c", initial_branch="a b")


async def test_resets_of_every_mode(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        first = await local_repository(sandbox, folder)
        await sandbox.fs.upload_file(b"two\n", f"{folder}/a.txt")
        await sandbox.git.add(folder, ["a.txt"])
        second = (await sandbox.git.commit(folder, "second", *ME)).sha
        await sandbox.git.reset(folder, mode="soft", target="HEAD~1")
        assert [file.staging for file in (await sandbox.git.status(folder)).file_status] == ["Modified"]
        await sandbox.git.reset(folder, files=["a.txt"])
        (file,) = (await sandbox.git.status(folder)).file_status
        assert (file.staging, file.worktree) == ("Unmodified", "Modified")
        with pytest.raises(DaytonaGitDirtyWorktreeError):
            await sandbox.git.reset(folder, mode="keep", target=second)
        await sandbox.git.reset(folder, mode="hard", target=second)
        assert (await sandbox.git.history(folder))[0].hash == second
        await sandbox.git.reset(folder, mode="merge", target=first[:10])
        assert await sandbox.fs.download_file(f"{folder}/a.txt") == b"one\n"
        with pytest.raises(DaytonaBadRequestError, match="none of"):
            await sandbox.git.reset(folder, mode="medium")
        with pytest.raises(DaytonaBadRequestError, match="files"):
            await sandbox.git.reset(folder, mode="hard", files=["a.txt"])
        with pytest.raises(DaytonaGitBranchNotFoundError):
            await sandbox.git.reset(folder, target="nope")


async def test_files_are_restored(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await local_repository(sandbox, folder)
        await sandbox.fs.upload_file(b"two\n", f"{folder}/a.txt")
        await sandbox.git.add(folder, ["a.txt"])
        await sandbox.git.restore(folder, ["a.txt"], staged=True)
        (file,) = (await sandbox.git.status(folder)).file_status
        assert (file.staging, file.worktree) == ("Unmodified", "Modified")
        await sandbox.git.restore(folder, ["a.txt"])
        assert await sandbox.fs.download_file(f"{folder}/a.txt") == b"one\n"
        await run(
            sandbox, f"cd {folder} && git rm -q a.txt && git -c user.name=x -c user.email=x commit -qm gone"
        )
        await sandbox.git.restore(folder, ["a.txt"], staged=True, worktree=True, source="HEAD~1")
        assert [file.staging for file in (await sandbox.git.status(folder)).file_status] == ["Added"]
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.git.restore(folder, ["absent"])


async def test_differences_are_shown(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        first = await local_repository(sandbox, folder)
        assert await sandbox.git.diff(folder) == ""
        await sandbox.fs.upload_file(b"two\n", f"{folder}/a.txt")
        assert "-one\n+two\n" in await sandbox.git.diff(folder)
        await sandbox.git.add(folder, ["a.txt"])
        assert await sandbox.git.diff(folder) == ""
        assert "-one\n+two\n" in await sandbox.git.diff(folder, staged=True)
        assert "-one\n+two\n" in await sandbox.git.diff(folder, target=first)
        with pytest.raises(DaytonaGitBranchNotFoundError):
            await sandbox.git.diff(folder, target="nope")


async def test_options_are_set_in_their_scope(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        assert await sandbox.git.get_config("user.name") is None
        await sandbox.git.configure_user("Ann A", "ann@example.com")
        assert await sandbox.git.get_config("user.name") == "Ann A"
        await sandbox.git.init("r")
        await sandbox.git.configure_user("Bo", "bo@example.com", scope="local", path="r")
        assert await sandbox.git.get_config("user.email", "local", "r") == "bo@example.com"
        assert await sandbox.git.get_config("user.email") == "ann@example.com"
        await sandbox.git.set_config("alias.x", "log\n -1 # ü")
        assert await sandbox.git.get_config("alias.x") == "log\n -1 # ü"
        assert await run(sandbox, "cd r && git config user.name") == "Bo"
        for wrong in (("nodot", "global", None), ("a.b", "galactic", None), ("a.b", "local", None)):
            with pytest.raises(DaytonaBadRequestError):
                await sandbox.git.get_config(*wrong)
            with pytest.raises(DaytonaBadRequestError):
                await sandbox.git.set_config(wrong[0], "v", *wrong[1:])


async def test_kept_credentials_serve_every_program(
    connect: Callable[[], Any], server: GitServer, private: str
) -> None:
    host = server.origin.removeprefix("http://")
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.git.dangerously_authenticate(USER, PASSWORD, host=host, protocol="http")
        await sandbox.git.dangerously_authenticate(USER, "p4")
        await sandbox.git.clone(f"{server.origin}/{private}", "r")
        assert await run(sandbox, "cd r && git pull -q && cat ~/.git-credentials | wc -l") == "2"
        assert await run(sandbox, "git config --global --get-all credential.helper") == "store"
        with pytest.raises(DaytonaBadRequestError, match="line ends"):
            await sandbox.git.dangerously_authenticate(USER, "a\nhost=evil")


async def test_a_sandbox_without_git_says_what_to_install(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create(_without_path()) as sandbox:
        with pytest.raises(DaytonaError, match="install the package 'git'"):
            await sandbox.git.init("r")


def _without_path() -> Any:
    from daytona import CreateSandboxFromSnapshotParams

    return CreateSandboxFromSnapshotParams(env_vars={"PATH": "/nonexistent"})


def test_the_server_of_these_tests_serves(server: GitServer, tmp_path: Path) -> None:
    url = server.make("public/self.git", files=FILES)
    git("clone", "--quiet", url, str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "a.txt").read_text() == "one\n"
