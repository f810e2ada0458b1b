"""Files: 18.2 of the catalogue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from daytona.protocols.multipart import MultipartReader, PartBegin, PartData, boundary_of
from tests.toolbox.raw import MULTIPART, form, refuses

if TYPE_CHECKING:
    from tests.answers import Answer
    from tests.toolbox.raw import Toolbox

INFO_KEYS = {"name", "size", "mode", "modTime", "modifiedAt", "isDir", "owner", "group", "permissions"}


def bulk(toolbox: Toolbox, *fields: tuple[str, bytes], end: bool = True) -> Answer:
    return toolbox.request("POST", "/files/bulk-upload", form(*fields, end=end), MULTIPART)


# Folders and listings


@pytest.mark.case(6)
def test_folders_are_made_with_their_parents(toolbox: Toolbox, folder: str):
    for _ in range(2):
        answer = toolbox.post("/files/folder", path=f"{folder}/a/b/c")
        assert (answer.status, answer.body) == (201, b"")
        assert "content-type" not in answer.headers
    assert toolbox.post("/files/folder", path=f"{folder}/z", mode="zz").status == 400
    assert toolbox.post("/files/folder", path=f"{folder}/z", mode="1777").status == 201
    assert toolbox.get("/files/info", path=f"{folder}/z").json["permissions"] == "0755"


@pytest.mark.case(7)
def test_a_tilde_is_a_name(toolbox: Toolbox):
    assert toolbox.post("/files/folder", path="~/x").status == 201
    assert toolbox.run("ls -d ./~/x") == "./~/x\n"


@pytest.mark.case(8)
def test_listings(toolbox: Toolbox, folder: str):
    assert toolbox.get("/files", path=folder).json == []
    toolbox.run("touch b .hidden a; ln -s nowhere dangling; mkdir -p d/e; touch d/e/f", cwd=folder)
    listed = toolbox.get("/files/", path=folder).json
    assert [entry["name"] for entry in listed] == [".hidden", "a", "b", "d"]
    assert listed[1]["path"] == f"{folder}/a"
    deep = toolbox.get("/files", path=folder, depth="3").json
    assert [entry["path"].removeprefix(folder) for entry in deep] == [
        "/.hidden",
        "/a",
        "/b",
        "/d",
        "/d/e",
        "/d/e/f",
    ]
    assert toolbox.get("/files", path=folder, depth="0").status == 400
    assert refuses(toolbox.get("/files", path=f"{folder}/nope"), 404, "FILE_NOT_FOUND", ours=toolbox.ours)
    assert toolbox.get("/files", path=f"{folder}/a").status == 400


def test_the_work_dir_is_listed_by_default(toolbox: Toolbox, folder: str):
    assert folder in [entry["name"] for entry in toolbox.request("GET", "/files").json]


def test_names_outside_utf_8_do_not_break_listings(toolbox: Toolbox, folder: str):
    toolbox.run(r"""touch "$(printf 'caf\351')" """, cwd=folder)
    assert [entry["name"] for entry in toolbox.get("/files", path=folder).json] == ["caf\ufffd"]
    assert toolbox.request("GET", f"/files/info?path={folder}/caf%E9").json["name"] == "caf\ufffd"
    assert toolbox.get("/files/search", path=folder, pattern="caf*").json == {
        "files": [f"{folder}/caf\ufffd"]
    }


@pytest.mark.case(9, 10)
def test_info(toolbox: Toolbox, folder: str):
    toolbox.write(f"{folder}/f.txt", b"content")
    toolbox.run("ln -s f.txt link", cwd=folder)
    info = toolbox.get("/files/info", path=f"{folder}/f.txt").json
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
    link = toolbox.get("/files/info", path=f"{folder}/link").json
    assert (link["name"], link["size"]) == ("link", 7)


@pytest.mark.parametrize(
    ("path", "mode"), [("/tmp", "dtrwxrwxrwx"), ("/dev/null", "Dcrw-rw-rw-"), ("/etc", "drwxr-xr-x")]
)
def test_modes_are_written_like_go_does(toolbox: Toolbox, path: str, mode: str):
    assert toolbox.get("/files/info", path=path).json["mode"] == mode


@pytest.mark.case(9)
def test_info_of_what_is_not_there(toolbox: Toolbox, folder: str):
    toolbox.write(f"{folder}/f", b"")
    assert refuses(
        toolbox.get("/files/info", path=f"{folder}/nope"), 404, "FILE_NOT_FOUND", ours=toolbox.ours
    )
    for path in (f"{folder}/f/x", f"{folder}/\0", ""):
        assert toolbox.get("/files/info", path=path).status == 400


# Search


@pytest.mark.case(11)
def test_search_matches_base_names(toolbox: Toolbox, folder: str):
    toolbox.run("mkdir -p a/b.txt .git; touch a/b.txt/c.txt .git/d.txt e.md", cwd=folder)
    found = toolbox.get("/files/search", path=folder, pattern="*.txt").json["files"]
    assert found == [f"{folder}/.git/d.txt", f"{folder}/a/b.txt", f"{folder}/a/b.txt/c.txt"]
    assert toolbox.get("/files/search", path=folder, pattern="[^a-d]?md").json["files"] == [f"{folder}/e.md"]
    assert toolbox.get("/files/search", path=folder, pattern=r"\e*").json["files"] == [f"{folder}/e.md"]


@pytest.mark.case(11)
@pytest.mark.parametrize("pattern", ["[", "[]", "[a-", "\\", "[-]"])
def test_search_with_a_broken_pattern_finds_nothing(toolbox: Toolbox, folder: str, pattern: str):
    assert toolbox.get("/files/search", path=folder, pattern=pattern).json == {"files": []}


@pytest.mark.case(11)
def test_search_and_find_need_both_parameters(toolbox: Toolbox, folder: str):
    for endpoint in ("search", "find"):
        assert toolbox.get(f"/files/{endpoint}", path=folder).status == 400
        assert toolbox.get(f"/files/{endpoint}", pattern="x").status == 400
    assert toolbox.get("/files/search", path=f"{folder}/nope", pattern="*").json == {"files": []}
    assert toolbox.get("/files/find", path=f"{folder}/nope", pattern="x").json == []


@pytest.mark.case(12)
def test_find_shows_lines(toolbox: Toolbox, folder: str):
    toolbox.write(f"{folder}/a.txt", b"one\r\ntwo x\r\n\xe9 x x\n")
    toolbox.write(f"{folder}/binary", b"\0x\n")
    path = f"{folder}/a.txt"
    expected = [
        {"file": path, "line": 2, "content": "two x"},
        {"file": path, "line": 3, "content": "\ufffd x x"},
    ]
    assert toolbox.get("/files/find", path=folder, pattern="x").json == expected
    assert toolbox.get("/files/find", path=path, pattern="x").json == expected


@pytest.mark.ours("read long lines, and follow a link that is the root")
def test_find_and_search_go_everywhere(toolbox: Toolbox, folder: str):
    toolbox.write(f"{folder}/d/long", b"y" * 100_000 + b"\nx\n")
    toolbox.run("ln -s d link; ln -s .. d/up", cwd=folder)
    assert [each["line"] for each in toolbox.get("/files/find", path=f"{folder}/link", pattern="x").json] == [
        2
    ]
    for root, found in ((folder, [f"{folder}/d/long"]), (f"{folder}/link/", [f"{folder}/link/long"])):
        assert toolbox.get("/files/search", path=root, pattern="l*g").json["files"] == found
    here = toolbox.get("/files/search", path=".", pattern="long").json["files"]
    assert f"{folder}/d/long" in here


@pytest.mark.ours("replace in files only, and all of a file or nothing")
def test_replacing_in_what_is_no_file_fails_at_once(toolbox: Toolbox, folder: str):
    toolbox.run("mkfifo pipe; mkdir d; touch plain; ln plain other; ln -s plain link", cwd=folder)
    toolbox.write(f"{folder}/plain", b"x")
    paths = [f"{folder}/{name}" for name in ("pipe", "d", "link")] + ["/dev/zero", "a\0b", ""]
    answer = toolbox.post("/files/replace", {"files": paths, "pattern": "x", "newValue": "y"}).json
    assert [each["success"] for each in answer] == [False, False, True, False, False, False]
    assert [each["file"] for each in answer] == paths
    assert toolbox.run("cat plain other; test -L link && echo", cwd=folder) == "yy\n"


@pytest.mark.case(13)
def test_replace(toolbox: Toolbox, folder: str):
    good, missing = f"{folder}/a", f"{folder}/missing"
    toolbox.write(good, b"x \xff x")
    toolbox.post("/files/permissions", path=good, mode="0600")
    answer = toolbox.post("/files/replace", {"files": [good, missing], "pattern": "x", "newValue": ""})
    assert answer.json[0] == {"file": good, "success": True}
    assert answer.json[1]["success"] is False
    assert "no such file" in answer.json[1]["error"]
    assert toolbox.read(good) == b" \xff "
    assert toolbox.get("/files/info", path=good).json["permissions"] == "0600"
    assert toolbox.post("/files/replace", {"files": [], "pattern": "x", "newValue": "y"}).json == []
    assert toolbox.post("/files/replace", {"files": [good], "pattern": "x"}).status == 400
    assert toolbox.post("/files/replace", {"files": [good], "pattern": "", "newValue": ""}).status == 400


# Moving, permissions, deleting


@pytest.mark.case(14)
def test_move(toolbox: Toolbox, folder: str):
    toolbox.run("touch a b; mkdir d", cwd=folder)

    def move(source: str, destination: str) -> Answer:
        return toolbox.post("/files/move", source=f"{folder}/{source}", destination=f"{folder}/{destination}")

    assert (move("a", "c").status, move("c", "a").body) == (200, b"")
    assert move("nope", "x").status == 404
    assert move("a", "no/parent").status == 404
    assert refuses(move("a", "b"), 409, "CONFLICT", ours=toolbox.ours)
    assert move("a", "d").status == 409
    assert move("d", "d/inside").status == 400
    assert toolbox.post("/files/move", source=f"{folder}/a").status == 400


def test_move_between_file_systems(toolbox: Toolbox, folder: str):
    toolbox.write(f"{folder}/a", b"over")
    assert toolbox.post("/files/move", source=f"{folder}/a", destination=f"/dev/shm/{folder}").status == 200
    assert toolbox.read(f"/dev/shm/{folder}") == b"over"


@pytest.mark.case(15)
def test_permissions(toolbox: Toolbox, folder: str):
    path = f"{folder}/f"
    toolbox.write(path, b"")
    assert toolbox.post("/files/permissions", path=path, mode="4755").status == 200
    assert toolbox.get("/files/info", path=path).json["permissions"] == "0755"
    assert toolbox.get("/files/info", path=path).json["mode"] == "-rwxr-xr-x"
    assert toolbox.post("/files/permissions", path=path, owner="daytona", group="0").status == 200
    assert toolbox.post("/files/permissions", path=path).status == 200
    for bad in (
        {"owner": "nobody-knows"},
        {"group": "nobody-knows"},
        {"owner": "9" * 30},
        {"mode": "9"},
        {"mode": "0o755"},
        {"mode": "rwx"},
    ):
        assert toolbox.post("/files/permissions", path=path, **bad).status == 400
    assert toolbox.post("/files/permissions", path=f"{folder}/nope", mode="600").status == 404


@pytest.mark.case(16)
def test_delete(toolbox: Toolbox, folder: str):
    toolbox.run("touch f; mkdir -p d/e; ln -s d link; ln -s nowhere dangling", cwd=folder)

    def delete(name: str, **query: str) -> int:
        return toolbox.delete("/files", path=f"{folder}/{name}", **query).status

    assert (delete("f"), delete("f")) == (204, 404)
    assert delete("dangling") == 204
    assert (delete("d"), delete("d", recursive="1")) == (400, 400)
    assert (delete("link"), delete("link", recursive="true")) == (400, 204)
    assert delete("d", recursive="true") == 204
    assert toolbox.get("/files", path=folder).json == []


# Uploads


@pytest.mark.case(17)
def test_single_upload(toolbox: Toolbox, folder: str):
    path = f"{folder}/new/dir/f.bin"
    data = bytes(range(256)) * 1000
    answer = toolbox.request(
        "POST", f"/files/upload?path={path}", form(("other", b"x"), ("file", data)), MULTIPART
    )
    assert (answer.status, answer.body) == (200, b"")
    assert toolbox.read(path) == data
    assert toolbox.get("/files/info", path=f"{folder}/new").json["permissions"] == "0750"
    assert (
        toolbox.request("POST", f"/files/upload?path={path}", form(("wrong", b"x")), MULTIPART).status == 400
    )
    assert (
        toolbox.request("POST", f"/files/upload?path={folder}", form(("file", b"x")), MULTIPART).status == 400
    )
    assert toolbox.request("POST", f"/files/upload?path={path}", b"not a form").status == 400


@pytest.mark.ours("v0.190 has no such route")
def test_upload_v2_takes_a_form_or_bytes(toolbox: Toolbox, folder: str):
    for body, headers in ((form(("file", b"one")), MULTIPART), (b"two", {})):
        answer = toolbox.request("POST", f"/files/upload-v2?path={folder}/v2/f.txt", body, headers)
        assert answer.json == {"name": "f.txt", "path": f"{folder}/v2/f.txt", "type": "file"}
    assert toolbox.read(f"{folder}/v2/f.txt") == b"two"


@pytest.mark.case(18)
def test_bulk_upload(toolbox: Toolbox, folder: str):
    answer = bulk(
        toolbox,
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
    assert toolbox.read(f"{folder}/one") == b"1\r\n--not-it"
    assert toolbox.get("/files/info", path=f"{folder}/deep").json["permissions"] == "0755"


@pytest.mark.case(18)
def test_a_bulk_upload_goes_on_after_a_failure(toolbox: Toolbox, folder: str):
    answer = bulk(
        toolbox,
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


def test_an_upload_to_a_full_file_system_fails(toolbox: Toolbox):
    answer = bulk(toolbox, ("files[0].path", b"/dev/full"), ("files[0].file", b"x"))
    assert answer.json["errors"] == ["/dev/full: write: no space left on device"]
    assert toolbox.request("POST", "/files/upload-v2?path=/dev/full", b"x").status == 400


@pytest.mark.case(18)
def test_broken_bulk_uploads(toolbox: Toolbox, folder: str):
    assert bulk(toolbox).json == {"files": None}
    assert toolbox.request("POST", "/files/bulk-upload", b"x").json == {"errors": ["invalid multipart form"]}
    answer = bulk(toolbox, ("files[0].path", f"{folder}/t".encode()), ("files[0].file", b"0123"), end=False)
    assert (answer.status, answer.json["files"]) == (400, None)
    assert answer.json["errors"][0].startswith(f"{folder}/t: write: unexpected EOF")


@pytest.mark.ours("replace a file only by a whole one")
def test_a_broken_upload_leaves_what_was_there(toolbox: Toolbox, folder: str):
    toolbox.write(f"{folder}/old", b"old")
    for name in ("old", "new"):
        part = ("files[0].path", f"{folder}/{name}".encode())
        assert bulk(toolbox, part, ("files[0].file", b"0123"), end=False).status == 400
    assert toolbox.run("ls -A; cat old", cwd=folder) == "old\nold"


@pytest.mark.ours("replace a file only by a whole one")
def test_an_upload_that_breaks_off_leaves_what_was_there(toolbox: Toolbox, folder: str):
    toolbox.write(f"{folder}/old", b"old")
    head = toolbox.head("POST", f"/files/upload-v2?path={folder}/old", Content_Length="100000")
    with toolbox.connect() as connection:
        connection.sendall(head + b"x" * 70_000)
        toolbox.until("ls -A | wc -l", "2", cwd=folder)  # what has come so far is somewhere
    toolbox.until("ls -A; cat old", "old\nold", cwd=folder)


@pytest.mark.ours("replace files and keep what belongs to them")
def test_what_an_upload_replaces_keeps_its_permissions_and_its_other_names(toolbox: Toolbox, folder: str):
    toolbox.run("touch plain linked; chmod 751 plain; ln linked other", cwd=folder)
    for name in ("plain", "linked"):
        toolbox.write(f"{folder}/{name}", b"new ")
    assert toolbox.run("stat -c %a plain; cat plain other", cwd=folder) == "751\nnew new "
    toolbox.write(f"{folder}/fresh", b"")
    assert toolbox.run("umask; stat -c %a fresh", cwd=folder) == "0022\n644\n"


@pytest.mark.case(19)
def test_an_upload_writes_through_links(toolbox: Toolbox, folder: str):
    toolbox.run("touch target; ln -s target link; ln -s made dangling", cwd=folder)
    bulk(toolbox, ("files[0].path", f"{folder}/link".encode()), ("files[0].file", b"x"))
    bulk(toolbox, ("files[0].path", f"{folder}/dangling".encode()), ("files[0].file", b"y"))
    assert toolbox.run("cat target made; test -L link && test -L dangling && echo", cwd=folder) == "xy\n"


# Downloads


@pytest.mark.case(20)
def test_download(toolbox: Toolbox, folder: str):
    path = f'{folder}/naïve "☃".html'
    toolbox.write(path, b"0123456789")
    answer = toolbox.get("/files/download", path=path)
    assert answer.body == b"0123456789"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="naïve \\"_\\".html"; filename*=utf-8\'\'na%C3%AFve%20%22%E2%98%83%22.html'
    )
    expected = {
        "accept-ranges": "bytes",
        "content-length": "10",
        "content-description": "File Transfer",
        "content-transfer-encoding": "binary",
        "expires": "0",
        "cache-control": "must-revalidate",
        "pragma": "public",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert answer.headers["last-modified"].endswith(" GMT")
    assert refuses(
        toolbox.get("/files/download", path=f"{folder}/nope"), 404, "FILE_NOT_FOUND", ours=toolbox.ours
    )
    assert toolbox.get("/files/download", path=folder).status == 400
    assert toolbox.get("/files/download").status == 400


@pytest.mark.case(20)
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
    toolbox: Toolbox, folder: str, wanted: str, status: int, content: bytes, content_range: str | None
):
    toolbox.write(f"{folder}/f", b"0123456789")
    answer = toolbox.request("GET", f"/files/download?path={folder}/f", headers={"Range": wanted})
    assert (answer.status, answer.body, answer.headers["content-range"]) == (status, content, content_range)


@pytest.mark.case(20)
def test_a_file_that_did_not_change_is_not_sent(toolbox: Toolbox, folder: str):
    toolbox.write(f"{folder}/f", b"x")
    modified = toolbox.get("/files/download", path=f"{folder}/f").headers["last-modified"]
    answer = toolbox.request(
        "GET", f"/files/download?path={folder}/f", headers={"If-Modified-Since": modified}
    )
    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.ours("wait for nobody at a pipe")
def test_a_pipe_does_not_block(toolbox: Toolbox, folder: str):
    toolbox.run("mkfifo pipe", cwd=folder)
    assert toolbox.get("/files/download", path=f"{folder}/pipe").body == b""
    answer = bulk(toolbox, ("files[0].path", f"{folder}/pipe".encode()), ("files[0].file", b"x"))
    assert (answer.status, answer.json["files"]) == (400, None)


def test_a_large_file_goes_both_ways(toolbox: Toolbox, folder: str):
    data = bytes(range(256)) * 40_000
    toolbox.write(f"{folder}/large", data)
    assert toolbox.read(f"{folder}/large") == data


@pytest.mark.case(21)
def test_bulk_download(toolbox: Toolbox, folder: str):
    names = ["a.txt", "none", "dir", "", 'qu"öte☃', "empty"]
    toolbox.run("mkdir dir; printf AAA > a.txt; printf BB > 'qu\"öte☃'; touch empty", cwd=folder)
    paths = [f"{folder}/{name}" if name else "" for name in names]
    answer = toolbox.post("/files/bulk-download", {"paths": paths})
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


@pytest.mark.case(22)
@pytest.mark.parametrize("body", [{}, {"paths": []}, b"x", {"paths": [1]}])
def test_a_bulk_download_needs_paths(toolbox: Toolbox, body: object):
    assert toolbox.post("/files/bulk-download", body).status == 400


@pytest.mark.ours("run as a user of its own")
def test_the_folder_of_another_is_denied_or_ours(toolbox: Toolbox):
    """Inside, the user is root over the sandbox's files: only the host's own may be out of reach."""
    assert toolbox.get("/files", path="/root").json == []
