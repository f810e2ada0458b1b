"""Decoding: answers of every platform version since v0.190, whole, with gaps, and with surprises (R-52)."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from daytona.models import Model, decoder, encode
from daytona.models.charts import BarChart, Chart, CompositeChart, LineChart, parse_chart, parse_charts
from daytona.models.enums import SandboxState, SnapshotState
from daytona.models.process import CodeRunReply, ExecuteReply, Session
from daytona.models.sandbox import CreateSandbox, SandboxData, SandboxView
from daytona.models.secret import CreateSecret
from daytona.models.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"
IDENTITY = {"id", "cmdId", "sessionId", "hash", "name", "label", "volumeId", "mountPath", "start", "end"}
IDENTITY |= {"line", "character"}  # half a position is none


def _corpus() -> Iterator[object]:
    for file in sorted(PAYLOADS.glob("*.json")):
        for name, payloads in json.loads(file.read_bytes()).items():
            module, _, kind = name.partition(":")
            for number, payload in enumerate(payloads):
                yield pytest.param(
                    getattr(importlib.import_module(module), kind), payload, id=f"{file.stem}-{kind}-{number}"
                )


def _paths(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        if isinstance(value, dict):
            yield (*path, key)
        yield from _paths(child, (*path, key))


def _at(value: object, path: tuple[object, ...]) -> object:
    for key in path:
        value = value[key]  # type: ignore[index]
    return value


@pytest.mark.parametrize(("kind", "payload"), list(_corpus()))
def test_payload_survives_a_round_trip(kind: type[Model], payload: object) -> None:
    value = decoder(kind).decode(encode(payload))
    assert decoder(kind).decode(encode(value)) == value
    assert decoder(kind).decode(value.to_json()) == value


@pytest.mark.parametrize(("kind", "payload"), list(_corpus()))
def test_any_field_but_identity_may_be_absent_or_null(kind: type[Model], payload: object) -> None:
    for path in _paths(payload):
        if path[-1] in IDENTITY:
            continue
        gap = copy.deepcopy(payload)
        del _at(gap, path[:-1])[path[-1]]  # type: ignore[attr-defined]
        without = decoder(kind).decode(encode(gap))
        _at(gap, path[:-1])[path[-1]] = None  # type: ignore[index]
        if not {"documentation", "charts"} & set(path[:-1]):  # kept as they come
            assert decoder(kind).decode(encode(gap)) == without


@pytest.mark.parametrize(("kind", "payload"), list(_corpus()))
def test_unknown_fields_are_ignored(kind: type[Model], payload: object) -> None:
    more = copy.deepcopy(payload)
    for path in [(), *_paths(payload)]:
        place = _at(more, path)
        if isinstance(place, dict) and not {"env", "envs", "labels", "documentation", "status"} & set(path):
            place["brandNew"] = {"a": [1]}
    assert decoder(kind).decode(encode(more)) == decoder(kind).decode(encode(payload))


def test_whole_numbers_may_have_a_point() -> None:
    data = decoder(SandboxData).decode(b'{"id": "a", "cpu": 2.0, "autoStopInterval": 15}')
    assert (data.cpu, type(data.cpu), data.auto_stop_interval) == (2, int, 15)


@pytest.mark.parametrize(
    "text", [b'{"id": "a", "cpu": "2"}', b'{"id": 1}', b'{"id": "a", "cpu": 2.5}', b"{}"]
)
def test_what_does_not_fit_is_an_error(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoder(SandboxData).decode(text)


def test_null_maps_are_empty() -> None:
    data = decoder(SandboxData).decode(b'{"id": "a", "labels": null, "env": null, "spot": null}')
    assert (data.labels, data.env, data.spot) == ({}, {}, False)


def test_null_lists_are_empty() -> None:
    assert decoder(Session).decode(b'{"sessionId": "s", "commands": null}').commands == []


def test_charts_are_read_from_the_artifacts_of_code() -> None:
    reply = decoder(CodeRunReply).decode(b'{"exitCode": 0.0, "artifacts": {"charts": [{"type": "bar"}]}}')
    assert reply.exit_code == 0
    assert reply.artifacts is not None
    assert [type(chart) for chart in parse_charts(reply.artifacts.charts)] == [BarChart]


def test_timestamps_have_up_to_nine_digits() -> None:
    snapshot = decoder(Snapshot).decode(b'{"id": "s", "createdAt": "2026-03-01T10:00:00.123456789Z"}')
    assert snapshot.created_at == datetime(2026, 3, 1, 10, 0, 0, 123457, tzinfo=UTC)


def test_unknown_word_is_kept() -> None:
    data = decoder(SandboxData).decode(b'{"id": "a", "state": "hibernating", "gpuType": "Z9"}')
    assert data.state == "hibernating"
    assert data.state == SandboxState("hibernating")
    assert hash(data.state) == hash("hibernating")
    assert str(data.state) == "hibernating"
    assert json.loads(encode(data))["state"] == "hibernating"
    assert pickle.loads(pickle.dumps(data)) == data
    assert copy.deepcopy(data) == data


def test_known_word_is_the_member() -> None:
    data = decoder(SandboxData).decode(b'{"id": "a", "state": "started"}')
    assert data.state is SandboxState.STARTED
    words: dict[str, int] = {SandboxState.STARTED: 1}
    assert words["started"] == 1
    assert pickle.loads(pickle.dumps(data.state)) is SandboxState.STARTED


def test_a_word_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="3 is not a valid"):
        SnapshotState(3)


def test_decoders_are_made_once() -> None:
    assert decoder(SandboxData) is decoder(SandboxData)
    assert decoder(list[SandboxData]).decode(b'[{"id": "a"}]') == [SandboxData(id="a")]


def test_request_leaves_out_none_and_keeps_what_is_empty() -> None:
    request = CreateSandbox(env={}, labels={"a": ""}, volumes=[], name="", public=False, cpu=0)
    assert json.loads(encode(request)) == {
        "env": {},
        "labels": {"a": ""},
        "volumes": [],
        "name": "",
        "public": False,
        "cpu": 0,
    }


def test_secrets_are_not_shown() -> None:
    assert "hunter2" not in repr(CreateSecret(name="n", value="hunter2"))


def test_plain_data_in_both_spellings() -> None:
    data = decoder(SandboxData).decode(
        b'{"id": "a", "state": "started", "volumes": [{"volumeId": "v", "mountPath": "/"}]}'
    )
    assert data.to_dict()["volumes"] == [{"volumeId": "v", "mountPath": "/"}]
    assert data.model_dump()["volumes"] == [{"volume_id": "v", "mount_path": "/", "subpath": None}]
    assert json.loads(data.to_json()) == data.to_dict()
    assert data.model_dump()["state"] is SandboxState.STARTED
    assert json.loads(data.model_dump_json())["organization_id"] == ""


# -- Charts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("line", "LineChart"),
        ("scatter", "ScatterChart"),
        ("bar", "BarChart"),
        ("pie", "PieChart"),
        ("box_and_whisker", "BoxAndWhiskerChart"),
        ("composite_chart", "CompositeChart"),
        ("hologram", "Chart"),
        (None, "Chart"),
    ],
)
def test_type_chooses_the_class_of_a_chart(type_: str | None, name: str) -> None:
    chart = parse_chart(encode({"type": type_, "title": "t"}))
    assert (type(chart).__name__, chart.type, chart.title) == (name, type_, "t")


def test_chart_shows_itself() -> None:
    assert parse_chart(b'{"type": "line", "png": "aGk="}')._repr_png_() == b"hi"
    assert Chart()._repr_png_() is None


def test_bars_may_have_numbers() -> None:
    chart = parse_chart(b'{"type": "bar", "elements": [{"label": "a", "value": 3}, {"value": "4"}]}')
    assert [element.value for element in chart.elements] == [3, 4]


def test_parts_of_a_composite_chart_keep_their_numbers() -> None:
    part = {"type": "line", "title": "p", "elements": [{"points": [[1, 2]]}]}
    chart = parse_chart(encode({"type": "composite_chart", "elements": [part]}))
    assert isinstance(chart, CompositeChart)
    assert chart.elements[0].title == "p"
    assert chart.elements[0].elements[0].points == [[1, 2]]


def test_odd_numbers_do_not_cost_the_picture() -> None:
    chart = parse_chart(b'{"type": "line", "title": "t", "png": "aGk=", "x_ticks": ["Monday"]}')
    assert (type(chart), chart.type, chart.title, chart.png) == (Chart, "line", "t", "aGk=")


def test_what_is_no_chart_is_left_out() -> None:
    assert [type(chart) for chart in parse_charts([None, {"type": "line"}, 3])] == [LineChart]


# -- Sandbox views ------------------------------------------------------------------------------------------------


class _Handle(SandboxView):
    def __init__(self, data: SandboxData) -> None:
        self._data = data


def test_view_has_the_attributes_of_the_data() -> None:
    view = _Handle(SandboxData(id="a", cpu=2))
    for name in SandboxData.__struct_fields__:
        assert getattr(view, name) == getattr(view._data, name)
        assert name in SandboxView.__annotations__
    assert view.to_dict()["id"] == view.model_dump()["id"] == json.loads(view.to_json())["id"] == "a"


def test_view_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match="'_Handle' object has no attribute 'nope'"):
        getattr(_Handle(SandboxData(id="a")), "nope")  # noqa: B009  # the access is the test


def test_half_made_view_raises_attribute_errors() -> None:
    with pytest.raises(AttributeError):
        getattr(_Handle.__new__(_Handle), "id")  # noqa: B009  # the access is the test


def test_new_data_does_not_take_away_what_answers_leave_out() -> None:
    view = _Handle(SandboxData(id="a", toolbox_proxy_url="u", last_activity_at="t", error_reason="e"))
    view._replace(SandboxData(id="a", state=SandboxState.STOPPED))
    assert (view.toolbox_proxy_url, view.last_activity_at) == ("u", "t")
    assert (view.state, view.error_reason) == ("stopped", None)
    view._change(public=True)
    assert view.public


def test_execute_reply_of_an_old_daemon() -> None:
    assert decoder(ExecuteReply).decode(b'{"code": 1, "result": "x"}').code == 1
