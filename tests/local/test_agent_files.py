"""The toolbox's files, against a real sandbox."""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING

import pytest

from daytona.protocols.multipart import MultipartReader, PartBegin, PartData, boundary_of

if TYPE_CHECKING:
    from conftest import Agent, Answer

INFO_KEYS = {"name", "size", "mode", "modTime", "modifiedAt", "isDir", "owner", "group", "permissions"}
BOUNDARY = "test-boundary"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(*fields: tuple[str, bytes], end: bool = True) -> bytes:
    body = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in fields
    )
    return body + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def bulk(agent: Agent, *fields: tuple[str, bytes], end: bool = True) -> Answer:
    return agent.request("POST", "/files/bulk-upload", form(*fields, end=end), MULTIPART)


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


# Folders and listings


def test_folders_are_made_with_their_parents(agent: Agent, folder: str):
    for _ in range(2):
        answer = agent.post("/files/folder", path=f"{folder}/a/b/c")
        assert (answer.status, answer.body) == (201, b"")
        assert "content-type" not in answer.headers
    assert agent.post("/files/folder", path=f"{folder}/z", mode="zz").status == 400
    assert agent.post("/files/folder", path=f"{folder}/z", mode="1777").status == 201
    assert agent.get("/files/info", path=f"{folder}/z").json["permissions"] == "0755"


def test_a_tilde_is_a_name(agent: Agent):
    assert agent.post("/files/folder", path="~/x").status == 201
    assert agent.run("ls -d ./~/x") == "./~/x\n"


def test_listings(agent: Agent, folder: str):
    assert agent.get("/files", path=folder).json == []
    agent.run("touch b .hidden a; ln -s nowhere dangling; mkdir -p d/e; touch d/e/f", cwd=folder)
    listed = agent.get("/files/", path=folder).json
    assert [entry["name"] for entry in listed] == [".hidden", "a", "b", "d"]
    assert listed[1]["path"] == f"{folder}/a"
    deep = agent.get("/files", path=folder, depth="3").json
    assert [entry["path"].removeprefix(folder) for entry in deep] == [
        "/.hidden",
        "/a",
        "/b",
        "/d",
        "/d/e",
        "/d/e/f",
    ]
    assert agent.get("/files", path=folder, depth="0").status == 400
    assert code(agent.get("/files", path=f"{folder}/nope")) == (404, "FILE_NOT_FOUND")
    assert agent.get("/files", path=f"{folder}/a").status == 400


def test_the_work_dir_is_listed_by_default(agent: Agent, folder: str):
    assert folder in [entry["name"] for entry in agent.request("GET", "/files").json]


def test_names_outside_utf_8_do_not_break_listings(agent: Agent, folder: str):
    agent.run(r"""touch "$(printf 'caf\351')" """, cwd=folder)
    assert [entry["name"] for entry in agent.get("/files", path=folder).json] == ["caf\ufffd"]
    assert agent.request("GET", f"/files/info?path={folder}/caf%E9").json["name"] == "caf\ufffd"
    assert agent.get("/files/search", path=folder, pattern="caf*").json == {"files": [f"{folder}/caf\ufffd"]}


def test_info(agent: Agent, folder: str):
    agent.write(f"{folder}/f.txt", b"content")
    agent.run("ln -s f.txt link", cwd=folder)
    info = agent.get("/files/info", path=f"{folder}/f.txt").json
    assert set(info) == INFO_KEYS
    assert (info["size"], info["mode"], info["permissions"], info["isDir"]) == (
        7,
        "-rw-r--r--",
        "0644",
        False,
    )
    assert info["owner"].isdecimal()
    assert info["group"].isdecimal()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})? [+-]\d{4} \w+", info["modTime"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", info["modifiedAt"])
    link = agent.get("/files/info", path=f"{folder}/link").json
    assert (link["name"], link["size"]) == ("link", 7)


