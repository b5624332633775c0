"""The comparison with programs of others: conversions, filters, the table, and what happens without the programs."""

import sys
import venv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from holly_triton.core.errors import HollyError
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.localisations import KIND, localisations
from holly_triton.harness.frames_peers import __main__ as command
from holly_triton.harness.frames_peers import environments, methods
from holly_triton.harness.frames_peers.compare import as_it_comes, compared
from holly_triton.harness.frames_peers.config import Condition
from holly_triton.harness.frames_peers.conversions import from_ours, from_picasso, from_smappy, moved
from holly_triton.harness.frames_peers.environments import UnavailableError, call, interpreter
from holly_triton.harness.frames_peers.methods import Method
from holly_triton.harness.frames_peers.movies import Clip, simulated
from holly_triton.harness.frames_peers.records import read_rows, write_rows
from holly_triton.harness.frames_peers.report import write_report
from holly_triton.harness.frames_peers.scoring import Found, Quality, best_limits

# A peer whose clock and positions are known: it finds the truth that lies beside the frames, 10 nm too far along x, and
# as many again elsewhere, which it marks as bad. z has the sign that the job asks for.
PEER = """
import json, sys
import numpy as np
job = json.load(open(sys.argv[1]))
if job.get("broken"):
    sys.exit("no licence")
runs = []
for run in job["runs"]:
    frame, x, y, z = np.load(run["frames"])
    good = np.repeat([1.0, 0.0], len(x))
    columns = dict(frame=np.tile(frame, 2), x=np.concatenate([x, x[::-1] + 600]) + 10, y=np.tile(y, 2), good=good)
    np.savez(run["out"], z=np.tile(z, 2) * job["sign"], **columns)
    runs.append({"seconds": 0.5, "frames": 20, "limits": {}})
json.dump({"version": "7.1", "runs": runs}, open(job["report"], "w"))
"""


def table_of(columns: Any, pixel_nm: float) -> Any:
    del pixel_nm
    table = localisations(len(columns["x"]))
    for name, values in columns.items():
        if name in (KIND.names or ()):
            table[name] = values
    return table


def clip(folder: Path, seed: int, condition: Condition) -> Clip:
    rng = np.random.default_rng(seed)
    truth = localisations(120)
    truth["frame"] = np.sort(rng.integers(1, 21, 120))
    for axis, (low, high) in {"x": (500, 5000), "y": (500, 5900), "z": (-600, 600)}.items():
        truth[axis] = rng.uniform(low, high, 120)
    path = folder / f"frames{seed}.npy"
    np.save(path, np.stack([truth[name] for name in ("frame", "x", "y", "z")]))
    return Clip(condition, path, truth, Scoring(resamplings=0))


def peer(folder: Path, **job: Any) -> Method:
    script = folder / "peer.py"
    script.write_text(PEER)
    return Method("peer", (sys.executable, str(script)), table_of, (Quality("good", True),), {"sign": 1.0, **job})


def test_smappy_counts_from_the_centre_of_the_first_pixel_and_z_downwards() -> None:
    columns = {name: np.array([1.0, 2.0]) for name in ("x_err_nm", "y_err_nm", "z_err_nm", "photons", "background")}
    columns |= {"frame": np.array([0, 4]), "x_nm": np.array([0.0, 150.0]), "y_nm": np.array([100.0, 0.0])}
    table = from_smappy({**columns, "z_nm": np.array([-200.0, 30.0])}, 100)
    rows = [[row[name] for name in ("frame", "x", "y", "z", "sigma_z")] for row in table]
    assert rows == [[1, 50, 150, 200, 1], [5, 200, 50, -30, 2]]


def test_picasso_counts_from_the_centre_of_the_first_pixel_and_z_downwards() -> None:
    columns = {name: np.array([0.5]) for name in ("lpx", "lpy", "photons", "bg")}
    columns |= {"frame": np.array([0]), "x": np.array([0.0]), "y": np.array([2.5]), "z": np.array([-70.0])}
    row = from_picasso(columns, 130)[0]
    assert [row[name] for name in ("frame", "x", "y", "z", "sigma_x")] == [1, 65, 390, 70, 65]
    assert np.isnan(row["sigma_z"]) and from_picasso({**columns, "lpz": np.array([9.0])}, 130)["sigma_z"] == 9


