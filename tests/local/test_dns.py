"""The messages of our name server, against dnspython: what one says the other understands."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given, strategies as st

from daytona_plugins.local.egress.dns import (
    LARGEST_ROOM,
    LONGEST,
    SMALLEST_ROOM,
    BadQuestionError,
    Code,
    answer,
    parse_question,
)
from daytona_plugins.local.egress.lookup import resolve_name
from daytona_plugins.local.egress.names import ToldNames
from daytona_plugins.local.egress.policy import Policy
from daytona_plugins.local.egress.resolver import MOST_ADDRESSES, Resolver
from daytona_plugins.local.egress.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

labels = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,20}[A-Za-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=6).map(".".join)
addresses = st.lists(st.ip_addresses(v=4).map(str), max_size=8, unique=True)


def ask(name: str, kind: str = "A", room: int | None = None) -> dns.message.QueryMessage:
    """Return a question as a program in a sandbox asks it."""
    edns = -1 if room is None else 0
    return dns.message.make_query(name, kind, use_edns=edns, payload=room or 0)


@given(names, st.sampled_from(["A", "AAAA", "MX", "HTTPS"]), st.none() | st.integers(0, 65535))
def test_a_question_is_understood(name: str, kind: str, room: int | None) -> None:
    query = ask(name, kind, room)
    question = parse_question(query.to_wire())
    assert (question.number, question.name, question.kind) == (query.id, name, dns.rdatatype.from_text(kind))
    assert question.extended == (room is not None)
    assert SMALLEST_ROOM <= question.room <= LARGEST_ROOM
    assert question.room == max(SMALLEST_ROOM, min(room or 0, LARGEST_ROOM))
    assert question.is_for_host == (kind != "MX")


@given(names, addresses, st.none() | st.just(1232))
def test_an_answer_is_understood(name: str, found: list[str], room: int | None) -> None:
    query = ask(name, room=room)
    reply = dns.message.from_wire(answer(parse_question(query.to_wire()), Code.FOUND, found))
    assert query.is_response(reply)
    assert [str(record) for rrset in reply.answer for record in rrset] == found
    assert all(rrset.name == dns.name.from_text(name) for rrset in reply.answer)
    assert bool(reply.flags & dns.flags.RA)
    assert (reply.edns >= 0) == (room is not None)


def test_only_questions_for_addresses_are_answered_with_them() -> None:
    reply = dns.message.from_wire(
        answer(parse_question(ask("a.example", "AAAA").to_wire()), Code.FOUND, ["192.0.2.1"])
    )
    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])


def test_what_does_not_fit_is_asked_for_again_in_a_stream() -> None:
    query, found = ask("a.example"), [f"192.0.2.{number}" for number in range(60)]
    question = parse_question(query.to_wire())
    short = dns.message.from_wire(answer(question, Code.FOUND, found))
    assert (bool(short.flags & dns.flags.TC), short.answer) == (True, [])
    whole = dns.message.from_wire(answer(question, Code.FOUND, found, room=LONGEST))
    assert (bool(whole.flags & dns.flags.TC), len(whole.answer[0])) == (False, 60)
    question = parse_question(ask("a.example", room=4096).to_wire())
    assert len(dns.message.from_wire(answer(question, Code.FOUND, found)).answer[0]) == 60


def test_whoever_understands_it_is_told_why_a_name_is_refused() -> None:
    for room, expected in ((None, []), (1232, ["in no list"])):
        question = parse_question(ask("a.example", room=room).to_wire())
        reply = dns.message.from_wire(answer(question, Code.NO_SUCH_NAME, why="in no list"))
        assert reply.rcode() == dns.rcode.NXDOMAIN
        told = [option.text for option in reply.options if isinstance(option, dns.edns.EDEOption)]
        assert told == expected


@given(st.binary(max_size=80))
def test_no_message_is_too_strange(data: bytes) -> None:
    reply = reply_to(data)
    assert reply is None or dns.message.from_wire(reply, question_only=True).id == int.from_bytes(data[:2])


def reply_to(data: bytes) -> bytes | None:
    try:
        return answer(parse_question(data), Code.FAILED)
    except BadQuestionError as error:
        return error.reply


@given(names, st.data())
def test_a_message_that_was_cut_off_is_none(name: str, data: st.DataObject) -> None:
    wire = ask(name, room=1232).to_wire()
    cut = data.draw(st.integers(0, len(wire) - 1))
    with pytest.raises(BadQuestionError) as caught:
        parse_question(wire[:cut])
    assert (caught.value.reply is None) == (cut < 12)


@given(names, st.binary(max_size=6), st.data())
def test_what_we_understand_others_understand_as_well(name: str, noise: bytes, data: st.DataObject) -> None:
    """Where both read a question, it is the same one."""
    wire = bytearray(ask(name, room=1232).to_wire())
    place = data.draw(st.integers(0, len(wire)))
    wire[place : place + len(noise)] = noise
    try:
        ours, theirs = parse_question(bytes(wire)), dns.message.from_wire(bytes(wire), ignore_trailing=True)
    except (BadQuestionError, dns.exception.DNSException):
        return
    if ours.name:
        assert [dns.name.from_text(ours.name)] == [one.name for one in theirs.question]
        assert ours.kind == theirs.question[0].rdtype


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (struct.pack(">6H", 7, 0, 0, 0, 0, 0), Code.MALFORMED),
        (struct.pack(">6H", 7, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", Code.MALFORMED),
        (struct.pack(">6H", 7, 0, 1, 0, 0, 0) + b"\1a\0\0\1\0\3", Code.MALFORMED),
        (struct.pack(">6H", 7, 0x2800, 1, 0, 0, 0) + b"\1a\0\0\1\0\1", Code.NOT_IMPLEMENTED),
    ],
    ids=["no question", "a name that refers to itself", "another network", "an update"],
)
def test_what_is_no_question_is_answered_so(data: bytes, code: Code) -> None:
    with pytest.raises(BadQuestionError) as caught:
        parse_question(data)
    assert caught.value.reply is not None
    assert dns.message.from_wire(caught.value.reply).rcode() == code


@pytest.mark.parametrize("data", [b"", b"short", struct.pack(">6H", 7, 0x8000, 1, 0, 0, 0)])
def test_answers_and_noise_are_not_answered(data: bytes) -> None:
    with pytest.raises(BadQuestionError) as caught:
        parse_question(data)
    assert caught.value.reply is None


@pytest.mark.parametrize("label", [b"a.b", b"a b", b"\xff", b"a\0"])
def test_a_name_that_no_host_can_have_is_none(label: bytes) -> None:
    text = bytes([len(label)]) + label + b"\0\0\1\0\1"
    assert parse_question(struct.pack(">6H", 7, 0, 1, 0, 0, 0) + text).name == ""


# What the name server tells


class Names:
    """A name server with names that lead where we say."""

    def __init__(self, **policy: Any) -> None:
        self.rules = Rules(Policy(**policy))
        self.asked: list[str] = []
        self.told = ToldNames()
        self.opened: list[str] = []
        self.leads: dict[str, list[str]] = {
            "a.example": ["192.0.2.1", "192.0.2.1", "2001:db8::1"],
            "mixed.example": ["127.0.0.1", "192.0.2.2"],
            "loop.example": ["127.0.0.1", "169.254.169.254", "::1"],
            "six.example": ["2001:db8::1"],
            "many.example": [f"192.0.2.{number}" for number in range(60)],
        }

    async def resolve(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        if host == "down.example":
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        if host.lower() not in self.leads:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return self.leads[host.lower()]

    def ask(self, name: str, kind: str = "A") -> tuple[str, list[str]]:
        """Return the code and the addresses of the answer."""
        told = asyncio.run(self._answer(ask(name, kind, 1232).to_wire()))
        assert told is not None
        reply = dns.message.from_wire(told)
        return dns.rcode.to_text(reply.rcode()), [str(record) for rrset in reply.answer for record in rrset]

    async def _answer(self, data: bytes) -> bytes | None:
        resolver = Resolver(lambda: self.rules, self.told, self.resolve, on_told=self.opened.extend)
        return await resolver.answer(data)

    def known(self, found: Iterable[str]) -> list[tuple[str, ...]]:
        return [self.told.destination(address).names for address in found]


def test_a_name_is_told_and_remembered() -> None:
    server = Names()
    assert server.ask("A.Example") == ("NOERROR", ["192.0.2.1"])
    assert server.known(["192.0.2.1", "192.0.2.2"]) == [("a.example",), ()]
    assert server.opened == ["192.0.2.1"]
    assert server.ask("nowhere.example") == ("NXDOMAIN", [])
    assert server.ask("down.example") == ("SERVFAIL", [])


def test_version_6_is_told_to_be_absent() -> None:
    server = Names()
    assert server.ask("a.example", "AAAA") == ("NOERROR", [])
    assert server.ask("six.example") == ("NOERROR", [])
    assert server.ask("nowhere.example", "AAAA") == ("NXDOMAIN", [])
    assert server.ask("a.example", "HTTPS") == ("NOERROR", [])
    assert server.ask("a.example", "SRV") == ("NOTIMP", [])


def test_what_may_not_be_reached_is_not_told() -> None:
    server = Names()
    assert server.ask("loop.example") == ("NXDOMAIN", [])
    assert server.ask("mixed.example") == ("NOERROR", ["192.0.2.2"])
    assert server.known(["127.0.0.1"]) == [()]
    assert len(server.ask("many.example")[1]) == MOST_ADDRESSES


def test_names_in_no_list_are_not_looked_up() -> None:
    server = Names(domains=("*.a.example",))
    assert server.ask("a.example") == ("NXDOMAIN", [])
    assert server.ask("x.a.example") == ("NXDOMAIN", [])
    assert server.asked == ["x.a.example"]
    server.rules = Rules(Policy(block_all=True))
    assert server.ask("x.a.example") == ("NXDOMAIN", [])
    assert server.asked == ["x.a.example"]


def test_networks_hold_for_what_names_lead_to() -> None:
    server = Names(networks=("192.0.2.2/32",))
    assert server.ask("a.example") == ("NXDOMAIN", [])
    assert server.ask("mixed.example") == ("NOERROR", ["192.0.2.2"])


def test_a_policy_that_changed_during_a_lookup_holds_for_its_answer() -> None:
    server = Names()

    async def resolve(_host: str, _port: int) -> list[str]:
        server.rules = Rules(Policy(domains=("b.example",)))
        return ["192.0.2.1"]

    server.resolve = resolve  # type: ignore[method-assign]  # the rules change while it looks
    assert server.ask("a.example") == ("NXDOMAIN", [])


def test_names_are_looked_up_as_this_machine_does() -> None:
    assert asyncio.run(resolve_name("192.0.2.1", 0)) == ["192.0.2.1"]
    assert "127.0.0.1" in asyncio.run(resolve_name("localhost", 0))
    with pytest.raises(socket.gaierror, match="no host can have"):
        asyncio.run(resolve_name("a..example", 0))