@pytest.mark.parametrize(
    ("path", "mode"), [("/tmp", "dtrwxrwxrwx"), ("/dev/null", "Dcrw-rw-rw-"), ("/etc", "drwxr-xr-x")]
)
def test_modes_are_written_like_go_does(agent: Agent, path: str, mode: str):
    assert agent.get("/files/info", path=path).json["mode"] == mode


def test_info_of_what_is_not_there(agent: Agent, folder: str):
    agent.write(f"{folder}/f", b"")
    assert code(agent.get("/files/info", path=f"{folder}/nope")) == (404, "FILE_NOT_FOUND")
    for path in (f"{folder}/f/x", f"{folder}/\0", ""):
        assert agent.get("/files/info", path=path).status == 400


# Search


def test_search_matches_base_names(agent: Agent, folder: str):
    agent.run("mkdir -p a/b.txt .git; touch a/b.txt/c.txt .git/d.txt e.md", cwd=folder)
    found = agent.get("/files/search", path=folder, pattern="*.txt").json["files"]
    assert found == [f"{folder}/.git/d.txt", f"{folder}/a/b.txt", f"{folder}/a/b.txt/c.txt"]
    assert agent.get("/files/search", path=folder, pattern="[^a-d]?md").json["files"] == [f"{folder}/e.md"]
    assert agent.get("/files/search", path=folder, pattern=r"\e*").json["files"] == [f"{folder}/e.md"]


@pytest.mark.parametrize("pattern", ["[", "[]", "[a-", "\\", "[-]"])
def test_search_with_a_broken_pattern_finds_nothing(agent: Agent, folder: str, pattern: str):
    assert agent.get("/files/search", path=folder, pattern=pattern).json == {"files": []}


def test_search_and_find_need_both_parameters(agent: Agent, folder: str):
    for endpoint in ("search", "find"):
        assert agent.get(f"/files/{endpoint}", path=folder).status == 400
        assert agent.get(f"/files/{endpoint}", pattern="x").status == 400
    assert agent.get("/files/search", path=f"{folder}/nope", pattern="*").json == {"files": []}
    assert agent.get("/files/find", path=f"{folder}/nope", pattern="x").json == []


def test_find_shows_lines(agent: Agent, folder: str):
    agent.write(f"{folder}/a.txt", b"one\r\ntwo x\r\n\xe9 x x\n")
    agent.write(f"{folder}/binary", b"\0x\n")
    path = f"{folder}/a.txt"
    expected = [
        {"file": path, "line": 2, "content": "two x"},
        {"file": path, "line": 3, "content": "\ufffd x x"},
    ]
    assert agent.get("/files/find", path=folder, pattern="x").json == expected
    assert agent.get("/files/find", path=path, pattern="x").json == expected


def test_replace(agent: Agent, folder: str):
    good, missing = f"{folder}/a", f"{folder}/missing"
    agent.write(good, b"x \xff x")
    agent.post("/files/permissions", path=good, mode="0600")
    answer = agent.post("/files/replace", {"files": [good, missing], "pattern": "x", "newValue": ""})
    assert answer.json[0] == {"file": good, "success": True}
    assert answer.json[1]["success"] is False
    assert "no such file" in answer.json[1]["error"]
    assert agent.read(good) == b" \xff "
    assert agent.get("/files/info", path=good).json["permissions"] == "0600"
    assert agent.post("/files/replace", {"files": [], "pattern": "x", "newValue": "y"}).json == []
    assert agent.post("/files/replace", {"files": [good], "pattern": "x"}).status == 400
    assert agent.post("/files/replace", {"files": [good], "pattern": "", "newValue": ""}).status == 400


# Moving, permissions, deleting


def test_move(agent: Agent, folder: str):
    agent.run("touch a b; mkdir d", cwd=folder)

    def move(source: str, destination: str) -> Answer:
        return agent.post("/files/move", source=f"{folder}/{source}", destination=f"{folder}/{destination}")

    assert (move("a", "c").status, move("c", "a").body) == (200, b"")
    assert move("nope", "x").status == 404
    assert move("a", "no/parent").status == 404
    assert code(move("a", "b")) == (409, "CONFLICT")
    assert move("a", "d").status == 409
    assert move("d", "d/inside").status == 400
    assert agent.post("/files/move", source=f"{folder}/a").status == 400