def test_ours_stay_as_they_are_and_an_offset_is_taken_off() -> None:
    table = localisations(2)
    table["x"], table["z"] = [5, 6], [7, 8]
    same = from_ours({name: table[name] for name in KIND.names or ()}, 100)
    assert same.tobytes() == table.tobytes()
    shifted = moved(table, np.array([1.0, 2.0, -3.0]))
    assert shifted["x"].tolist() == [4, 5] and shifted["z"].tolist() == [10, 11] and table["x"].tolist() == [5, 6]


def test_a_filter_passes_what_is_good_and_nothing_unknown() -> None:
    values = {"a": np.array([1.0, 2.0, np.nan, 4.0])}
    assert Quality("a", True).passes(values, 2).tolist() == [False, True, False, True]
    assert Quality("a", False).passes(values, 2).tolist() == [True, True, False, False]
    assert Quality("a", False).passes(values, None).all()
    none, *limits = Quality("a", False).limits(np.arange(101.0))
    assert none is None and limits[0] > 80 and limits[-1] < 20 and limits == sorted(limits, reverse=True)


def test_the_best_filter_keeps_at_least_half(tmp_path: Path) -> None:
    one = clip(tmp_path, 0, Condition(5000, 50, 6))
    wrong = moved(one.truth, np.array([0, 0, 450.0]))  # so far off that an empty table would score more
    columns = {"good": np.linspace(0, 1, len(wrong))}
    (limit,) = best_limits(Found(wrong, columns, {}, 1, 20), one, (Quality("good", True),))
    assert limit is None or (columns["good"] >= limit).mean() >= 0.5


def test_a_program_is_aligned_tuned_and_scored(tmp_path: Path) -> None:
    conditions = [Condition(5000, 50, count) for count in (6, 7)]
    tuning, measuring = ([clip(tmp_path, seed + i, c) for i, c in enumerate(conditions)] for seed in (1, 11))
    rows = compared(peer(tmp_path), tmp_path / "runs", tuning, measuring, "test")
    assert [(row.emitters, row.filtered) for row in rows] == [(6, False), (6, True), (7, False), (7, True)]
    for raw, filtered in (rows[:2], rows[2:]):
        assert 0.4 < raw.jaccard < 0.7 and filtered.jaccard == 1 and filtered.rmse_lateral < 1e-6
        assert raw.frames_per_second == 40 and raw.version == "7.1" and raw.offset_nm == "+10.0 +0.0 +0.0"
        assert "good" in filtered.options and raw.options == ""


def test_a_program_that_counts_z_otherwise_is_refused(tmp_path: Path) -> None:
    clips = [clip(tmp_path, 1, Condition(5000, 50, 6))]
    with pytest.raises(HollyError, match="peer 7.1"):
        compared(peer(tmp_path, sign=-1.0), tmp_path / "runs", clips, clips, "test")


def test_default_limits_are_applied_to_what_comes_without() -> None:
    found = Found(localisations(3), {"good": np.array([0.1, 0.5, 0.9])}, {"good": 0.4}, 1.0, 1)
    method = Method("a", (), table_of, (Quality("good", True),), {})
    assert len(as_it_comes(method, found)) == 2 and len(as_it_comes(method, found._replace(limits={}))) == 3


def test_the_table_is_written_and_generated_again_from_its_raw_rows(tmp_path: Path) -> None:
    clips = [clip(tmp_path, 1, Condition(5000, 50, 6))]
    method = peer(tmp_path)
    rows = compared(method, tmp_path / "runs", clips, clips, "test positions")
    write_rows(tmp_path / "peers.csv", rows)
    again = read_rows(tmp_path / "peers.csv")
    assert [row.filtered for row in again] == [False, True] and again[0].frames == rows[0].frames
    assert again[0].jaccard == pytest.approx(rows[0].jaccard, rel=1e-4)
    text = write_report(again, ["other was left out: no network"])
    (line,) = [line for line in text.splitlines() if line.startswith("| 5000, 50")]
    assert line.split(" | ")[2] == "peer" and line.split(" | ")[8] == "1.00" and line.endswith("| 40 |")
    for said in ("peer 7.1", "test positions", "other was left out", "peer +10.0 +0.0 +0.0"):
        assert said in text


