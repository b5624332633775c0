"""Tables in text by Arrow: the same numbers and the same errors as by NumPy."""

from pathlib import Path

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io import text_table

csv = pytest.importorskip("pyarrow.csv")
CELLS = (
    "1", "-2.5", "+3", "1e5", "1E-3", "-0", "1.", ".5", "0.1234567890123456789", "9007199254740993", "1e400", "1e-400",
    "5e-324", "2.2250738585072011e-308", "nan", "NaN", "-nan", "nan(1)", "inf", "-Infinity", "", "  ", "  4 ", "\t4",
    "1_0", "0x1", "1,5", "1d3", "abc", "NA", "null", "true", "1 2", "--1", "\u0661", "\u2212" "1", '"6"', '""', '"', "1e", "\0",
)  # fmt: skip
ROWS = ("1,2", "1,2,3,4", "", "   ", ",,", "#1,2,3", "\0", '"1","2","3"', '"1,2",3')


@pytest.fixture(autouse=True)
def however_short(monkeypatch):
    monkeypatch.setattr(text_table, "LEAST_FOR_ARROW", 0)


def outcome(path: Path) -> tuple[str, bytes]:
    """The error, or the bits of the numbers."""
    try:
        header = text_table.read_header(path)
        found = text_table.read_columns(path, header, [header.columns[2], header.columns[0]])
    except HollyError as error:
        return str(error), b""
    found = np.where(np.isnan(found), np.nan, found)  # of either sign
    return str(found.shape), found.tobytes()


def both(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text, encoding="utf-8", newline="")
    by_arrow = outcome(path)
    with monkeypatch.context() as patch:
        patch.setattr(text_table, "import_if_there", lambda module: None)
        assert by_arrow == outcome(path), repr(text)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_a_cell(tmp_path, monkeypatch, cell, delimiter):
    rows = [["x", "y", "z"], ["1.5", "2", "3"], ["4", "5", cell], ["6", cell, "7"], ["8", "9", "10"]]
    both(tmp_path / "t.csv", "\n".join(map(delimiter.join, rows)) + "\n", monkeypatch)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_a_row(tmp_path, monkeypatch, row, end):
    both(tmp_path / "t.csv", end.join(["x,y,z", "1,2,3", "", row, "4,5,6"]), monkeypatch)


def test_decimal_commas(tmp_path, monkeypatch):
    both(tmp_path / "t.csv", "x;y;z\n1,5;2;-3,25e2\n4.5;5;6,0\n;7;8\n", monkeypatch)


def test_arrow_reads_blocks_of_a_long_table(tmp_path, monkeypatch, seed):
    numbers = np.random.default_rng(seed).normal(scale=1e4, size=(3000, 3))
    text = "x,y,z\n" + "".join(f"{x!r},{y:.3f},{z:.17g}\n" for x, y, z in numbers.tolist())
    calls, read = [], csv.read_csv
    monkeypatch.setattr(csv, "read_csv", lambda *options: calls.append(1) or read(*options))
    monkeypatch.setattr(text_table, "BLOCK", 2**14)
    both(tmp_path / "t.csv", text, monkeypatch)
    assert len(calls) > 5
    assert outcome(tmp_path / "t.csv")[1] == numbers[:, [2, 0]].tobytes()
    broken = text.splitlines()
    broken[2500] = "1,2,three"
    both(tmp_path / "t.csv", "\n".join(broken), monkeypatch)
    assert "line 2501" in outcome(tmp_path / "t.csv")[0]
