"""``tomo discover``: clusters by novelty, reference-free classes, averages that count, and what is refused or left out."""

import csv
import json
import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.geometry import random_rotations
from holly_triton.io.volumes import read_volume, write_volume
from holly_triton.tomography.average.fsc import Fsc, soft_sphere
from holly_triton.tomography.average.imaging import Imaging
from holly_triton.tomography.average.particles import Particles, Poses, normalised
from holly_triton.tomography.average.refinement import Plan, StoppedError, begin
from holly_triton.tomography.average.results import average_of
from holly_triton.tomography.classify.features import Activations, read_features, start_features
from holly_triton.tomography.classify.gaussians import Gaussians
from holly_triton.tomography.classify.model import Model, write_model
from holly_triton.tomography.classify.networks import build
from holly_triton.tomography.classify.opening import open_set
from holly_triton.tomography.classify.set_hdf5 import SetWriter
from holly_triton.tomography.config.averaging import Averaging
from holly_triton.tomography.config.classification import Network, Training
from holly_triton.tomography.config.discovery import BEYOND_SHELLS, Discovery
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.discover import command, pictures, sorting
from holly_triton.tomography.discover.averaging import Given, _is_consistent, plan_for
from holly_triton.tomography.discover.clustering import NONE, find_clusters
from holly_triton.tomography.discover.embedding import embedded
from holly_triton.tomography.discover.merging import grouped, laid
from holly_triton.tomography.discover.sorting import divided, sort_particles
from holly_triton.tomography.simulate.whole import noise_boxes, simulate_subtomograms
from holly_triton.tomography.structures import Density, draw_map

pytest.importorskip("sklearn", reason="k-means is that of scikit-learn")
SIZE, VOXEL = 16, 14.0
OPTICS = Optics(defocus_um=4.0)
EACH = 14
NEW, KNOWN, NOISE = range(3)


def body(arms: list[list[float]]) -> Density:
    """A blob at the end of each arm, the first the heaviest."""
    places = torch.tensor(arms).repeat_interleave(40, 0)
    points = places + 12 * torch.randn(len(places), 3, generator=torch.Generator().manual_seed(0))
    return Density.of("body", points, torch.linspace(3, 1, len(arms)).repeat_interleave(40))


FORK = body([[62.0, 0, 0], [0, 48, 10], [-20, -10, 52], [-35, 28, -30], [20, -45, -22]])
ROD = body([[-60.0, 0, 0], [-20, 0, 0], [20, 0, 0], [60, 0, 0]])