def test_a_program_that_fails_gives_the_reason(tmp_path: Path) -> None:
    clips = [clip(tmp_path, 1, Condition(5000, 50, 6))]
    with pytest.raises(UnavailableError, match="no licence"):
        compared(peer(tmp_path, broken=True), tmp_path / "runs", clips, clips, "test")
    with pytest.raises(UnavailableError):
        call([tmp_path / "nothing"])


def test_an_environment_is_made_once_and_a_failed_installation_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def create(folder: Path, *, with_pip: bool) -> None:  # a real one takes seconds
        python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        made.append(folder)

    def install(command: list[Any], limit_s: float) -> None:
        raise UnavailableError(f"no {command[-1]} here")

    monkeypatch.setattr(venv, "create", create)
    monkeypatch.setattr(environments, "call", install)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="no nowhere-at-all here"):
            interpreter(tmp_path / "environment", "nowhere-at-all", [["nowhere-at-all"]])
        assert interpreter(tmp_path / "environment", "pip", []).is_file()
    assert made == [tmp_path / "environment"]


def test_programs_that_are_missing_are_left_out_and_the_others_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: object) -> Path:
        raise UnavailableError("no network here")

    clips = [clip(tmp_path, 1, Condition(5000, 50, 6))]
    monkeypatch.setattr(methods, "interpreter", missing)
    monkeypatch.setattr(methods, "ours", lambda *arguments: replace(peer(tmp_path), name="frames fit"))
    monkeypatch.setattr(command, "clips_of", lambda *arguments: clips)
    monkeypatch.setattr(command, "bead_stack", lambda path, seed: None)
    out = tmp_path / "reports"
    assert command.main(["--reports", str(out)]) == 0
    rows = read_rows(out / "peers.csv")
    assert [row.program for row in rows] == ["frames fit"] * 2 and rows[1].jaccard == 1
    text = (out / "peers.md").read_text()
    assert (
        text.count("no network here") == 2
        and "frames localise" not in text.split("tuned for which")[0].split("|", 1)[1]
    )
    # Those of an earlier run are kept where that is asked for.
    assert command.main(["--reports", str(out), "--programs", "smappy", "--add"]) == 0
    assert read_rows(out / "peers.csv") == rows
    assert command.main(["--reports", str(out), "--programs", "smappy"]) == 1


def test_the_simulated_frames_are_of_their_condition(tmp_path: Path) -> None:
    positions = tmp_path / "positions.csv"
    places = np.random.default_rng(0).uniform((100, 100, -600), (6300, 6300, 600), (400, 3))
    lines = [f"{i},1,{x},{y},{z},100" for i, (x, y, z) in enumerate(places)]
    positions.write_text("\n".join(["Ground-truth,frame,xnano,ynano,znano,intensity", *lines]))
    made = simulated(tmp_path / "movie", Condition(1000, 10, 5), 60, positions, seed=3)
    adu = tifffile.memmap(made.frames, mode="r")  # as Picasso needs it
    assert adu.shape == (12, 64, 64) and np.median(adu) == pytest.approx(10, abs=2)
    assert 30 < len(made.truth) < 90 and made.truth["photons"].mean() == pytest.approx(1000, rel=0.03)
    nearest = np.abs(made.truth["x"][:, None] - places[:, 0]).min(axis=1)
    assert nearest.max() < 0.01


@pytest.mark.parametrize("script", ["run_smappy.py", "run_picasso.py"])
def test_scripts_for_others_import_nothing_of_ours(script: str) -> None:
    source = (Path(methods.__file__).parent / script).read_text(encoding="utf-8")
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports and not [line for line in imports if "holly_triton" in line or " ." in line]
