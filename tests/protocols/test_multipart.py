"""multipart/form-data: round trips, whatever is inside and however it arrives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from daytona.protocols.multipart import (
    MAX_PART_HEAD,
    MultipartError,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    boundary_of,
    closing,
    disposition,
    parameters,
    part_head,
)

BOUNDARY = "b0"
Part = tuple[dict[str, str], bytes]


def read(boundary: str, pieces: list[bytes]) -> list[Part]:
    """Return the parts of a complete body."""
    reader = MultipartReader(boundary)
    parts: list[Part] = []
    for piece in [*(piece for piece in pieces if piece), b""]:
        for event in reader.receive(piece):
            match event:
                case PartBegin(headers):
                    parts.append((headers, b""))
                case PartData(data):
                    assert data
                    parts[-1] = (parts[-1][0], parts[-1][1] + data)
                case PartEnd():
                    parts[-1] = (parts[-1][0], bytes(parts[-1][1]))
    assert reader.complete
    return parts


def write(boundary: str, bodies: list[bytes]) -> bytes:
    parts = (part_head(boundary, [("Content-Disposition", "form-data")]) + body + b"\r\n" for body in bodies)
    return b"".join(parts) + closing(boundary)


def cut(wire: bytes, places: set[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(wire) + 1) for place in places), len(wire)]
    return [wire[a:b] for a, b in itertools.pairwise(edges)]


# Payloads full of what the reader looks for; a line of its own may begin like the boundary but must not be one.
crumbs = st.sampled_from(
    [b"\r", b"\n", b"-", b"--", b"\r\n", b"\r\n-", b"\r\n--", b"\r\n--b", b"--b0", b"\r\n\r\n", b"b0", b"x"]
)
tricky = (
    st.lists(crumbs, max_size=8)
    .map(b"".join)
    .filter(lambda body: b"\r\n--b0" not in b"\r\n" + body + b"\r\n")
)
payloads = st.one_of(st.binary(max_size=60), tricky)
places = st.sets(st.integers(0, 10_000), max_size=10)


@given(st.lists(payloads, max_size=4), places)
def test_every_payload_comes_back_in_any_fragmentation(bodies: list[bytes], at: set[int]) -> None:
    parts = read(BOUNDARY, cut(write(BOUNDARY, bodies), at))
    assert [body for _, body in parts] == bodies


@given(st.lists(payloads, min_size=1, max_size=3))
def test_single_bytes_are_enough(bodies: list[bytes]) -> None:
    wire = write(BOUNDARY, bodies)
    assert [body for _, body in read(BOUNDARY, [wire[i : i + 1] for i in range(len(wire))])] == bodies


@pytest.mark.parametrize(
    "body",
    [
        b"--b0 text",
        b"text --b0 text",
        b"\r\n--b0 and more",
        b"\r\n--b0-x",
        b"\r\n--b00\r\n",
        b"\r\n--b1\r\n",
        b"\r\n\r\n--b",
        b"\r\n-",
        b"\r\n",
        b"\r",
        b"--b0-",
    ],
)
def test_the_boundary_inside_a_payload_is_payload(body: bytes) -> None:
    """A server's boundary is fixed, so a file may contain it: only a whole boundary line ends a part."""
    for pieces in (
        [write(BOUNDARY, [body, b"next"])],
        cut(write(BOUNDARY, [body, b"next"]), set(range(200))),
    ):
        assert [content for _, content in read(BOUNDARY, pieces)] == [body, b"next"]


@given(st.lists(payloads, min_size=1, max_size=3), st.integers(0, 10_000))
def test_a_body_that_breaks_off_is_an_error(bodies: list[bytes], at: int) -> None:
    wire = write(BOUNDARY, bodies)
    end = len(wire) - len("\r\n")  # the line end after the closing boundary may be missing
    reader = MultipartReader(BOUNDARY)
    reader.receive(wire[: 1 + at % (end - 1)])
    with pytest.raises(MultipartError, match="ended before"):
        reader.receive(b"")


def test_what_stands_around_the_parts_is_dropped() -> None:
    wire = b"preamble\r\n" + write(BOUNDARY, [b"x"]) + b"epilogue \r\n--b0\r\n"
    assert [body for _, body in read(BOUNDARY, cut(wire, set(range(200))))] == [b"x"]


def test_a_part_needs_no_headers_and_no_body() -> None:
    assert read(BOUNDARY, [b"--b0\r\n\r\n\r\n--b0--"]) == [({}, b"")]
    assert read(BOUNDARY, [b"--b0\r\n\r\nx\r\n--b0--"]) == [({}, b"x")]


def test_a_part_may_end_right_after_its_headers() -> None:
    """Go's writer leaves no empty line out, but readers of it have met a body without one."""
    assert read(BOUNDARY, [b"--b0\r\na: b\r\n\r\n--b0--"]) == [({"a": "b"}, b"")]


