"""Whole trainings beside those of another commit: what is compared, and the table."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.harness import trainings
from holly_triton.harness.steps import StepCase
from holly_triton.io.clouds import write_cloud
from holly_triton.io.metrics import Metrics, write_metrics
from holly_triton.io.units import UNIT_NM
from holly_triton.structures import read_structure, tetrahedron

SMALL = StepCase("demo", "tetrahedron", tetrahedron().tolist(), pictures=12, points=4)


def test_a_seed_is_measured_once_and_stands_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = _pretended(monkeypatch, lambda run, number: write_metrics(run, Metrics(loss_of_structure=40.0 + number)))
    report, particles = tmp_path / "trainings.md", tmp_path / "pore.mat"
    words = ["abc", str(tmp_path / "runs"), "--cases", "--data", str(particles), "--options", "--views random"]
    for _ in range(2):
        assert trainings.main([*words, "--seeds", "3", "--report", str(report)]) == 0
    assert [command[0] for command in commands] == [sys.executable, "another/python"]
    for command in commands:
        assert str(particles) in command and "--seed 3 " in " ".join(command) and "--views random" in " ".join(command)
    text = report.read_text()
    assert "## pore --views random" in text and "| 3 | 50 | 100 | 0.50 | 41 | 42 |" in text
    assert (
        trainings.main(["def", *words[1:], "--seeds", "3", "--report", str(report)]) == 0
    )  # another commit, other runs
    assert len(commands) == 4 and "| seed | s | s, def |" in report.read_text()
    assert trainings.main([*words[:4], str(particles), str(particles), "--report", str(report)]) == 1
    assert len(commands) == 4 and "named pore" in capsys.readouterr().err


def test_pictures_of_a_seed_are_the_same_and_of_another_others(tmp_path: Path) -> None:
    training = trainings.Training("demo", SMALL)
    tables = [
        (training.written(tmp_path / str(turn), seed) / "localisations.csv").read_text()
        for turn, seed in enumerate((0, 0, 1))
    ]
    assert tables[0] == tables[1] != tables[2]


def test_pictures_of_a_mesh_are_judged_by_it_and_this_commit_is_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mesh.xyz"
    path.write_text("0 0 0\n1 0 0\n0 1 0\n0 0 1\n1 1 0.5\n")
    mesh = read_structure(path, UNIT_NM)
    commands = _pretended(monkeypatch, lambda run, _: write_cloud(run / "cloud.ply", np.array(mesh.points)))
    report = tmp_path / "trainings.md"
    words = ["abc", str(tmp_path / "runs"), "--cases", "--mesh", str(path), "--seeds", "0", "--report", str(report)]
    assert trainings.main(words) == 0
    ours, other = commands
    assert "--quick" in ours and "--quick" not in other and "--points 5 " in " ".join([*other, ""])
    with mrcfile.open(ours[5], permissive=True) as file:
        assert file.data.shape == (2000, 64, 64)
    text = report.read_text()
    assert "## mesh, pictures" in text and "RMSD, nm" in text and "| 0 | 50 | 100 | 0.50 | " in text


def test_a_row_for_each_seed_and_medians() -> None:
    rows = [line.strip("| ").split(" | ") for line in trainings.table([_figures(seed) for seed in (0, 1, 2)])]
    assert rows[0] == ["seed", "s", "s, 0123456", "ratio", "RMSD, nm", "RMSD, nm, 0123456"]
    assert rows[2:5] == [["0", "10", "20", "0.50", "1.5", "2"], ["1", "11", "20", "0.55", "1.5", "2"], ["2", "12", "20", "0.60", "1.5", "2"]]  # fmt: skip
    assert rows[5] == ["median of 3 seeds", "11", "20", "0.55", "1.5", "2"]


def test_both_run_at_the_same_time_and_one_that_fails_is_named(tmp_path: Path) -> None:
    meet = "import pathlib, sys, time\npathlib.Path(sys.argv[1]).touch()\nwhile not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)"
    one, two = str(tmp_path / "1"), str(tmp_path / "2")
    python = (sys.executable, "-c")
    logs = tmp_path / "1.log", tmp_path / "2.log"
    seconds = trainings.together({logs[0]: [*python, meet, one, two], logs[1]: [*python, meet, two, one]})
    assert len(seconds) == 2 and min(seconds) > 0
    ends = [*python, "print('no such particles'); raise SystemExit(3)"]
    with pytest.raises(HollyError, match=r"2\.log: exit code 3; no such particles$"):
        trainings.together({logs[0]: [*python, "pass"], logs[1]: ends})


def _pretended(monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, int], None]) -> list[Sequence[str]]:
    """The commands that would be run, each of which writes its results into a folder, given its number from 1."""
    commands: list[Sequence[str]] = []

    def together(asked: Mapping[Path, Sequence[str]]) -> list[float]:
        for log, command in asked.items():
            commands.append(command)
            log.with_suffix("").mkdir()
            write(log.with_suffix(""), len(commands))
        return [50.0, 100.0]

    monkeypatch.setattr(trainings, "environment_of", lambda commit: nullcontext("another/python"))
    monkeypatch.setattr(trainings, "together", together)
    return commands


def _figures(seed: int) -> dict[str, Any]:
    return {
        "commit": "abc", "machine": "one", "other": "0123456789", "seed": seed, "figure": "RMSD, nm",
        "seconds": [10.0 + seed, 20.0], "found": [1.5, 2.0],
    }  # fmt: skip
