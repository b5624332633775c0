"""Pictures of tomograms, averages and figures: what is drawn where, in which colours."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.particle_lists.writing import write_particles
from holly_triton.io.volumes.writing import write_volume
from holly_triton.report.sections import Section, Shown, write_sections
from holly_triton.tomography.pictures.averages import draw_averages
from holly_triton.tomography.pictures.confusion import draw_confusion
from holly_triton.tomography.pictures.curves import Shells, draw_fsc, draw_thresholds
from holly_triton.tomography.pictures.marks import marks_of
from holly_triton.tomography.pictures.page import render_picks
from holly_triton.tomography.pictures.slices import crowded_slab, draw_slices
from holly_triton.tomography.score.evaluate import evaluate
from holly_triton.view.scene import VIEWS
from holly_triton.view.surface import draw_surface

VOXEL = 10.0


def pixels(path: Path) -> Array:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def has(picture: Array, colour: str) -> int:
    """Number of pixels of about a colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(picture - wanted).max(axis=-1) < 24).sum())


def scene(seed: int) -> tuple[Array, ParticleList, ParticleList]:
    """A dark-protein tomogram of 40 particles of two classes, picks of 32 of them, and 4 false picks."""
    rng = np.random.default_rng(seed)
    shape = np.array([40, 64, 96])
    truth = ParticleList.of(
        np.where(rng.random(40) < 0.5, "70S", "GroEL"), rng.uniform(8, shape[::-1] - 8, (40, 3)) * VOXEL
    )
    values = rng.normal(0, 0.3, shape)
    indices = np.round(truth.positions[:, ::-1] / VOXEL).astype(int)
    blobs = np.zeros(shape)
    np.add.at(blobs, tuple(indices.T), -1.0)
    values += 80 * gaussian_filter(blobs, 2.5)
    positions = np.concatenate([truth.positions[:32] + rng.normal(0, 8, (32, 3)), rng.uniform(0, 390, (4, 3))])
    labels = np.append(truth.labels[:32], ["70S"] * 4)
    return values.astype(np.float32), truth, ParticleList.of(labels, positions, scores=rng.random(36))


def test_the_slab_holds_the_most_particles_and_lies_within_the_tomogram() -> None:
    picks = ParticleList.of("a", [[0, 0, 300], [0, 0, 310], [0, 0, 20], [np.nan, 0, 0], [0, 0, -900]])
    slab = crowded_slab((40, 64, 96), picks, VOXEL, 0)
    assert slab.first <= 30 and slab.last > 31 and slab.last - slab.first == 12
    assert slab.holds(picks, VOXEL).sum() == 2
    middle = crowded_slab((40, 64, 96), ParticleList.of("a", np.empty((0, 3))), VOXEL, 0)
    assert (middle.first, middle.last) == (14, 26)
    thin = crowded_slab((3, 64, 96), picks, VOXEL, 0)
    assert (thin.first, thin.last) == (0, 3)
    column, row = crowded_slab((40, 64, 96), picks, VOXEL, 1).places(picks.take([0]), VOXEL)
    assert (column[0], row[0]) == (0, 30)


def test_picks_and_particles_are_drawn_in_the_colours_of_their_classes(seed: int, tmp_path: Path) -> None:
    values, truth, picks = scene(seed)
    marks = marks_of(truth.classes)
    draw_slices(tmp_path / "bare.png", values, VOXEL, picks.take([]), title="No picks")
    draw_slices(tmp_path / "picks.png", values, VOXEL, picks, truth=truth)
    for name in ("70S", "GroEL"):
        bare, drawn = (has(pixels(tmp_path / f"{which}.png"), marks[name].colour) for which in ("bare", "picks"))
        assert bare < 20 and drawn > 200


def test_every_class_has_a_mark_of_its_own() -> None:
    assert len(set(marks_of(map(str, range(30))).values())) == 30


def test_a_surface_has_the_size_of_the_density_at_the_level() -> None:
    pytest.importorskip("pyvista", reason="the extra 'view' draws surfaces")
    axes = np.meshgrid(*[np.arange(40) - 20.0] * 3, indexing="ij")
    # Longest along x, then y: z, the depth of the front view, is the first axis of the array.
    radius = np.sqrt((axes[2] / 15) ** 2 + (axes[1] / 10) ** 2 + (axes[0] / 6) ** 2)
    front, side, _, _ = draw_surface(10 - 10 * radius, 0.0, VIEWS, 200)
    for picture, width, height in ((front, 30, 20), (side, 12, 20)):
        ink = (picture < 250).any(axis=-1)
        across, down = ink.any(axis=0).sum() / 5, ink.any(axis=1).sum() / 5
        assert across == pytest.approx(width, abs=1) and down == pytest.approx(height, abs=1)
    assert all((picture == 255).all() for picture in draw_surface(radius, 99.0, VIEWS[:1], 50))


def test_figures_and_the_page_are_drawn_without_pyvista(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setitem(__import__("sys").modules, "pyvista", None)
    values, truth, picks = scene(seed)
    score = evaluate(picks, truth)
    paths = [tmp_path / f"{name}.png" for name in ("confusion", "thresholds", "fsc", "averages")]
    draw_confusion(paths[0], {name: (list(score.classes), score.confusion) for name in "abcd"})
    draw_thresholds(paths[1], {name: each.curve for name, each in score.classes.items()})
    frequency = np.linspace(0, 0.05, 20)
    curves = {"half sets": Shells(frequency, np.exp(-(frequency**2) * 2000), 32.1), "random": Shells(frequency, 0 * frequency, np.inf)}  # fmt: skip
    draw_fsc(paths[2], curves)
    draw_averages(paths[3], {"70S": values[:32, :32, :32], "GroEL": values[8:40, :32, :32]}, VOXEL)
    for path in paths:
        assert pixels(path).std() > 10, path
    page = tmp_path / "page.html"
    table = [("class", "F1"), *((name, f"{each.counts.f1:.2f}") for name, each in score.classes.items())]
    section = Section(
        "Picks", ["<b> is text."], table, [Shown(path, path.stem) for path in paths], ["holly-triton tomo"]
    )
    write_sections(page, "A tomogram", "Most particles were found.", [section], ["A warning."])
    text = page.read_text(encoding="utf-8")
    assert (
        text.count("data:image/png") == len(paths)
        and "&lt;b&gt;" in text
        and "http" not in text.replace("http-equiv", "")
    )


def test_picks_over_a_mask_are_drawn_with_a_word(seed: int, tmp_path: Path) -> None:
    values, truth, picks = scene(seed)
    write_particles(tmp_path / "picks.csv", picks)
    said = {}
    for name, volume in (("tomogram", values), ("mask", (values > 0).astype(np.float32))):
        write_volume(tmp_path / f"{name}.mrc", volume.astype(np.float32), VOXEL)
        drawn = render_picks(tmp_path / f"{name}.mrc", tmp_path / "picks.csv", tmp_path / f"{name}.png")
        assert pixels(tmp_path / f"{name}.png").std() > 10
        said[name] = [one for one in drawn.said if "mask" in one and "2 different values" in one]
    assert not said["tomogram"] and len(said["mask"]) == 1


def test_no_curves_and_no_classes_pass(tmp_path: Path) -> None:
    none = ParticleList.of("a", np.empty((0, 3)))
    score = evaluate(none, none)
    draw_thresholds(tmp_path / "none.png", {"all": score.overall.curve})
    draw_confusion(tmp_path / "none.png", {"none": (list(score.classes), score.confusion)})