def test_move_between_file_systems(agent: Agent, folder: str):
    agent.write(f"{folder}/a", b"over")
    assert agent.post("/files/move", source=f"{folder}/a", destination=f"/dev/shm/{folder}").status == 200
    assert agent.read(f"/dev/shm/{folder}") == b"over"


def test_permissions(agent: Agent, folder: str):
    path = f"{folder}/f"
    agent.write(path, b"")
    assert agent.post("/files/permissions", path=path, mode="4755").status == 200
    assert agent.get("/files/info", path=path).json["permissions"] == "0755"
    assert agent.get("/files/info", path=path).json["mode"] == "-rwxr-xr-x"
    assert agent.post("/files/permissions", path=path, owner="daytona", group="0").status == 200
    assert agent.post("/files/permissions", path=path).status == 200
    for bad in ({"owner": "nobody-knows"}, {"mode": "9"}, {"mode": "0o755"}, {"mode": "rwx"}):
        assert agent.post("/files/permissions", path=path, **bad).status == 400
    assert agent.post("/files/permissions", path=f"{folder}/nope", mode="600").status == 404


def test_delete(agent: Agent, folder: str):
    agent.run("touch f; mkdir -p d/e; ln -s d link; ln -s nowhere dangling", cwd=folder)

    def delete(name: str, **query: str) -> int:
        return agent.delete("/files", path=f"{folder}/{name}", **query).status

    assert (delete("f"), delete("f")) == (204, 404)
    assert delete("dangling") == 204
    assert (delete("d"), delete("d", recursive="1")) == (400, 400)
    assert (delete("link"), delete("link", recursive="true")) == (400, 204)
    assert delete("d", recursive="true") == 204
    assert agent.get("/files", path=folder).json == []


# Uploads


def test_single_upload(agent: Agent, folder: str):
    path = f"{folder}/new/dir/f.bin"
    data = bytes(range(256)) * 1000
    answer = agent.request(
        "POST", f"/files/upload?path={path}", form(("other", b"x"), ("file", data)), MULTIPART
    )
    assert (answer.status, answer.body) == (200, b"")
    assert agent.read(path) == data
    assert agent.get("/files/info", path=f"{folder}/new").json["permissions"] == "0750"
    assert agent.request("POST", f"/files/upload?path={path}", form(("wrong", b"x")), MULTIPART).status == 400
    assert (
        agent.request("POST", f"/files/upload?path={folder}", form(("file", b"x")), MULTIPART).status == 400
    )
    assert agent.request("POST", f"/files/upload?path={path}", b"not a form").status == 400


def test_upload_v2_takes_a_form_or_bytes(agent: Agent, folder: str):
    for body, headers in ((form(("file", b"one")), MULTIPART), (b"two", {})):
        answer = agent.request("POST", f"/files/upload-v2?path={folder}/v2/f.txt", body, headers)
        assert answer.json == {"name": "f.txt", "path": f"{folder}/v2/f.txt", "type": "file"}
    assert agent.read(f"{folder}/v2/f.txt") == b"two"


def test_bulk_upload(agent: Agent, folder: str):
    answer = bulk(
        agent,
        ("files[0].path", f"  {folder}/one\n".encode()),
        ("files[0].file", b"1\r\n--not-it"),
        ("ignored", b"?"),
        ("files[x].path", f"{folder}/deep/two".encode()),
        ("files[x].file", b""),
    )
    assert answer.status == 200
    assert answer.json == {
        "files": [{"path": f"{folder}/one", "bytes": 11}, {"path": f"{folder}/deep/two", "bytes": 0}]
    }
    assert agent.read(f"{folder}/one") == b"1\r\n--not-it"
    assert agent.get("/files/info", path=f"{folder}/deep").json["permissions"] == "0755"


