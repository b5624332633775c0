"""The study of structure-based training: kept and resumed work, paired differences, the verdict, invented structure."""

import csv
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.frames.config.network import Device
from holly_triton.frames.config.training import Training, Validation
from holly_triton.frames.localisations import localisations
from holly_triton.frames.paper import comparison, nets, reproduce
from holly_triton.frames.paper.ceiling import sums_of as ceiling_sums
from holly_triton.frames.paper.cells import SCORING, Bench, Cell, all_cells, scored_in
from holly_triton.frames.paper.comparison import Results
from holly_triton.frames.paper.config import DENSITIES, MEDIUM, SNRS, Arm, StudyScale
from holly_triton.frames.paper.evaluations import Evaluation
from holly_triton.frames.paper.hallucination import Invented, figures_of, sums_of
from holly_triton.frames.paper.reproduce import FAILED, Study
from holly_triton.frames.paper.sheets import SheetSampler
from holly_triton.frames.paper.verdict import tally, verdict
from holly_triton.frames.samplers import crowded, make_sampler
from holly_triton.frames.samplers.density import nominal_density
from holly_triton.frames.score.figures import PerFrame

TINY = StudyScale(
    width=2, steps=6, seeds=1, emitters=20, most_frames=25, fewest_frames=25, empty_frames=25, bound_emitters=20
)
BRIEF = Validation(times=1, frames=8, side_px=32, final_frames=20, sparse_frames=20)
CELLS = (Cell("uniform", 0.92, MEDIUM), Cell("empty", 0.0, MEDIUM))
ARMS: tuple[Arm, ...] = ("random", "structure")
DONE, STOPPED = 0, 3


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer resamplings, and fewer frames for the table of the microtubules' densities."""
    monkeypatch.setattr(comparison, "RESAMPLED", dataclasses.replace(comparison.RESAMPLED, resamplings=200))
    monkeypatch.setattr(crowded, "CALIBRATION_FRAMES", 48)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of two frames, and a few frames of validation."""
    of_scale = nets.Net.settings

    def settings(net: nets.Net, scale: StudyScale, device: Device) -> Training:
        return dataclasses.replace(of_scale(net, scale, device), batch=2, crop_px=16, validation=BRIEF)

    monkeypatch.setattr(nets.Net, "settings", settings)


def study(out: Path, arms: Sequence[Arm] = ARMS, scale: StudyScale = TINY, seeds: int = 1) -> Study:
    return Study("small", scale, arms, seeds, None, out, "cpu", CELLS)


def times(out: Path) -> dict[str, int]:
    """When each network and each evaluation was written."""
    found = [*out.glob("nets/small/*.pt"), *out.glob("nets/small/evaluations/*/*.json")]
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in found}


@pytest.mark.usefixtures("brief")
def test_finished_work_is_kept_and_a_missing_evaluation_is_made_again(tmp_path: Path) -> None:
    assert reproduce.reproduce(study(tmp_path)) == DONE
    before = times(tmp_path)
    assert len(before) == 2 + 2 * 2 + 1  # networks, evaluations, the ceiling of the cell with emitters
    gone = "nets/small/evaluations/random-0/uniform-0.92-5000.json"
    (tmp_path / gone).unlink()
    assert reproduce.reproduce(study(tmp_path)) == DONE
    after = times(tmp_path)
    assert after.pop(gone) != before.pop(gone)
    assert after == before
    rows = list(csv.DictReader((tmp_path / "figure3.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["arm"], row["positions"]) for row in rows] == [
        ("random", "uniform"), ("random", "empty"), ("structure", "uniform"), ("structure", "empty"), ("ceiling", "uniform"),
    ]  # fmt: skip
    same = {
        (row["frames"], row["emitters"]) for row in rows if row["positions"] == "uniform" and row["arm"] != "ceiling"
    }
    assert len(same) == 1  # the same frames for both arms
    assert (tmp_path / "figure3.md").is_file() and (tmp_path / "figure3_random.png").is_file()


@pytest.mark.usefixtures("brief")
def test_an_interrupted_study_continues_to_the_same_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later:
        """A signal in the middle of the training."""

        def __init__(self) -> None:
            self.times = 0

        @property
        def asked(self) -> bool:
            self.times += 1
            return self.times > 3

    @contextmanager
    def stopped() -> Iterator[Later]:
        yield Later()

    with monkeypatch.context() as patch:
        patch.setattr(reproduce, "stoppable", stopped)
        assert reproduce.reproduce(study(tmp_path / "cut", ["random"])) == STOPPED
    net = study(tmp_path / "cut", ["random"]).nets[0]
    assert not nets.is_finished(nets.read_model(net.model))
    assert not list(tmp_path.glob("cut/nets/small/evaluations/*/*.json"))
    for folder in ("cut", "whole"):
        assert reproduce.reproduce(study(tmp_path / folder, ["random"])) == DONE
    cut, whole = (
        nets.read_model(tmp_path / folder / "nets/small/random-0.pt").localiser.network.state_dict()
        for folder in ("cut", "whole")
    )
    assert all(torch.equal(cut[name], whole[name]) for name in whole)


@pytest.mark.usefixtures("brief")
def test_a_network_of_other_settings_is_not_mixed_in(tmp_path: Path) -> None:
    assert reproduce.reproduce(study(tmp_path, ["random"])) == DONE
    before = times(tmp_path)
    longer = dataclasses.replace(TINY, steps=7)
    assert reproduce.reproduce(study(tmp_path, ["random"], longer)) == FAILED
    assert times(tmp_path) == before


def test_a_cell_has_its_density_and_always_the_same_frames() -> None:
    bench = Bench(dataclasses.replace(TINY, most_frames=100, fewest_frames=100), None)
    for cell in (Cell("figure3", 2.22, MEDIUM), Cell("uniform", 2.22, MEDIUM), Cell("sheet", 2.22, MEDIUM)):
        made = bench.draw(cell)
        x, y = made.emitters.xyz[:, :2].T
        inside = made.emitters.take((x >= 0) & (x < 6400) & (y >= 0) & (y < 6400))
        density = nominal_density(inside.xyz[:, :2].numpy(), inside.offsets.numpy(), (6400.0, 6400.0))
        assert density == pytest.approx(2.22, rel=0.15)
    again = bench.draw(cell)
    assert torch.equal(made.photons, again.photons)
    assert bench.draw(Cell("empty", 0.0, SNRS[0])).truth.size == 0


def test_a_cell_has_as_many_emitters_as_the_scale_says() -> None:
    scale = dataclasses.replace(TINY, emitters=400, most_frames=200)
    made = Bench(scale, None).draw(Cell("uniform", 0.38, MEDIUM))
    assert 400 <= scored_in(made.truth) < 800  # 25 frames have about 290


def test_every_cell_has_a_file_of_its_own() -> None:
    names = [cell.name for cell in all_cells()]
    assert len(set(names)) == len(names)
    assert sum(cell.kind == "figure3" and cell.density in DENSITIES for cell in all_cells()) == 27


def test_equal_count_has_the_numbers_of_the_structure_and_not_its_places() -> None:
    density = torch.full((8,), 2.0)
    drawn = [
        make_sampler(sampling, (-700.0, 700.0), "walls").draw(density, (3200.0, 3200.0), torch.Generator().manual_seed(3))
        for sampling in ("structure", "equal-count")
    ]  # fmt: skip
    assert torch.equal(drawn[0].counts, drawn[1].counts)
    spread = [each.xyz[each.frame() == 0].std(dim=0).prod() for each in drawn]
    assert spread[1] > spread[0]


def test_a_sheet_is_thin() -> None:
    sampler = SheetSampler((-700.0, 700.0))
    drawn = sampler.draw(torch.full((4,), 30.0), (6400.0, 6400.0), torch.Generator().manual_seed(0))
    x, y, z = drawn.xyz[drawn.frame() == 1].T.double()
    assert z.min() >= -700 and z.max() <= 700 and z.std() > 150
    apart = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2 + torch.eye(len(x)) * 1e12
    nearest = apart.argmin(dim=1)
    assert (z - z[nearest]).abs().median() < 0.25 * z.std()


def evaluation(arm: Arm, cell: Cell, recall: float, seed: int = 0, frames: int = 40) -> Evaluation:
    """Of an arm that finds this share of 20 emitters a frame, give or take, with errors of 20 nm."""
    rng = np.random.default_rng([cell_number(cell), 0])
    hard = rng.integers(-3, 4, frames)  # the same for all arms: some frames are harder than others
    matched = np.clip(np.round(20 * recall) + hard, 1, 20)
    sums = np.stack([matched, 20 - matched, 0 * matched, 400 * matched, 400 * matched], axis=1)
    return Evaluation(arm, seed, cell, frames, 20 * frames, 20.0, PerFrame(np.arange(frames), sums), 0, {}, None)


def cell_number(cell: Cell) -> int:
    return all_cells().index(cell)


MICROTUBULES = [cell for cell in all_cells() if cell.kind == "figure3" and cell.density in DENSITIES]
UNIFORM = [cell for cell in all_cells() if cell.kind == "uniform"]


def results_of(structure: float, control: float, on_uniform: float = 0.7) -> Results:
    """Recall of the structure arm and of a control on microtubules, and of the structure arm on random frames."""
    made = [evaluation("structure", cell, structure, seed) for cell in MICROTUBULES for seed in range(2)]
    made += [evaluation("random", cell, control, seed) for cell in MICROTUBULES for seed in range(2)]
    made += [evaluation("structure", cell, on_uniform) for cell in UNIFORM]
    return Results(made + [evaluation("random", cell, 0.7) for cell in UNIFORM])


@pytest.mark.parametrize(
    ("structure", "control", "better", "worse", "said"),
    [
        (0.8, 0.7, 27, 0, " helps on microtubules,"),
        (0.7, 0.8, 0, 27, " harms "),
        (0.7, 0.7, 0, 0, " makes no difference "),
    ],
)
def test_the_verdict_follows_the_figures(structure: float, control: float, better: int, worse: int, said: str) -> None:
    results = results_of(structure, control)
    found = tally(results, "structure", "random", MICROTUBULES)
    assert found is not None and (len(found.better), len(found.worse)) == (better, worse)
    assert np.sign(found.mean) == np.sign(structure - control)
    answer = verdict(results)[0]
    assert said in answer and f"better in {better} and worse in {worse} of 27" in answer


@pytest.mark.parametrize(("recall", "said"), [(0.6, "has its price"), (0.7, "costs nothing"), (0.8, "costs nothing")])
def test_the_verdict_names_the_price(recall: float, said: str) -> None:
    assert said in verdict(results_of(0.8, 0.7, recall))[0]


def test_without_structure_there_is_no_verdict() -> None:
    assert "no verdict" in verdict(Results([evaluation("random", cell, 0.7) for cell in MICROTUBULES]))[0]


def test_seeds_that_disagree_decide_nothing() -> None:
    cell = MICROTUBULES[0]
    pair = [("structure", 0.9, 0), ("random", 0.5, 0), ("structure", 0.65, 1), ("random", 0.7, 1)]
    results = Results([evaluation(arm, cell, recall, seed) for arm, recall, seed in pair])  # type: ignore[arg-type]
    found = results.difference("structure", "random", cell)
    assert found is not None and found.interval[0] > 0 and found.sign == 0
    assert found.seeds[0] > 0.2 and found.seeds[1] < 0


def test_a_difference_is_paired_by_frame() -> None:
    cell = MICROTUBULES[0]
    results = Results([evaluation("structure", cell, 0.75), evaluation("random", cell, 0.7)])
    found = results.difference("structure", "random", cell, "jaccard")
    assert found is not None and found.value == pytest.approx(0.05)
    # Both arms find one emitter more or less in the same frames, so that hardly anything of that is in the difference.
    assert found.interval[1] - found.interval[0] < 0.01
    low, high = results.interval("random", cell, "jaccard")
    assert high - low > 0.04


def table(xyz: np.ndarray, frame: np.ndarray) -> np.ndarray:
    rows = localisations(len(xyz))
    rows["frame"] = frame
    for name, values in zip("xyz", xyz.T, strict=True):
        rows[name] = values
    return rows


def invented(found: np.ndarray, matched: np.ndarray, truth: np.ndarray, frames: int) -> Invented:
    return figures_of(np.concatenate([sums_of(each, frames, SCORING) for each in (found, matched, truth)], axis=1))


def test_what_is_missed_at_random_is_no_invention() -> None:
    rng = np.random.default_rng(1)
    frames = 200
    frame = np.repeat(np.arange(1, frames + 1), 60)
    truth = table(np.column_stack([rng.uniform(0, 6400, (len(frame), 2)), rng.uniform(-700, 700, len(frame))]), frame)
    matched = truth[rng.random(len(truth)) < 0.7]
    blurred = matched.copy()
    for axis, error in (("x", 20.0), ("y", 20.0), ("z", 40.0)):
        blurred[axis] += error * rng.standard_normal(len(blurred))
    found = invented(blurred, matched, truth, frames)
    assert found.line_ratio_95[0] < 1 < found.line_ratio_95[1]
    assert found.line[0] == pytest.approx(found.line[2], rel=0.15)
    assert found.depth_rise_95[0] < 0 and abs(found.depth_rise) < 0.02 and abs(found.depth[2]) < 0.1
    assert invented(matched, matched, truth, frames).line_ratio == 1


def test_invented_lines_and_depths_are_seen() -> None:
    rng = np.random.default_rng(2)
    frames = 40
    frame = np.repeat(np.arange(1, frames + 1), 60)
    truth = table(np.column_stack([rng.uniform(0, 6400, (len(frame), 2)), rng.uniform(-700, 700, len(frame))]), frame)
    pulled = truth.copy()
    pulled["x"] = np.round(truth["x"] / 1500) * 1500 + 10 * rng.standard_normal(len(truth))  # onto vertical lines
    pulled["z"] = 500 * np.sin(truth["y"] / 3000) + 50 * rng.standard_normal(len(truth))
    found = invented(pulled, truth, truth, frames)
    assert found.line_ratio_95[0] > 3
    assert found.depth_rise_95[0] > 0.7 and abs(found.depth[2]) < 0.1


def test_triplets_are_counted_once_and_near_pairs_are_left_out() -> None:
    line = np.array([[2000, 2000, 0], [2400, 2010, 0], [2800, 2000, 0]], dtype=float)  # in line, within 1 um
    bent = line + [[0, 0, 0], [0, 200, 0], [0, 0, 0]]
    long = line * [2, 1, 1]  # 1600 nm from end to end
    near = np.array([[2000, 2000, 0], [2100, 2000, 0], [2800, 2000, 0]], dtype=float)
    for points, expected in ((line, (1, 1)), (bent, (0, 1)), (long - [2000, 0, 0], (0, 0)), (near, (0, 0))):
        sums = sums_of(table(points, np.ones(3)), 1, SCORING)
        assert tuple(sums[0, :2]) == expected


def test_the_ceiling_counts_what_cannot_be_resolved_as_missed() -> None:
    deviations = np.array([[3.0, 4, 10], [200, 5, 10], [5, 5, 400], [np.inf, np.inf, np.inf]])
    assert ceiling_sums(deviations).tolist() == [1, 3, 0, 25, 100]


def test_unknown_arms_are_refused() -> None:
    result = CliRunner().invoke(main, ["frames", "reproduce", "--arms", "random,spiral"])
    assert result.exit_code == 2 and "spiral" in result.output