def simulated(
    density: Density, count: int, seed: int, snr: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Boxes, and their rotations and shifts in voxels."""
    generator = torch.Generator().manual_seed(seed)
    rotation, shift = random_rotations(count, generator), 14 * torch.rand(count, 3, generator=generator) - 7
    boxes = simulate_subtomograms(density, rotation, shift, size=SIZE, voxel=VOXEL, optics=OPTICS, snr=snr, generator=generator)  # fmt: skip
    return normalised(boxes), rotation, shift / VOXEL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of a new structure, a known one and noise, a copy, an empty box and one with NaN, and the features of all."""
    folder = tmp_path_factory.mktemp("discover")
    noise = noise_boxes(EACH, size=SIZE, voxel=VOXEL, optics=OPTICS, generator=torch.Generator().manual_seed(3))
    boxes = torch.cat([simulated(FORK, EACH, 1)[0], simulated(ROD, EACH, 2)[0], noise])
    broken = torch.zeros(2, SIZE, SIZE, SIZE)
    broken[1, 0, 0, 0] = torch.nan
    boxes = torch.cat([boxes, boxes[:1], broken]).numpy()
    labels = ["fork"] * EACH + ["rod"] * EACH + ["noise"] * EACH + ["fork", "", ""]
    with SetWriter(folder / "set.h5", SIZE, VOXEL) as writer:
        writer.append(boxes, labels=labels)
    write_volume(folder / "fork.mrc", draw_map(FORK, 48, 5.0, 10.0).numpy(), 5.0)
    features(folder / "features.h5", folder / "set.h5")
    return folder


def activations(seed: int = 0) -> np.ndarray:
    """Of the set: the new ones lie far from the two classes of the training, a rod and noise."""
    centres = np.array([[30.0, 30], [20, 0], [0, 20]])
    kinds = [NEW] * EACH + [KNOWN] * EACH + [NOISE] * EACH + [NEW]
    linear = centres[kinds] + np.random.default_rng(seed).normal(size=(len(kinds), 2))
    linear[-1] = linear[0]  # a copy has the same activations
    return np.concatenate([linear, np.full((2, 2), np.nan)]).astype(np.float32)


GAUSSIANS = Gaussians(torch.tensor([[20.0, 0], [0, 20]]), torch.eye(2))


def features(path: Path, subtomograms: Path, linear: np.ndarray | None = None) -> Path:
    """The file that ``tomo classify`` would have left."""
    import h5py

    model = a_model()
    found = open_set(subtomograms)
    start_features(path, found, model, "d", resume=False)
    with h5py.File(path, "r+") as file:
        file["linear"][:] = (activations() if linear is None else linear)[: len(found)]
        file.attrs["done"] = len(found)
    return path


def a_model(voxel: float = VOXEL) -> Model:
    network = build(Network(), SIZE, 2).eval()
    return Model(network, ("rod", "noise"), SIZE, voxel, 1.0, Training(), {}, GAUSSIANS)


def run(*arguments: Any) -> Result:
    found = CliRunner().invoke(main, ["tomo", "discover", *map(str, arguments)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


FAST = ("--classes", 2, "--iterations", 2, "--defocus", 4)


@pytest.fixture
def no_surfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Surfaces take seconds; one test draws them."""
    monkeypatch.setattr(pictures, "draw_averages", lambda *_: None)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alignment that takes a third of the time, where it does not matter what comes out."""
    monkeypatch.setattr(sorting, "CONSENSUS", 1)
    monkeypatch.setattr(sorting, "WIDE", 0)


def test_distances_are_those_of_mahalanobis(seed: int) -> None:
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(4, 4))
    truth = torch.arange(4).repeat_interleave(400)
    linear = torch.from_numpy(10 * random.normal(size=(4, 4))[truth] + random.normal(size=(1600, 4)) @ mixing).float()
    found = Gaussians.fitted(linear, truth)
    assert found is not None
    expected = mixing.T @ mixing
    assert np.abs(found.covariance.numpy() - expected).max() < 0.15 * np.abs(expected).max()
    inverse = np.linalg.inv(found.covariance.double().numpy())
    apart = linear.double().numpy()[:, None] - found.means.double().numpy()
    wanted = np.sqrt(np.einsum("ncl,lk,nck->nc", apart, inverse, apart))
    assert np.allclose(found.distances(linear), wanted, rtol=1e-3, atol=1e-3)
    nearest = found.distances(linear).min(1).values
    assert 3.3 < float(nearest.square().mean()) < 4.7  # four dimensions


def test_gaussians_of_too_few_are_none_and_of_few_have_an_inverse() -> None:
    linear = torch.tensor([[1.0, 0], [0, 1], [0.5, 1]])
    assert Gaussians.fitted(linear[:2], torch.tensor([0, 1])) is None
    assert Gaussians.fitted(linear, torch.tensor([0, 0, 0])) is None
    found = Gaussians.fitted(linear, torch.tensor([0, 1, 1]))
    assert found is not None and bool(found.distances(linear).isfinite().all())


def test_clusters_are_numbered_from_the_most_novel(seed: int) -> None:
    found = Activations(torch.from_numpy(activations(seed)), ("rod", "noise"), GAUSSIANS, Path("s"), "d")
    clusters = find_clusters(Path("s"), found, Discovery(clusters=3, seed=seed))
    assert clusters.of[:EACH].tolist() == [1] * EACH and clusters.of[-2:].tolist() == [NONE, NONE]
    assert {*clusters.of[EACH : 2 * EACH]} | {*clusters.of[2 * EACH : 3 * EACH]} == {2, 3}
    assert clusters.nearest[EACH] == "rod" and clusters.nearest[2 * EACH] == "noise"
    assert clusters.novelty_of(1) == pytest.approx(10**0.5 * 10, rel=0.05) and clusters.novelty_of(3) < 3
    unknown = find_clusters(
        Path("s"), Activations(found.linear, found.classes, None, Path("s"), "d"), Discovery(clusters=3)
    )
    assert len(unknown.rows(1)) == EACH + 1 and np.isnan(unknown.novelty).all() and unknown.nearest[EACH] == "rod"


def test_fewer_subtomograms_than_clusters(folder: Path, tmp_path: Path) -> None:
    # 43 usable ones, one of which is a copy
    said = run(folder / "set.h5", tmp_path / "out", "--features", folder / "features.h5", "--clusters", 43)
    assert said.exit_code == 1 and "has 42 different subtomograms" in said.output and "--clusters" in said.output


def test_particles_are_divided_by_what_they_are_and_not_by_their_wedge(seed: int) -> None:
    parts = [simulated(density, 12, seed + number) for number, density in enumerate((FORK, ROD))]
    boxes, rotation, shift = (torch.cat(part) for part in zip(*parts, strict=True))
    subtomograms = open_set_of(boxes)
    given = Given(subtomograms, imaging(), [], torch.device("cpu"))
    plan = plan_for(given, Discovery())
    poses = Poses(rotation, shift, torch.zeros(24))
    found = divided(Particles(boxes, imaging()), poses, plan.first_highest, Discovery(classes=2))
    assert len({*found[:12].tolist()}) == len({*found[12:].tolist()}) == 1 and found[0] != found[-1]


def test_a_mixture_is_sorted_without_a_reference(seed: int) -> None:
    boxes = torch.cat([simulated(FORK, 14, 11)[0], simulated(ROD, 8, 12)[0]])
    given = Given(open_set_of(boxes), imaging(), [], torch.device("cpu"))
    settings = Discovery(classes=2, iterations=3)
    classes = sort_particles(Particles(boxes, imaging()), plan_for(given, settings), settings, torch.Generator().manual_seed(0))  # fmt: skip
    right = (classes.members == torch.tensor([0] * 14 + [1] * 8)).sum()
    assert int(right) >= 19 and classes.sizes == sorted(classes.sizes, reverse=True)


def test_classes_of_one_structure_are_joined_and_those_of_two_are_not(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    frame = random_rotations(1, generator)[0]  # the second class of forks has another frame than the first
    plan = plan_for(
        Given(open_set_of(torch.zeros(1, SIZE, SIZE, SIZE)), imaging(), [], torch.device("cpu")), Discovery()
    )
    averages, poses, true = [], [], torch.empty(0)
    for number, (density, turn) in enumerate(((FORK, torch.eye(3)), (FORK, frame), (ROD, torch.eye(3)))):
        boxes, rotation, shift = simulated(density, 12, 40 + number + 10 * seed)
        poses.append(Poses(rotation @ turn.T, shift, torch.zeros(12)))
        particles, known = Particles(boxes, imaging()), plan._replace(known=True)
        averages.append(average_of(particles, known, begin(particles, known, poses[-1], shift, generator)))
        true = rotation if number == 1 else true
    groups = grouped(averages, plan)
    assert [[one.number for one in group] for group in groups] == [[0, 1], [2]]
    same = laid(poses[1], groups[0][1].lies)
    cosine = ((same.rotation.transpose(1, 2) @ true).diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    assert float(torch.rad2deg(cosine.clamp(-1, 1).acos()).max()) < 10
    assert float((same.shift - poses[1].shift).norm(dim=1).max()) < 0.7


def open_set_of(boxes: torch.Tensor) -> Any:
    from holly_triton.tomography.classify.sets import SubtomogramSet

    names = np.array([str(number) for number in range(len(boxes))])
    return SubtomogramSet(Path("set"), names, None, SIZE, VOXEL, lambda rows: boxes.numpy()[rows])


def imaging() -> Any:
    from holly_triton.tomography.average.imaging import Imaging

    return Imaging(VOXEL, (-60.0, 60.0), OPTICS)


def test_a_new_structure_is_found_and_averaged(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(folder / "set.h5", out, "--features", folder / "features.h5", "--clusters", 3, "--average", 1, *FAST, "--truth", folder / "fork.mrc")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2 subtomograms are empty" in done.output and "1 subtomogram is a copy" in done.output
    for name in ("gallery.png", "fsc.png", "embedding.png", "job.json"):
        assert (out / name).is_file(), name
    first = rows_of(out / "clusters.csv")[0]
    assert (first["cluster"], first["label"], first["subtomograms"]) == ("1", "fork", str(EACH + 1))
    assert float(first["purity"]) == 1.0 and float(first["novelty"]) > 20 and first["structure"] == "fork"
    assert float(first["discrepancy_angstrom"]) < 45
    metrics = json.loads((out / "metrics.json").read_text())
    job = json.loads((out / "job.json").read_text())
    assert (metrics["source"], job["data"]) == ("set.h5", os.path.relpath(folder / "set.h5", out))
    assert (metrics["unusable"], metrics["clusters"], metrics["averaged"]) == (2, 3, 1)
    classes = metrics["look_first"][0]["classes"]
    assert sum(one["particles"] for one in classes) <= EACH  # without the copy
    poses = rows_of(out / "clusters" / "001" / "particles.csv")
    assert len({row["particle"] for row in poses}) == len(poses)
    average = read_volume(out / "clusters" / "001" / "class_1.mrc")
    assert average.voxel == pytest.approx(VOXEL) and average.values.shape == (SIZE,) * 3
    particles = rows_of(out / "particles.csv")
    assert [row["cluster"] for row in particles[-2:]] == ["", ""] and particles[0]["cluster"] == "1"


def test_an_average_of_noise_is_not_consistent(folder: Path, tmp_path: Path, no_surfaces: None) -> None:
    out = tmp_path / "out"
    arguments = (folder / "set.h5", out, "--features", folder / "features.h5", "--clusters", 3, *FAST, "--classes", 1)
    done = run(*arguments, "--cluster", 1, "--cluster", 2, "--cluster", 3)
    assert done.exit_code == 0, done.output
    rows = rows_of(out / "clusters.csv")
    assert [row["label"] for row in rows if row["consistent"] == "0"] == ["noise"]
    assert rows[-1]["label"] == "noise" and rows[0]["label"] == "fork"
    assert [row["same_as"] for row in rows] == ["", "", ""]


def test_small_boxes_need_a_larger_agreement() -> None:
    """A shell of few coefficients, in which noise correlates by chance up to 0.3."""
    plan = Plan(Averaging(reach_angstrom=10.0), soft_sphere(24), None, False, Imaging(5.0))
    decides = int(plan.first_highest * 24 + BEYOND_SHELLS)
    frequency = torch.arange(1, 13) / (24 * 5.0)
    for agreement, consistent in ((0.25, False), (0.35, True)):
        correlation = torch.where(torch.arange(1, 13) <= decides + 1, agreement, 0.0).double()
        curve = Fsc(frequency, correlation, torch.zeros(12, dtype=torch.bool))
        assert _is_consistent(curve, plan) is consistent


def test_two_clusters_of_one_structure_are_said_to_be_so(tmp_path: Path, no_surfaces: None, seed: int) -> None:
    boxes = torch.cat([simulated(FORK, 28, 71)[0], simulated(ROD, 14, 72)[0]]).numpy()
    with SetWriter(tmp_path / "set.h5", SIZE, VOXEL) as writer:
        writer.append(boxes)
    linear = np.array([[60.0, 60], [50, 0], [20, 0]])[[0] * 14 + [1] * 14 + [2] * 14]
    linear = (linear + np.random.default_rng(seed).normal(size=linear.shape)).astype(np.float32)
    path = features(tmp_path / "features.h5", tmp_path / "set.h5", linear)
    done = run(tmp_path / "set.h5", tmp_path / "out", "--features", path, "--clusters", 3, *FAST, "--classes", 1)
    assert done.exit_code == 0 and "the same structure as cluster 1" in done.output, done.output
    same = {row["cluster"]: row["same_as"] for row in rows_of(tmp_path / "out/clusters.csv")}
    assert same == {"1": "", "2": "1", "3": ""}


def test_what_was_found_before_a_stop_is_kept(folder: Path, tmp_path: Path, no_surfaces: None, hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    out, average, asked = tmp_path / "a name with spaces", command.average_cluster, []

    def stops_at_the_second(given: Any, number: int, *rest: Any) -> Any:
        asked.append(number)
        if len(asked) == 2:
            raise StoppedError
        return average(given, number, *rest)

    monkeypatch.setattr(command, "average_cluster", stops_at_the_second)
    arguments = (folder / "set.h5", out, "--features", folder / "features.h5", "--clusters", 3, "--average", 2, *FAST, "--classes", 1)  # fmt: skip
    stopped = run(*arguments)
    assert stopped.exit_code == 3
    assert shlex.split(stopped.output.split("Go on with: ")[1])[2:] == [
        "discover",
        str(folder / "set.h5"),
        str(out),
        "--resume",
    ]
    assert (out / "clusters/001/cluster.json").is_file() and (out / "embedding.png").is_file()
    before = (out / "clusters/001/class_1.mrc").read_bytes()
    assert run(folder / "set.h5", out, "--resume").exit_code == 0
    assert asked == [1, 2, 2] and (out / "clusters/001/class_1.mrc").read_bytes() == before
    assert run(folder / "set.h5", out, "--resume", "--cluster", 3).exit_code == 0
    assert asked[-1] == 3 and json.loads((out / "metrics.json").read_text())["averaged"] == 3
    assert run(folder / "set.h5", out, "--resume", "--cluster", 4).exit_code == 1
    assert run(*arguments).exit_code == 1  # exists already
    table = (out / "particles.csv").read_text()
    (out / "particles.csv").write_text(table.replace("1,1,", "1,2,", 1))
    said = run(folder / "set.h5", out, "--resume")
    assert said.exit_code == 1 and "other clusters" in said.output
    again = tmp_path / "again"
    assert run(folder / "set.h5", again, *arguments[2:-6], "--average", 1, *FAST, "--classes", 1).exit_code == 0
    assert (again / "clusters/001/class_1.mrc").read_bytes() == before  # the same input, the same bits


def test_a_model_makes_the_features(folder: Path, tmp_path: Path, no_surfaces: None) -> None:
    write_model(tmp_path / "model.pt", a_model())
    out = tmp_path / "out"
    done = run(folder / "set.h5", out, "--model", tmp_path / "model.pt", "--clusters", 2, "--average", 0)
    assert done.exit_code == 0, done.output
    found = read_features(out / "features.h5")
    assert found.classes == ("rod", "noise") and found.linear.isfinite().all(1).sum() == 3 * EACH + 1
    assert found.gaussians is not None and torch.equal(found.gaussians.means, GAUSSIANS.means)
    assert not (out / "gallery.png").exists() and (out / "embedding.png").is_file()


def test_a_model_without_its_classes_gives_clusters_by_size(folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    write_model(tmp_path / "model.pt", replace(a_model(), gaussians=None))
    done = run(folder / "set.h5", tmp_path / "out", "--model", tmp_path / "model.pt", "--clusters", 2, "--average", 0)
    assert done.exit_code == 0 and "numbered by size" in done.output
    assert json.loads((tmp_path / "out/metrics.json").read_text())["novelty_known"] is False


def test_sets_that_do_not_suit_leave_no_folder(folder: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "model.pt", a_model(voxel=10.0))
    out = tmp_path / "out"
    said = run(folder / "set.h5", out, "--model", tmp_path / "model.pt")
    assert said.exit_code == 1 and "was trained on 10 Å" in said.output and not out.exists()
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for side in (8, 10):
        write_volume(mixed / f"box_{side}.mrc", np.random.default_rng(0).normal(size=(side,) * 3).astype(np.float32), VOXEL)  # fmt: skip
    said = run(mixed, out, "--features", folder / "features.h5")
    assert said.exit_code == 1 and "one size" in said.output and not out.exists()
    said = run(folder / "set.h5", out, "--features", folder / "features.h5", "--truth", "no-such-structure")
    assert said.exit_code == 1 and not out.exists()
    assert run(folder / "none.h5", out, "--features", folder / "features.h5").exit_code == 1
    with SetWriter(tmp_path / "empty.h5", SIZE, VOXEL) as writer:
        writer.append(np.zeros((3, SIZE, SIZE, SIZE)))
    write_model(tmp_path / "model.pt", a_model())
    said = run(tmp_path / "empty.h5", out, "--model", tmp_path / "model.pt")
    assert said.exit_code == 1 and "no subtomogram can be used" in said.output and not out.exists()
    for options in (("--clusters", 10_000), ("--cluster", 10_000)):
        said = run(folder / "set.h5", out, "--features", folder / "features.h5", *options)
        assert said.exit_code == 1 and "10000" in said.output and not out.exists()


def test_features_of_another_set_are_refused(folder: Path, tmp_path: Path) -> None:
    with SetWriter(tmp_path / "other.h5", SIZE, VOXEL) as writer:
        writer.append(np.random.default_rng(0).normal(size=(4, SIZE, SIZE, SIZE)))
    said = run(tmp_path / "other.h5", tmp_path / "out", "--features", folder / "features.h5")
    assert said.exit_code == 1 and "other.h5" in said.output and not (tmp_path / "out").exists()
    said = run(folder / "set.h5", tmp_path / "new", "--features", tmp_path / "other.h5")
    assert said.exit_code == 1 and "cannot be read as a file of features" in said.output
    assert not (tmp_path / "new").exists()


def test_from_a_folder_of_files_to_averages(tmp_path: Path, no_surfaces: None) -> None:
    boxes, labels = torch.cat([simulated(FORK, 8, 21)[0], simulated(ROD, 8, 22)[0]]).numpy(), ["fork"] * 8 + ["rod"] * 8
    given = tmp_path / "boxes"
    given.mkdir()
    for number, box in enumerate(boxes):
        write_volume(given / f"box_{number}.mrc", box, VOXEL)
    lines = ["particle,label", *(f"box_{number},{label}" for number, label in enumerate(labels))]
    (given / "classes.csv").write_text("\n".join(lines))
    classify = ["tomo", "classify", given, tmp_path / "classes", "--train", "--epochs", 3]
    assert CliRunner().invoke(main, list(map(str, classify))).exit_code == 0
    out = tmp_path / "found"
    done = run(given, out, "--model", tmp_path / "classes/model.pt", "--clusters", 1, "--quick", "--classes", 1, "--defocus", 4)  # fmt: skip
    assert done.exit_code == 0, done.output
    (entry,) = json.loads((out / "metrics.json").read_text())["look_first"]
    assert 2 * VOXEL <= entry["classes"][0]["resolution_angstrom"] < 60
    curve = np.genfromtxt(out / "clusters/001/fsc.csv", delimiter=",", names=True)
    assert len(curve) == SIZE // 2 and curve["class_1"].max() <= 1


def test_few_outliers_are_averaged_only_where_they_are_named(folder: Path, tmp_path: Path, no_surfaces: None, hasty: None) -> None:  # fmt: skip
    linear = activations()
    linear[:3] = 90.0 + np.random.default_rng(0).normal(size=(3, 2))
    path = features(tmp_path / "features.h5", folder / "set.h5", linear)
    arguments = (folder / "set.h5", tmp_path / "out", "--features", path, "--clusters", 4)
    assert run(*arguments, "--average", 1, *FAST, "--classes", 1).exit_code == 0
    assert [path.name for path in (tmp_path / "out/clusters").iterdir()] == ["002"]
    named = run(folder / "set.h5", tmp_path / "out", "--resume", "--cluster", 1)
    assert named.exit_code == 0 and "Cluster 1" in named.output and "too few" in named.output
    assert json.loads((tmp_path / "out/clusters/001/cluster.json").read_text())["classes"] == []
    assert rows_of(tmp_path / "out/clusters.csv")[-1]["cluster"] == "1"


def test_one_class_of_a_training_and_one_cluster(folder: Path, tmp_path: Path, no_surfaces: None) -> None:
    done = run(
        folder / "set.h5", tmp_path / "out", "--features", folder / "features.h5", "--clusters", 1, "--average", 0
    )
    assert done.exit_code == 0 and len(rows_of(tmp_path / "out/clusters.csv")) == 1


@pytest.mark.parametrize(
    "options",
    [(), ("--model", "m", "--features", "f"), ("--resume", "--seed", "1"), ("--model", "m", "--average", "2", "--cluster", "1"),
     ("--model", "m", "--voltage", "200")],
)  # fmt: skip
def test_options_that_contradict(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert run(tmp_path / "set.h5", tmp_path / "out", *options).exit_code == 2


@pytest.mark.parametrize("kind", ["pca", "tsne"])
def test_the_plane_keeps_clusters_apart(kind: str, seed: int) -> None:
    found = Activations(torch.from_numpy(activations(seed)), ("rod", "noise"), GAUSSIANS, Path("s"), "d")
    rows, places = embedded(found, Discovery.quick().changed({"embedding": kind}))
    assert len(rows) == 3 * EACH + 1 and places.shape == (len(rows), 2)
    apart = np.linalg.norm(places[:, None] - places, axis=2) + np.diag(np.full(len(rows), np.inf))
    kinds = np.minimum(rows // EACH, 3) % 3  # the copy comes last and is of the first kind
    assert (kinds[apart.argmin(1)] == kinds).mean() > 0.95


def test_the_default_number_of_clusters() -> None:
    assert (
        Discovery().clusters_of(11_500) == 100 and Discovery().clusters_of(90) == 3 and Discovery().clusters_of(4) == 1
    )
    with pytest.raises(HollyError, match="clusters"):
        Discovery(clusters=0)
