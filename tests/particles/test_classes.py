"""Several structures in one data set: the division, the weights of particles, and the study from the command line."""

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.config import read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.io.clouds import write_cloud
from holly_triton.io.metrics import read_metrics, write_metrics
from holly_triton.particles.classes.score import preference, probabilities
from holly_triton.particles.classes.split import clusters
from holly_triton.particles.classes.state import ClassState
from holly_triton.particles.config import Config
from holly_triton.particles.run import training
from holly_triton.particles.run.assignment import Assignment, in_order, of_structure, read_assignment, write_assignment
from holly_triton.particles.run.classes import KIND, open_classification, structures_of
from holly_triton.particles.run.run import open_data
from holly_triton.report.classes import classes_headline, explain_absence, explain_preference
from holly_triton.validation.difference import find_difference

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

SITES = np.array([[0, 0, 0], [60, 0, 0], [0, 40, 0], [0, 0, 30], [60, 40, 10], [-20, 15, 45]], dtype=float)
OTHER = SITES.copy()
OTHER[1] = (60, -40, 0)
BRIEF = """
[spatial]
steps = 40
batch = 20
[spatial.search]
candidates = 200
few = 12
near = 8
[spatial.last]
candidates = 200
few = 20
near = 8
climbs = 2
rounds = 2
[classes]
steps = 36
"""
NOISE = ("--precision", 2, "--axial-precision", 5, "--max-spawn", 2, "--shift", 4, "--dimensions", 3)


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.stdout if "--json" in words else result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of 140 particles of two structures, of which 11 are held out."""
    folder = tmp_path_factory.mktemp("classes")
    write_cloud(folder / "sites.ply", SITES)
    write_cloud(folder / "other.ply", OTHER)
    (folder / "brief.toml").write_text(BRIEF)
    call(
        "simulate", folder / "sites.ply", folder / "data", "--also", folder / "other.ply", 0.4, "--images", 140, *NOISE
    )
    call(*study(folder, folder / "run"))
    return folder


def study(made: Path, out: Path, *words: object) -> list[object]:
    settings = ("--points", 8, "--config", made / "brief.toml", "--held-out", 0.08)
    return ["train", made / "data", "--out", out, "--structures", 2, *settings, *words]


def test_particles_are_assigned_to_the_structure_that_they_are_of(made: Path) -> None:
    figures = json.loads(call("evaluate", made / "run", "--json"))
    assert figures["particles"] == 140 and figures["share_right"] >= 0.95
    assert {one["truth"] for one in figures["structures"]} == {"truth-1.ply", "truth-2.ply"}
    assert all(one["rmsd"] < 6 for one in figures["structures"])
    found = read_metrics(made / "run").classes
    assert found is not None and found["shares"] == pytest.approx([0.6, 0.4], abs=0.06)
    assert found["sure"] > 0.9 and found["held_out"]["particles"] == 11
    assert found["held_out"]["log_likelihood"] > found["held_out"]["log_likelihood_single"]


def test_the_folder_holds_the_probabilities_and_a_run_of_each_structure(made: Path) -> None:
    run = made / "run"
    table = read_assignment(run / "structures.csv")
    assert len(table.names) == 140 and table.held_out.sum() == 11
    np.testing.assert_allclose(table.weight.sum(axis=1), 1, atol=1e-5)
    for number, count in enumerate(table.particles, 1):
        with (run / f"structure-{number}" / "poses.csv").open() as file:
            names = {row["picture"] for row in csv.DictReader(file)}
        assert names == {name for name, own in zip(table.names, table.structure, strict=True) if own == number}
        assert len(names) == count
        call("measure", run / f"structure-{number}")
    metrics, page = read_metrics(run), (run / "report.html").read_text().replace("&#39;", "'")
    assert metrics.finished and metrics.findings and all(one in page for one in metrics.findings)
    assert metrics.classes is not None and 5 < metrics.classes["differences"]["2"]["rmsd"] < 20
    assert "structure-1" in call("rank", run, code=1)
    assert "is finished already" in call("train", "--resume", run)


def test_a_study_that_is_stopped_in_every_stage_goes_on_to_the_same_result(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, stops = tmp_path / "run", 0
    with monkeypatch.context() as patched:
        patched.setattr(training, "stoppable", stopping_after(30))
        call(*study(made, out), code=3)
        while (stops := stops + 1) < 30:
            result = CliRunner().invoke(main, ["train", "--resume", str(out)])
            assert result.exit_code in (0, 3), result.output
            if not result.exit_code:
                break
    assert 3 < stops < 30
    for name in ("structures.csv", "structure-1/cloud.ply", "structure-2/poses.csv"):
        assert (out / name).read_bytes() == (made / "run" / name).read_bytes(), name


def stopping_after(asks: int):  # type: ignore[no-untyped-def]
    """A stand-in for signals, which asks each process to stop when it has looked ``asks`` times."""
    from contextlib import contextmanager

    class Soon:
        def __init__(self) -> None:
            self.left = asks

        @property
        def asked(self) -> bool:
            self.left -= 1
            return self.left < 0

    @contextmanager
    def stoppable():  # type: ignore[no-untyped-def]
        yield Soon()

    return stoppable


def test_a_checkpoint_of_another_number_of_structures_is_refused(made: Path) -> None:
    config = read_config(made / "run" / "config.toml", Config)
    with pytest.raises(HollyError, match="2 structures"):
        open_classification(dataclasses.replace(config, structures=3), made / "run")
    payload = torch.load(made / "run" / "checkpoints" / "last.pt", weights_only=True)
    assert payload["format"] == KIND
    with pytest.raises(ValueError, match="weight"):
        ClassState.from_payload({**payload["state"], "weight": torch.zeros(3, 2)})


def test_one_structure_is_an_ordinary_run(made: Path) -> None:
    words = ["train", made / "data", "--out", made / "single", "--points", 8, "--config", made / "brief.toml"]
    call(*words, "--structures", 1)
    assert (made / "single" / "cloud.ply").is_file() and not (made / "single" / "consensus").exists()
    assert "structure" in call("evaluate", made / "single", code=1)


def test_what_does_not_go_together_is_said_before_any_work(made: Path, tmp_path: Path) -> None:
    call("simulate", made / "sites.ply", tmp_path / "flat", "--images", 60)
    refused = {
        ("train", made / "data", "--structures", 6): "ask for 5 at most",
        ("train", tmp_path / "flat", "--structures", 2): "localisations in 3D",
        ("train", made / "data", "--structures", 2, "--dimensions", 2): "localisations in 3D",
        ("train", made / "data", "--structures", 2, "--cluster", "local"): "one process",
    }
    for words, reason in refused.items():
        assert reason in call(*words, "--out", tmp_path / "none", code=1)
        assert not (tmp_path / "none").exists()
    for other in (("--repeats", 2), ("--half-sets",)):
        assert "structure-1/config.toml" in call("train", made / "data", "--structures", 2, *other, code=2)


def test_a_structure_that_keeps_too_few_particles_gets_no_run_and_it_is_said(made: Path, tmp_path: Path) -> None:
    found = read_metrics(made / "run")
    assert found.classes is not None
    classes = {**found.classes, "particles": [136, 4]}
    write_metrics(tmp_path, dataclasses.replace(found, classes=classes))
    config = read_config(made / "run" / "config.toml", Config)
    assert [member.folder.name for member in structures_of(config, tmp_path)] == ["structure-1"]
    assert "structure 2 with 4 particles" in explain_absence(classes, 8)
    assert explain_absence(found.classes, 8) == ""


def test_a_run_takes_the_particles_of_one_structure(made: Path, tmp_path: Path) -> None:
    config = read_config(made / "run" / "structure-2" / "config.toml", Config)
    dataset = open_data(config)
    assert len(dataset) == read_assignment(made / "run" / "structures.csv").particles[1]
    whole = open_data(Config(data=config.data))
    with pytest.raises(HollyError, match="structures 1 to 2"):
        of_structure(whole, made / "run" / "structures.csv", 3)
    few = Assignment(whole.names, np.tile([0.9, 0.1], (len(whole.names), 1)), np.zeros(len(whole.names), bool))
    write_assignment(tmp_path / "few.csv", few)
    with pytest.raises(HollyError, match="0 particles to structure 2"):
        of_structure(whole, tmp_path / "few.csv", 2)
    write_assignment(tmp_path / "other.csv", few._replace(names=[f"x{name}" for name in whole.names]))
    with pytest.raises(HollyError, match="none of these"):
        of_structure(whole, tmp_path / "other.csv", 1)
    (tmp_path / "broken.csv").write_text("particle,structure\n1\n")
    write_config(tmp_path / "config.toml", config)
    for name in ("broken.csv", "missing.csv"):
        with pytest.raises(HollyError, match=name):
            of_structure(whole, tmp_path / name, 1)


def test_gradients_of_two_kinds_are_divided_and_noise_has_no_tight_clusters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat([0, 1, 2], [50, 30, 20]))
    means = rng.normal(size=(3, 90))
    found = clusters(rng.normal(size=(100, 90)) + 1.5 * means[kind], 3, seed)
    counts = np.zeros((3, 3), dtype=int)
    np.add.at(counts, (kind, found), 1)
    assert (counts.max(axis=1).sum(), sorted(counts.sum(axis=0))) == (100, [20, 30, 50])


def test_probabilities_are_shares_times_likelihoods() -> None:
    share, likelihood = torch.tensor([0.75, 0.25]), torch.tensor([[0.0, 0.0], [-700.0, -690.0]])
    torch.testing.assert_close(
        probabilities(likelihood, share),
        torch.tensor([[0.75, 0.25], [3 / (3 + math.exp(10)), 1 / (1 + 3 * math.exp(-10))]]),
    )


def test_equal_clouds_are_not_preferred_and_right_ones_are(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    single, counts = -300 + 20 * torch.randn(40, generator=generator), torch.full((40,), 30.0)
    share = torch.tensor([0.6, 0.4])
    same = preference(single[:, None].repeat(1, 3), share, counts)
    assert same.difference == pytest.approx(0, abs=1e-6)
    assert not preference(single[:, None] - torch.tensor([1.0, 1.0, 0.0]), share, counts).preferred
    kind = torch.arange(40) % 2 == 0
    gain = torch.stack([torch.where(kind, 5.0, -20.0), torch.where(kind, -20.0, 5.0), torch.zeros(40)], dim=1)
    right = preference(single[:, None] + gain, share, counts)
    assert right.preferred and right.difference == pytest.approx(
        (5 + (math.log(0.6) + math.log(0.4)) / 2) / 30, rel=1e-3
    )
    held = {"structures": 2, "held_out": None}
    assert "--held-out" in explain_preference(held)
    figures = {
        "particles": 40,
        "log_likelihood": -9.0,
        "log_likelihood_single": -9.1,
        "standard_error": 0.04,
        "preferred": True,
    }
    said = {
        gain: {"structures": 2, "held_out": {**figures, "difference": gain, "preferred": gain > 0.08}}
        for gain in (0.1, 0.05, -0.05)
    }
    words = [explain_preference(one) for one in said.values()]
    assert (
        "prefer 2" in words[0]
        and "do not decide" in words[1]
        and "do not prefer 2" in words[2]
        and "consensus" in words[2]
    )
    three = explain_preference({"structures": 3, "held_out": said[0.1]["held_out"]})
    assert "prefer 3 structures over one" in three and "--structures 2" in three and "--structures" not in words[0]
    found = {**said[-0.05], "shares": [0.6, 0.4]}
    assert "was not tested" in classes_headline({**found, "held_out": None})
    assert classes_headline(found).startswith("No evidence") and "prefer" in classes_headline({**found, **said[0.1]})


def test_structures_are_numbered_from_the_most_frequent() -> None:
    weight, order = in_order(np.array([[0.1, 0.7, 0.2], [0.0, 0.1, 0.9]]), [0.2, 0.5, 0.3])
    assert order == [1, 2, 0]
    np.testing.assert_array_equal(weight, [[0.7, 0.2, 0.1], [0.1, 0.9, 0.0]])


def test_where_two_structures_differ_is_found() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(60, 3)) * (40, 30, 10)
    first[:6] = rng.normal(size=(6, 3)) * 3 + (0, 0, 60)
    second = first.copy()
    second[:6] += (0, 0, 25)
    found = find_difference(first, second)
    figures = found.figures(np.eye(3))
    assert figures["farthest"] > 10 > figures["rmsd"]
    assert figures["farthest_height"] > 50 > figures["height"]