def test_headers_are_read_in_any_case() -> None:
    ((headers, _),) = read(BOUNDARY, [b"--b0\r\nCONTENT-Type:text/plain \r\nX:\r\n\r\ny\r\n--b0--\r\n"])
    assert headers == {"content-type": "text/plain", "x": ""}


def test_a_line_without_a_colon_is_refused() -> None:
    with pytest.raises(MultipartError, match="not a part's header"):
        read(BOUNDARY, [b"--b0\r\nnonsense\r\n\r\nx\r\n--b0--"])


def test_an_endless_part_head_is_refused() -> None:
    reader = MultipartReader(BOUNDARY)
    reader.receive(b"--b0\r\n")
    for _ in range(MAX_PART_HEAD - 2):
        reader.receive(b"x")
    with pytest.raises(MultipartError, match="larger"):
        reader.receive(b"xxx")


@given(st.binary(max_size=80), st.lists(st.binary(max_size=20), max_size=4))
def test_no_bytes_raise_anything_but_a_multipart_error(start: bytes, more: list[bytes]) -> None:
    reader = MultipartReader(BOUNDARY)
    try:
        for piece in (b"--b0", start, *more, b""):
            reader.receive(piece)
    except MultipartError:
        pass


def test_a_large_payload_is_given_out_as_it_comes() -> None:
    reader = MultipartReader(BOUNDARY)
    reader.receive(b"--b0\r\n\r\n")
    held = 0
    for _ in range(100):
        held += 1000 - sum(
            len(event.data) for event in reader.receive(b"\r\n--b" * 200) if isinstance(event, PartData)
        )
    assert held < len("\r\n--b0\r\n")


# -- Names --------------------------------------------------------------------------------------------------------

file_names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1, max_size=20
)


@given(file_names)
def test_a_file_name_comes_back_exactly(name: str) -> None:
    wire = (
        part_head(BOUNDARY, [("Content-Disposition", disposition("file", name))])
        + b"\r\n"
        + closing(BOUNDARY)
    )
    (begin, _) = MultipartReader(BOUNDARY).receive(wire)
    assert isinstance(begin, PartBegin)
    assert (begin.name, begin.filename) == ("file", name)


def begin(value: str) -> PartBegin:
    return PartBegin({"content-disposition": value})


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('form-data; name="f"', None),
        ('form-data; filename="a b.txt"', "a b.txt"),
        ("form-data; filename=plain.txt", "plain.txt"),
        (r'form-data; filename="a\"b\\c"', 'a"b\\c'),
        ('form-data; filename="a;b=c"', "a;b=c"),
        ('form-data; filename="caf\xe9"', "caf\xe9"),
        ("form-data; filename*=utf-8''caf%C3%A9", "caf\xe9"),
        ("form-data; filename*=UTF-8'en'%E2%82%AC%20rates", "\u20ac rates"),
        ("form-data; filename=\"_\"; filename*=utf-8''%F0%9F%98%80", "\U0001f600"),
        ("form-data; filename*=utf-8''%F0%9F%98%80; filename=\"_\"", "\U0001f600"),
        ('form-data; FileName="x"', "x"),
        ('form-data;filename="x"', "x"),
        ('form-data; filename = "x"', "x"),
        ('form-data; filename=""', ""),
    ],
)
def test_file_names_are_read(value: str, name: str | None) -> None:
    assert begin(value).filename == name


@pytest.mark.parametrize(
    "value", ["utf-8''%FF", "utf-8''%4", "utf-8''%zz", "iso-8859-1''caf%E9", "nothing", "utf-8'only-one-mark"]
)
def test_a_broken_extended_name_is_an_error(value: str) -> None:
    with pytest.raises(MultipartError, match="percent-encoded"):
        begin(f'form-data; filename="x"; filename*={value}').filename  # noqa: B018 - reading it is the test


def test_the_first_of_two_parameters_counts() -> None:
    assert parameters('x; name="a"; name="b"') == {"name": "a"}


@given(st.text(max_size=40))
def test_no_header_raises(value: str) -> None:
    parameters(value)


def test_the_boundary_is_found() -> None:
    assert boundary_of('multipart/form-data; boundary="a b"') == "a b"
    assert (
        boundary_of("Multipart/Form-Data; charset=x; boundary=DAYTONA-FILE-BOUNDARY")
        == "DAYTONA-FILE-BOUNDARY"
    )


@pytest.mark.parametrize(
    "value", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="]
)
def test_another_content_type_is_refused(value: str) -> None:
    with pytest.raises(MultipartError, match="multipart"):
        boundary_of(value)


def test_a_file_name_cannot_begin_another_header() -> None:
    assert "\r" not in disposition("f", "a\r\nX: y\0")
    assert begin(disposition("f", "a\r\nX")).filename == "a\r\nX"  # exactly, in the encoded form
