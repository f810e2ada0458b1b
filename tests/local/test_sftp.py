"""The agent's SFTP server, packet by packet: what ordinary clients do not ask for."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.agent.sftp import OPEN_LIMIT, SftpServer
from daytona_plugins.local.agent.sftp_packets import (
    PACKET_LIMIT,
    BadPacketError,
    Fields,
    OpenFlag,
    Packets,
    Status,
    Type,
    packet,
    string,
    uint32,
    uint64,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_ATTRIBUTES = uint32(0)


class Client:
    """Asks a server, one packet at a time."""

    def __init__(self) -> None:
        self.server = SftpServer()

    def ask(self, kind: Type, *fields: bytes) -> tuple[Type, Fields]:
        """Return the answer to one request."""
        (content,) = self.server.feed(packet(kind, uint32(7), *fields))
        (answer,) = Packets().feed(self.server.answer(content))
        rest = Fields(answer[1:])
        assert rest.uint32() == 7
        return Type(answer[0]), rest

    def status(self, kind: Type, *fields: bytes) -> Status:
        """Return the status that answers one request."""
        answered, rest = self.ask(kind, *fields)
        assert answered is Type.STATUS
        return Status(rest.uint32())

    def open(self, path: object, flags: OpenFlag) -> bytes:
        """Return a handle, as it is sent."""
        kind, rest = self.ask(Type.OPEN, name(path), uint32(flags), NO_ATTRIBUTES)
        assert kind is Type.HANDLE
        return string(rest.string())


def name(path: object) -> bytes:
    return string(str(path).encode())


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.server.close()


def test_version_3_is_spoken(client: Client) -> None:
    (content,) = client.server.feed(packet(Type.INIT, uint32(6)))
    (answer,) = Packets().feed(client.server.answer(content))
    assert answer[0] == Type.VERSION
    assert Fields(answer[1:]).uint32() == 3
    assert b"posix-rename@openssh.com" in answer


def test_packets_may_come_in_any_pieces(client: Client) -> None:
    whole = packet(Type.STAT, uint32(1), name("/")) + packet(Type.STAT, uint32(2), name("/"))
    pieces = [found for byte in whole for found in client.server.feed(bytes([byte]))]
    assert pieces == client.server.feed(whole)


@pytest.mark.parametrize(
    "sent",
    [uint32(PACKET_LIMIT + 1), uint32(0), packet(Type.STAT, uint32(1), uint32(100), b"short")],
    ids=["too long", "empty", "cut off"],
)
def test_what_is_no_sftp_ends_the_conversation(client: Client, sent: bytes) -> None:
    with pytest.raises(BadPacketError):
        _ = [client.server.answer(content) for content in client.server.feed(sent)]


def test_reading_past_the_end_says_so(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    handle = client.open(tmp_path / "file", OpenFlag.READ)
    kind, rest = client.ask(Type.READ, handle, uint64(3), uint32(100))
    assert (kind, rest.string()) == (Type.DATA, b"tent")
    assert client.status(Type.READ, handle, uint64(7), uint32(100)) is Status.EOF
    assert client.status(Type.READ, handle, uint64(2**64 - 1), uint32(1)) is not Status.OK


def test_pieces_may_be_written_anywhere(client: Client, tmp_path: Path) -> None:
    handle = client.open(tmp_path / "file", OpenFlag.WRITE | OpenFlag.CREATE)
    assert client.status(Type.WRITE, handle, uint64(4), string(b"late")) is Status.OK
    assert client.status(Type.WRITE, handle, uint64(0), string(b"soon")) is Status.OK
    assert client.status(Type.CLOSE, handle) is Status.OK
    assert (tmp_path / "file").read_bytes() == b"soonlate"
    appended = client.open(tmp_path / "file", OpenFlag.WRITE | OpenFlag.APPEND)
    assert client.status(Type.WRITE, appended, uint64(0), string(b"!")) is Status.OK
    assert (tmp_path / "file").read_bytes() == b"soonlate!"


def test_exclusive_creation_fails_when_there_is_one(client: Client, tmp_path: Path) -> None:
    flags = OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.EXCLUSIVE
    client.open(tmp_path / "file", flags)
    assert client.status(Type.OPEN, name(tmp_path / "file"), uint32(flags), NO_ATTRIBUTES) is Status.FAILURE


def test_rename_replaces_only_where_it_may(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    both = (name(tmp_path / "a"), name(tmp_path / "b"))
    assert client.status(Type.RENAME, *both) is Status.FAILURE
    assert client.status(Type.EXTENDED, string(b"posix-rename@openssh.com"), *both) is Status.OK
    assert (tmp_path / "b").read_text() == "a"


def test_attributes_are_changed(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345678")
    wanted = uint32(1 | 4 | 8) + uint64(3) + uint32(0o600) + uint32(1000) + uint32(2000)
    assert client.status(Type.SETSTAT, name(file), wanted) is Status.OK
    found = file.stat()
    assert (found.st_size, found.st_mode & 0o777, found.st_atime, found.st_mtime) == (3, 0o600, 1000, 2000)
    handle = client.open(file, OpenFlag.READ | OpenFlag.WRITE)
    assert client.status(Type.FSETSTAT, handle, uint32(1) + uint64(1)) is Status.OK
    assert file.read_bytes() == b"1"


def test_large_directories_are_listed_whole(client: Client, tmp_path: Path) -> None:
    for number in range(250):
        (tmp_path / f"{number}").touch()
    _, rest = client.ask(Type.OPENDIR, name(tmp_path))
    handle = string(rest.string())
    listed: list[bytes] = []
    while (answered := client.ask(Type.READDIR, handle))[0] is Type.NAME:
        for _ in range(answered[1].uint32()):
            listed.append(answered[1].string())
            answered[1].string()
            answered[1].attributes()
    assert sorted(listed) == sorted([b".", b"..", *(b"%d" % number for number in range(250))])


def test_names_that_are_no_text_are_kept(client: Client, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe"
    flags = uint32(OpenFlag.WRITE | OpenFlag.CREATE)
    assert client.ask(Type.OPEN, string(path), flags, NO_ATTRIBUTES)[0] is Type.HANDLE
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff\xfe"]


def test_links_are_read_and_made(client: Client, tmp_path: Path) -> None:
    assert client.status(Type.SYMLINK, name("target"), name(tmp_path / "link")) is Status.OK
    kind, rest = client.ask(Type.READLINK, name(tmp_path / "link"))
    assert (kind, rest.uint32(), rest.string()) == (Type.NAME, 1, b"target")
    (tmp_path / "one").write_text("x")
    hard = (string(b"hardlink@openssh.com"), name(tmp_path / "one"), name(tmp_path / "two"))
    assert client.status(Type.EXTENDED, *hard) is Status.OK
    assert (tmp_path / "two").stat().st_nlink == 2


@pytest.mark.parametrize(
    ("kind", "fields", "status"),
    [
        (Type.STAT, [name("/no/such/file")], Status.NO_SUCH_FILE),
        (Type.STAT, [string(b"a\0b")], Status.BAD_MESSAGE),
        (Type.CLOSE, [string(b"none")], Status.NO_SUCH_FILE),
        (Type.READ, [string(b"none"), uint64(0), uint32(1)], Status.NO_SUCH_FILE),
        (Type.READDIR, [string(b"none")], Status.NO_SUCH_FILE),
        (Type.EXTENDED, [string(b"no-such@example.com")], Status.OP_UNSUPPORTED),
        (Type.DATA, [], Status.OP_UNSUPPORTED),
    ],
)
def test_what_cannot_be_done_is_answered(
    client: Client, kind: Type, fields: list[bytes], status: Status
) -> None:
    assert client.status(kind, *fields) is status


def test_a_client_cannot_open_without_end(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for _ in range(OPEN_LIMIT):
        client.open(tmp_path / "file", OpenFlag.READ)
    opened = (name(tmp_path / "file"), uint32(OpenFlag.READ), NO_ATTRIBUTES)
    assert client.status(Type.OPEN, *opened) is Status.FAILURE


def test_a_named_pipe_without_reader_does_not_block(client: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    handle = client.open(tmp_path / "pipe", OpenFlag.READ)
    assert client.status(Type.READ, handle, uint64(0), uint32(1)) is not Status.OK


def test_limits_and_space_are_told(client: Client) -> None:
    kind, rest = client.ask(Type.EXTENDED, string(b"limits@openssh.com"))
    assert (kind, rest.uint64()) == (Type.EXTENDED_REPLY, PACKET_LIMIT)
    kind, rest = client.ask(Type.EXTENDED, string(b"statvfs@openssh.com"), name("/"))
    assert (kind, rest.uint64()) == (Type.EXTENDED_REPLY, os.statvfs("/").f_bsize)


def test_no_bytes_make_the_server_fail(client: Client) -> None:
    random = struct.pack(">32I", *(number * 2654435761 % 2**32 for number in range(32)))
    for kind in Type:
        for size in range(0, 128, 5):
            try:
                client.server.answer(bytes([kind]) + random[:size])
            except BadPacketError:
                continue