def test_a_bulk_upload_goes_on_after_a_failure(agent: Agent, folder: str):
    answer = bulk(
        agent,
        ("files[0].file", b"early"),
        ("files[1].path", folder.encode()),
        ("files[1].file", b"a directory"),
        ("files[2].path", f"{folder}/good".encode()),
        ("files[2].file", b"good"),
        ("files[3].path", b"  "),
    )
    assert answer.status == 400
    assert answer.json["files"] == [{"path": f"{folder}/good", "bytes": 4}]
    first, second, third = answer.json["errors"]
    assert first == "file[0]: missing .path metadata"
    assert second == f"{folder}: create: open {folder}: is a directory"
    assert third == "path[3]: empty path"


def test_an_upload_to_a_full_file_system_fails(agent: Agent):
    answer = bulk(agent, ("files[0].path", b"/dev/full"), ("files[0].file", b"x"))
    assert answer.json["errors"] == ["/dev/full: write: no space left on device"]
    assert agent.request("POST", "/files/upload-v2?path=/dev/full", b"x").status == 400


def test_broken_bulk_uploads(agent: Agent, folder: str):
    assert bulk(agent).json == {"files": None}
    assert agent.request("POST", "/files/bulk-upload", b"x").json == {"errors": ["invalid multipart form"]}
    answer = bulk(agent, ("files[0].path", f"{folder}/t".encode()), ("files[0].file", b"0123"), end=False)
    assert (answer.status, answer.json["files"]) == (400, None)
    assert answer.json["errors"][0].startswith(f"{folder}/t: write: unexpected EOF")


def test_a_broken_upload_leaves_what_was_there(agent: Agent, folder: str):
    agent.write(f"{folder}/old", b"old")
    for name in ("old", "new"):
        part = ("files[0].path", f"{folder}/{name}".encode())
        assert bulk(agent, part, ("files[0].file", b"0123"), end=False).status == 400
    assert agent.run("ls -A; cat old", cwd=folder) == "old\nold"


def test_an_upload_that_breaks_off_leaves_what_was_there(agent: Agent, folder: str):
    agent.write(f"{folder}/old", b"old")
    head = f"POST /files/upload-v2?path={folder}/old HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(agent.path))
        connection.sendall(head.encode() + b"x" * 70_000)
        until(agent, "ls -A | wc -l", "2", folder)  # what has come so far is somewhere
    until(agent, "ls -A; cat old", "old\nold", folder)


def until(agent: Agent, command: str, expected: str, folder: str) -> None:
    """Ask until the answer is *expected*; the test's own time limit ends it otherwise."""
    deadline = time.monotonic() + 20
    while (found := agent.run(command, cwd=folder).strip()) != expected:
        assert time.monotonic() < deadline, found


def test_what_an_upload_replaces_keeps_its_permissions_and_its_other_names(agent: Agent, folder: str):
    agent.run("touch plain linked; chmod 751 plain; ln linked other", cwd=folder)
    for name in ("plain", "linked"):
        agent.write(f"{folder}/{name}", b"new ")
    assert agent.run("stat -c %a plain; cat plain other", cwd=folder) == "751\nnew new "
    agent.write(f"{folder}/fresh", b"")
    assert agent.run("umask; stat -c %a fresh", cwd=folder) == "0022\n644\n"


def test_an_upload_writes_through_links(agent: Agent, folder: str):
    agent.run("touch target; ln -s target link; ln -s made dangling", cwd=folder)
    bulk(agent, ("files[0].path", f"{folder}/link".encode()), ("files[0].file", b"x"))
    bulk(agent, ("files[0].path", f"{folder}/dangling".encode()), ("files[0].file", b"y"))
    assert agent.run("cat target made; test -L link && test -L dangling && echo", cwd=folder) == "xy\n"


# Downloads


