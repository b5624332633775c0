"""``metrics.json``: what is written reads back, old files are read, wrong ones are refused in one line."""

import dataclasses
import json
from pathlib import Path

import pytest

from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json
from holly_triton.io.metrics import SCHEMA, HeldOut, Metrics, read_metrics, write_metrics

HELD_OUT = HeldOut(100, 99, 31.0, 30.0, 0.155, 0.15, ["3", "17"])


def test_figures_read_back_as_they_were_written(tmp_path: Path) -> None:
    metrics = Metrics(finished=True, loss=30.0, notes=["a"], history=[{"step": 1}], held_out=HELD_OUT, other={"new": 1})
    write_metrics(tmp_path, metrics)
    assert read_metrics(tmp_path) == metrics
    table = json.loads((tmp_path / "metrics.json").read_text())
    assert table["schema_version"] == SCHEMA and table["new"] == 1
    assert table["held_out"]["names"] == ["3", "17"]
    # Every key is there, so that nobody's program meets a KeyError; null is what was not recorded.
    assert table.keys() == {field.name for field in dataclasses.fields(Metrics)} - {"other"} | {"new"}
    assert table["energy_wh"] is None and "energy_wh" not in metrics.recorded()


def test_a_file_from_before_there_was_a_schema_is_read(tmp_path: Path) -> None:
    old = {
        "finished": True,
        "seconds": 3,
        "loss": None,
        "points": 20,
        "symmetry": [{"name": "C8"}],
        "data": {"format": "x"},
    }
    (tmp_path / "metrics.json").write_text(json.dumps(old))
    metrics = read_metrics(tmp_path)
    assert (metrics.seconds, metrics.points, metrics.held_out, metrics.schema_version) == (3.0, 20, None, SCHEMA)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"schema_version": SCHEMA + 1}, f"schema {SCHEMA + 1}"),
        ({"schema_version": "2"}, "schema 2"),
        ({"points": 2.5}, "points is 2.5"),
        ({"points": True}, "points is True"),
        ({"finished": "yes"}, "finished is 'yes'"),
        ({"findings": [1]}, "findings is"),
        ({"history": {"step": 1}}, "history is"),
        ({"held_out": {"pictures": 3}}, "missing"),
        ({"held_out": {**dataclasses.asdict(HELD_OUT), "loss": "small"}}, "loss is 'small'"),
        ({"held_out": 3}, "held_out is 3"),
        ([], "no table"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, wrong: object, says: str) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(wrong))
    with pytest.raises(HollyError, match=says) as caught:
        read_metrics(tmp_path)
    assert "metrics.json" in str(caught.value) and "\n" not in str(caught.value)


def test_json_holds_no_nan() -> None:
    text = as_json({"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": (-float("inf"), 2)}, "e": "NaN"})
    assert json.loads(text) == {"a": None, "b": [1.5, None], "c": {"d": [None, 2]}, "e": "NaN"}
