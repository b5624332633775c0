"""The study on small tomograms of two decoys: it is carried out, kept, resumed, and reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.stop import Stop
from holly_triton.tomography.paper import averages, tomograms
from holly_triton.tomography.paper import reproduce as reproducing
from holly_triton.tomography.paper.config import CONDITIONS, REFERENCE, Condition, StudyScale
from holly_triton.tomography.paper.methods import Method, Picked, matching_method
from holly_triton.tomography.paper.reproduce import Study, reproduce
from holly_triton.tomography.paper.results import SETTINGS
from holly_triton.tomography.paper.store import Cell
from holly_triton.tomography.paper.tomograms import Specimen
from holly_triton.tomography.score.evaluate import evaluate
from holly_triton.tomography.structures import read_density

TINY = StudyScale(
    size_x=48, size_y=48, size_z=32, voxel_size=20, particles=3, step=10, first=1, validation=1, test=1, steps=2,
    network_width=4, deepfinder_width=4, deepfinder_batch=1, angle_deg=60, average_particles=8,
)  # fmt: skip


def study(folder: Path, **changes: object) -> Study:
    classes = [replace(read_density(name), symmetry="C36") for name in ("sphere", "disc")]
    made = Study(
        name="tiny", scale=TINY, methods=("network", "deepfinder", "matching"), seeds=1, structures=(), out=folder,
        device="cpu", conditions=(REFERENCE,), classes=classes,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Methods that find the truth but for one particle, in place of trainings and searches; what was asked of them."""
    asked: list[str] = []

    def picker(study: Study, cell: Cell, stop: Stop) -> tuple[Method, float]:
        def find(specimen: Specimen, condition: Condition) -> Picked:
            asked.append(f"{cell.method} {specimen.name}")
            found = replace(specimen.truth, scores=np.linspace(1, 0, len(specimen.truth)))
            return Picked(found, {"sphere": 0.1, "disc": 0.1})

        return find, 60.0

    monkeypatch.setattr(reproducing, "_picker", picker)
    monkeypatch.setattr(reproducing, "trained", lambda *given: None)
    return asked


def test_a_small_study_is_carried_out_kept_and_reported(tmp_path: Path, quick: list[str]) -> None:
    two = study(tmp_path, methods=("deepfinder", "matching"), conditions=CONDITIONS[:2])
    assert reproduce(two) == 0 and len(quick) == 4
    report = (tmp_path / "figures.md").read_text(encoding="utf-8")
    for words in ("paper's recipe", "oracle threshold", "sphere", "disc", "## Time", "0.909"):
        assert words in report
    rows = (tmp_path / "figures.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 2 * 3  # three arms in two conditions; two classes and all
    for name in ("figure7.png", "figure7_confusion.png", "figure8.png"):
        assert (tmp_path / name).stat().st_size > 5000
    assert (tmp_path / "runs" / ".gitignore").read_text() == "*\n"


def test_what_is_finished_is_not_repeated(tmp_path: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproducing, "report", lambda study, notes: study.out)
    one = study(tmp_path, methods=("matching",))
    assert reproduce(one) == reproduce(one) == 0 and len(quick) == 1
    assert reproduce(replace(one, seeds=2)) == 0 and len(quick) == 2


def test_conditions_differ_in_noise_and_wedge_and_not_in_particles(tmp_path: Path) -> None:
    bench = study(tmp_path).bench
    first, second = (next(bench.test(0, condition)) for condition in CONDITIONS[:2])
    np.testing.assert_array_equal(first.truth.positions, second.truth.positions)
    assert np.abs(first.values - second.values).max() > 0
    again = next(bench.test(0, CONDITIONS[0]))
    np.testing.assert_array_equal(first.values, again.values)
    assert next(bench.test(1, CONDITIONS[0])).truth.positions[0, 0] != first.truth.positions[0, 0]


def test_so_many_tomograms_are_averaged_that_the_boxes_lie_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (averages, tomograms):
        monkeypatch.setattr(module, "AVERAGED", "sphere")
    bench, size = study(tmp_path).bench, 14
    found = averages._specimens(bench, 0, size)
    held = [averages._inside(bench, specimen, specimen.truth, size) for specimen in found]
    assert sum(held[:-1]) < TINY.average_particles <= sum(held) and len(found) > 2


def test_matching_finds_the_decoys_that_were_simulated(tmp_path: Path) -> None:
    made = study(tmp_path)
    specimen = next(made.bench.test(0, REFERENCE))
    found = matching_method(made.bench.classes[:1], TINY, made.bench.device)(specimen, REFERENCE)
    spheres = specimen.truth.take(specimen.truth.labels == "sphere")
    assert evaluate(found.picks, spheres, SETTINGS).overall.counts.recall == 1
    assert found.thresholds["sphere"] > 3


def test_an_absent_peer_is_left_out_with_the_reason(tmp_path: Path) -> None:
    assert reproduce(study(tmp_path, methods=("pytme",), pytme=tmp_path / "pytme")) == 0
    report = (tmp_path / "figures.md").read_text(encoding="utf-8")
    assert "pytme was left out" in report


def test_absent_structures_are_named_in_one_line(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["tomo", "reproduce", "--structures", str(tmp_path), "--out", str(tmp_path / "out")])
    assert ran.exit_code == 1 and "4v4r.mrc" in ran.output and len(ran.output.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    ran = CliRunner().invoke(main, ["tomo", "reproduce", "--structures", str(tmp_path), "--methods", "guess"])
    assert ran.exit_code == 2