def test_download(agent: Agent, folder: str):
    path = f'{folder}/naïve "☃".html'
    agent.write(path, b"0123456789")
    answer = agent.get("/files/download", path=path)
    assert answer.body == b"0123456789"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="naïve \\"_\\".html"; filename*=utf-8\'\'na%C3%AFve%20%22%E2%98%83%22.html'
    )
    assert answer.headers["accept-ranges"] == "bytes"
    assert code(agent.get("/files/download", path=f"{folder}/nope")) == (404, "FILE_NOT_FOUND")
    assert agent.get("/files/download", path=folder).status == 400
    assert agent.get("/files/download").status == 400


@pytest.mark.parametrize(
    ("wanted", "status", "content", "content_range"),
    [
        ("bytes=2-5", 206, b"2345", "bytes 2-5/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_ranges(
    agent: Agent, folder: str, wanted: str, status: int, content: bytes, content_range: str | None
):
    agent.write(f"{folder}/f", b"0123456789")
    answer = agent.request("GET", f"/files/download?path={folder}/f", headers={"Range": wanted})
    assert (answer.status, answer.body, answer.headers["content-range"]) == (status, content, content_range)


def test_a_file_that_did_not_change_is_not_sent(agent: Agent, folder: str):
    agent.write(f"{folder}/f", b"x")
    modified = agent.get("/files/download", path=f"{folder}/f").headers["last-modified"]
    answer = agent.request("GET", f"/files/download?path={folder}/f", headers={"If-Modified-Since": modified})
    assert (answer.status, answer.body) == (304, b"")


def test_a_pipe_does_not_block(agent: Agent, folder: str):
    agent.run("mkfifo pipe", cwd=folder)
    assert agent.get("/files/download", path=f"{folder}/pipe").body == b""
    answer = bulk(agent, ("files[0].path", f"{folder}/pipe".encode()), ("files[0].file", b"x"))
    assert (answer.status, answer.json["files"]) == (400, None)


def test_a_large_file_goes_both_ways(agent: Agent, folder: str):
    data = bytes(range(256)) * 40_000
    agent.write(f"{folder}/large", data)
    assert agent.read(f"{folder}/large") == data


def test_bulk_download(agent: Agent, folder: str):
    names = ["a.txt", "none", "dir", "", 'qu"öte☃', "empty"]
    agent.run("mkdir dir; printf AAA > a.txt; printf BB > 'qu\"öte☃'; touch empty", cwd=folder)
    paths = [f"{folder}/{name}" if name else "" for name in names]
    answer = agent.post("/files/bulk-download", {"paths": paths})
    assert answer.status == 200
    found = read_parts(answer)
    assert [part.filename for part, _ in found] == paths
    assert [part.name for part, _ in found] == ["file", "error", "error", "error", "file", "file"]
    assert [content for part, content in found if part.name == "file"] == [b"AAA", b"BB", b""]
    for part, _content in found:
        assert ("content-length" in part.headers) == (part.name == "file")
    codes = [re.search(rb'"code":"(\w+)"', content) for part, content in found if part.name == "error"]
    assert [match[1] for match in codes if match] == [
        b"FILE_NOT_FOUND",
        b"INVALID_FILE_PATH",
        b"INVALID_FILE_PATH",
    ]
    assert found[0][0].headers["content-type"] == "text/plain; charset=utf-8"


def read_parts(answer: Answer) -> list[tuple[PartBegin, bytes]]:
    reader = MultipartReader(boundary_of(answer.headers["content-type"]))
    parts: list[tuple[PartBegin, bytes]] = []
    for event in reader.receive(answer.body):
        if isinstance(event, PartBegin):
            parts.append((event, b""))
        elif isinstance(event, PartData):
            parts[-1] = (parts[-1][0], parts[-1][1] + event.data)
    assert reader.complete
    return parts


@pytest.mark.parametrize("body", [{}, {"paths": []}, b"x", {"paths": [1]}])
def test_a_bulk_download_needs_paths(agent: Agent, body: object):
    assert agent.post("/files/bulk-download", body).status == 400


def test_the_folder_of_another_is_denied_or_ours(agent: Agent):
    """Inside, the user is root over the sandbox's files: only the host's own may be out of reach."""
    assert agent.get("/files", path="/root").json == []
