import base64
import csv
import dataclasses
import hashlib
import json
import re
import time
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from holly_triton.core.errors import HollyError
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.io.metrics import HeldOut, Metrics
from holly_triton.particles.config import Config
from holly_triton.particles.run.results import BALL_POINTS, _ball, write_results
from holly_triton.particles.run.run import start_run
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_files import write_simulation
from holly_triton.particles.sparse.config import Sparse
from holly_triton.report import charts, find_figures, write_report
from holly_triton.report.evaluation import explain_alignment
from holly_triton.report.folder import read_folder
from holly_triton.report.headline import headline
from holly_triton.report.measurements import explain
from holly_triton.report.numbers import scatter
from holly_triton.report.tables import LABELS, changed_settings, tables
from holly_triton.report.warnings import warnings
from holly_triton.structures import nuclear_pore
from holly_triton.validation.alignment import align
from holly_triton.validation.angular_order import confirm_order
from holly_triton.validation.consensus import find_consensus
from holly_triton.validation.coverage import find_views
from holly_triton.validation.fsc import find_resolution
from holly_triton.validation.pose_error import find_pose_error
from holly_triton.view.orientation import upright

HOSTILE = "<script>alert('17')</script>"
EVALUATION = {
    "rmsd": 4.21, "rmsd_truth_to_cloud": 3.9, "rmsd_cloud_to_truth": 4.5, "median": 2.61, "mirrored": True,
    "unit": "nm", "rmsd_units": 0.0142, "unit_nm": 297.0, "points": 400, "truth_points": 112,
}  # fmt: skip


def metrics() -> dict[str, Any]:
    """What train writes, with markup in every string that comes from data."""
    sizes = (16, 16, 32, 32)
    steps = [{"step": i, "seconds": i / 2, "sigma_nm": 90 / (i + 1), "loss": 9 - i, "size": sizes[i]} for i in range(4)]
    return {
        "finished": True, "pictures": 960, "seed": 7, "notes": [f"skipped {HOSTILE}"], "data": {"source": HOSTILE},
        "history": steps, "evaluation": EVALUATION, "loss": 30.0, "sigma_nm": 4.0,
    }  # fmt: skip


def write_poses(run: Path, rotation: Rotation) -> None:
    with (run / "poses.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "rx", "ry", "rz", "tx_nm", "ty_nm", "sigma_nm", "loss"])
        writer.writerows([i, *turn, 0, 0, 5, 31.4] for i, turn in enumerate(rotation.as_rotvec()))


def from_the_top(count: int) -> Rotation:
    """Turned in the plane at random, and tilted by a degree or two."""
    rng = np.random.default_rng(3)
    spin = Rotation.from_rotvec(np.outer(rng.uniform(0, 2 * np.pi, count), [0, 0, 1]))
    return spin * Rotation.from_rotvec(rng.normal(size=(count, 3)) * [0.02, 0.02, 0])


def write_pictures(run: Path) -> None:
    (run / "pictures").mkdir()
    rng = np.random.default_rng(0)
    images = rng.random((12, 24, 24)).astype(np.float32)
    names = np.array([HOSTILE, *range(11)])
    np.savez_compressed(
        run / "pictures" / "reprojections.npz", inputs=images, reprojections=images, names=names, pixel_nm=10.0
    )
    for name in ("cloud.png", "truth.png"):
        noise = rng.integers(0, 256, (400, 400, 3), dtype=np.uint8)
        Image.fromarray(noise).save(run / "pictures" / name)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("a <b> run")
    grid = np.stack(np.meshgrid(np.linspace(-210, 210, 12), np.linspace(-90, 90, 7), np.linspace(-30, 30, 5)), axis=-1)
    write_cloud(run / "cloud.ply", grid.reshape(-1, 3) @ Rotation.from_rotvec([0.3, -0.8, 0.5]).as_matrix())
    write_poses(run, Rotation.random(960, 1))
    (run / "config.toml").write_text(f'data = """{HOSTILE}"""\nseed = 7\n')
    write_pictures(run)
    (run / "metrics.json").write_text(json.dumps(metrics()))
    write_report(run)
    return run


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """The words that a reader sees, the tags, the scripts, and what the pictures show."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.tags, self.pictures = "", list[str](), list[bytes]()
        self.inside = dict.fromkeys(("style", "script"), "")
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                kind, content = (value or "").split(";base64,")
                assert kind in ("data:image/png", "data:image/svg+xml")
                self.pictures.append(base64.b64decode(content, validate=True))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] in self.inside:
            self.inside[self.tags[-1]] += data
        else:
            self.words += data

    def handle_endtag(self, tag: str) -> None:
        self.tags.append("/" + tag)


def words(page: str) -> str:
    return " ".join(Reader(page).words.split())


def test_the_answer_comes_first(page: str) -> None:
    answer = words(page)[: words(page).index("The structure")]
    assert re.match(r".* A structure of 420 x 180 x 60 nm;", answer)
    extents = [float(number) for number in re.findall(r"([\d.]+) × ([\d.]+) × ([\d.]+) nm", answer)[0]]
    assert extents == [420, 180, 60]
    assert re.search(r"Points ?420 ?from 960 pictures", answer)
    assert "4.21 nm" in answer and "2.61 nm" in answer
    assert "mirror image" in answer


def test_a_sound_run_has_no_warning(page: str) -> None:
    assert 'class="warnings"' not in page


def test_the_page_needs_nothing_from_outside(run: Path, page: str) -> None:
    reader = Reader(page)
    assert not re.search(r"https?://|@import|url\(", page)
    assert not {"link", "iframe", "object"}.intersection(reader.tags)
    assert all(picture.startswith((b"\x89PNG", b"<?xml")) for picture in reader.pictures)
    # Cloud, truth, 12 inputs with reprojection and difference, directions, curves.
    assert len(reader.pictures) == 2 + 36 + 1 + 1
    assert (run / "report.html").stat().st_size < 5 * 2**20


def test_the_only_script_is_ours_and_browsers_are_told_so(page: str) -> None:
    reader = Reader(page)
    assert reader.tags.count("script") == 1
    digest = base64.b64encode(hashlib.sha256(reader.inside["script"].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_strings_from_data_stay_text(page: str) -> None:
    assert page.count("<script") == 1
    assert words(page).count(HOSTILE) == 5  # name of a picture, note, data, and twice the configuration


def test_it_says_how_to_repeat_the_run(page: str) -> None:
    assert "holly-triton train --config config.toml" in words(page)
    assert "seed = 7." in words(page)


def test_the_points_are_in_the_page(run: Path, page: str) -> None:
    table = drawn(page)
    points = read_cloud(run / "cloud.ply").points
    points = points @ upright(points).frame
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    np.testing.assert_allclose(table[:, :3], points - middle, atol=1e-3)
    np.testing.assert_allclose(np.ptp(table[:, :3], axis=0), [420, 180, 60], atol=1e-3)


def drawn(page: str) -> NDArray[np.float32]:
    """What the script is given: x, y, z and colour of each point."""
    held = re.search(r'data-points="([^"]+)"', page)
    assert held is not None
    return np.frombuffer(base64.b64decode(held[1]), dtype="<f4").reshape(-1, 4)


def test_it_counts_the_directions_of_view(page: str) -> None:
    cells, even, least, most = re.findall(
        r"into (\d+) cells.* hold (\d+\.\d) pictures; the emptiest holds (\d+), the fullest (\d+)\.", words(page)
    )[0]
    assert int(cells) * float(even) == pytest.approx(960, rel=0.01)
    assert int(least) < float(even) < int(most) < 4 * float(even)


def warned(folder: Path) -> str:
    """The warnings that the page of a folder would bear."""
    contents = read_folder(folder)
    return " ".join(
        warnings(contents, None if contents.rotation is None else find_views(contents.rotation, contents.symmetry))
    )


def test_views_from_the_top_alone_are_a_warning(tmp_path: Path) -> None:
    write_cloud(tmp_path / "cloud.ply", np.random.default_rng(0).normal(size=(50, 3)) * (50, 50, 20))
    write_poses(tmp_path, from_the_top(200))
    text = warned(tmp_path)
    assert "no picture shows the structure from the side" in text
    assert re.search(r"the line of sight of the front view. The extent along that axis \(\d+", text)
    assert "collapsed" not in text


def test_directions_are_those_of_the_structure_as_it_is_drawn(tmp_path: Path) -> None:
    """A pore that lies along x, seen from its top alone: drawn, that is the line of sight of the front view."""
    lying = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    write_cloud(tmp_path / "cloud.ply", nuclear_pore() @ lying)
    write_poses(tmp_path, from_the_top(200) * Rotation.from_matrix(lying))
    c8 = {"name": "C8", "verdict": "symmetric", "supported": True, "axis": [1, 0, 0], "rmsd": 0.0}
    (tmp_path / "metrics.json").write_text(json.dumps({"symmetry": [c8]}))
    height = re.findall(
        r"the line of sight of the front view. The extent along that axis \(([\d.]+) nm", warned(tmp_path)
    )
    assert float(height[0]) == pytest.approx(62.1, rel=0.1)  # the axes looked at are 4 degrees apart
    contents = read_folder(tmp_path)
    assert abs(contents.symmetry[0]["axis"][2]) == pytest.approx(1, abs=1e-3)


def test_the_axis_that_is_seen_least_is_found() -> None:
    """Of even directions half see an axis from the side, whichever it is; without those from its side, none do."""
    rotation = Rotation.random(4000, 5)
    axis = np.array([0.48, -0.6, 0.64])
    even = find_views(rotation.as_matrix())
    assert 0.9 < even.side_share < 1
    assert even.alike < 0.01
    keep = np.abs(rotation.as_matrix()[:, 2] @ axis) > 0.6
    biased = find_views(rotation[keep].as_matrix())
    assert abs(biased.axis @ axis) > np.cos(np.deg2rad(10))
    assert biased.side_share < 0.1


def test_views_that_a_symmetry_makes_alike_count_at_all_of_them() -> None:
    """Pictures of a pore may all be put into one eighth of the sphere: nothing is missing for that."""
    matrices = Rotation.random(20_000, 5).as_matrix()
    eighth = matrices[np.abs(np.arctan2(matrices[:, 2, 1], matrices[:, 2, 0])) < np.pi / 8]
    c8 = {"name": "C8", "verdict": "nearly", "axis": [0, 0, 1], "rmsd": 5.0}
    assert find_views(eighth).side_share < 0.6
    assert find_views(eighth, [c8]).side_share > 0.9
    assert find_views(eighth, [{**c8, "verdict": "not"}]).copies == 1
    assert find_views(eighth, [{**c8, "name": "C11", "rmsd": 6.0}, c8]).copies == 8
    assert find_views(eighth, [c8]).cells.sum() == pytest.approx(len(eighth))


def test_poses_that_collapsed_are_a_warning(tmp_path: Path) -> None:
    write_cloud(tmp_path / "cloud.ply", np.random.default_rng(0).normal(size=(50, 3)) * 50)
    lost, rest = (Rotation.random(80, 2)[:20].as_quat(), np.tile([0.5, 0.5, 0.5, 0.5], (60, 1)))
    write_poses(tmp_path, Rotation.from_quat(np.concatenate([lost, rest])))
    text = warned(tmp_path)
    assert "75% of the pictures ended in nearly one pose" in text


@pytest.mark.parametrize(
    ("blur", "said"), [(0.07, "less than 1"), (0.97, "less than 1"), (1.234, "1.2"), (3.96, "4"), (123.4, "120")]
)
def test_scatter_that_is_not_distinguishable_from_none_is_a_bound(blur: float, said: str, tmp_path: Path) -> None:
    assert scatter(blur, 4.0) == said
    (tmp_path / "metrics.json").write_text(json.dumps({"sigma_nm": 4.0, "blur_nm": blur}))
    assert f"Label scatter (s.d.) about the points, nm{said} " in words(write_report(tmp_path).read_text())


def test_every_figure_has_a_label_in_words(tmp_path: Path) -> None:
    """Whatever a run, a study or an evaluation records: a key of the JSON is no label for a reader."""
    rng = np.random.default_rng(0)
    cloud = nuclear_pore()
    turns = Rotation.random(40, 1).as_matrix()
    shifts = rng.normal(size=(40, 2))
    evaluation = {**align(cloud, cloud).figures(), "poses": find_pose_error(turns, shifts, turns, shifts).figures()}
    common = find_consensus([cloud, cloud + rng.normal(size=cloud.shape)])
    order = confirm_order(common.aligned[0], common.aligned[1])
    held_out = HeldOut(48, 48, 31.0, 30.0, 0.155, 0.15, ["17"])
    counted = {int | None, float | None, bool | None}
    scalars = {field.name: 1 for field in dataclasses.fields(Metrics) if field.type in counted}
    figures = dataclasses.asdict(Metrics(
        held_out=held_out, evaluation=evaluation, consensus=common.figures(), angular_order=order,
        resolution=find_resolution(cloud, cloud, 4.0).figures(),
    )) | scalars  # fmt: skip
    shown = [label for _, rows in tables(figures, "x") for label, _ in rows] + [
        name for name, _ in tables(figures, "x")
    ][1:]
    assert len(shown) > 50 and {*shown} <= {*LABELS.values()}
    assert ("Loss of held-out particles", "31") in dict(tables(figures))["Held-out particles"]


def test_changed_settings_are_those_of_toml() -> None:
    settings = {"data": "a b.csv", "prune": True, "schedule": {"sizes": (16, 32), "starts": 4}}
    said = changed_settings(settings, {"schedule": {"starts": 4}})
    assert tomllib.loads("\n".join(said)) == {"data": "a b.csv", "prune": True, "schedule": {"sizes": [16, 32]}}


def test_no_two_labels_of_an_axis_are_alike() -> None:
    """The losses of a run in 3D are large and close to each other, and its sigma may be one."""
    history = [{"step": i, "loss": 231640.0 + 900 * i, "sigma_nm": 0.413, "size": 0} for i in range(9)]
    chart = charts.curves(history)
    assert chart is not None
    labels = re.findall("<!-- (.*?) -->", base64.b64decode(chart.split(",", 1)[1]).decode())
    losses = [label for label in labels if label.startswith("23") and len(label) == 6]
    assert len({*losses}) == len(losses) >= 3 and not any("e+" in label or "10^" in label for label in labels)


def test_a_floor_of_nothing_is_left_out() -> None:
    """Every site of the truth can be held by a cloud of as many points: 0 nm would be read as a result."""
    figures = align(nuclear_pore(), nuclear_pore()).figures()
    assert figures["sampling_floor"] == 0 and "sampling" not in explain_alignment(figures)
    assert LABELS["sampling_floor"] not in dict(dict(tables(figures))["The run"])
    assert "as many points differ by 3.2 nm" in explain_alignment({**figures, "sampling_floor": 3.2})


def test_the_data_are_named(tmp_path: Path) -> None:
    files = [{"name": f"{number}.csv", "bytes": 1234, "blake2b": "ab12"} for number in range(7)]
    figures = {**metrics(), "data_path": "/data/pores", "data_files": files, "localisations": 5678}
    (tmp_path / "metrics.json").write_text(json.dumps(figures))
    text = words(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "/data/pores, 7 files: 5 678 localisations" in text
    assert "0.csv" in text and "ab12" in text and "2 more files" in text


def test_a_ball_of_many_points_is_no_larger_than_it_must_be() -> None:
    assert len(_ball(torch.randn(50_000, 3))) == len(_ball(torch.randn(7, 3))) == BALL_POINTS


def test_a_structure_that_explains_nothing_is_a_warning(tmp_path: Path) -> None:
    """Were it a perfect ring, nothing but the pictures can say that it is one."""
    write_cloud(tmp_path / "cloud.ply", nuclear_pore())
    (tmp_path / "metrics.json").write_text(json.dumps({"loss_of_structure": 86.8, "loss_of_ball": 101.2}))
    text = words(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "a masked L1 of 87, a structureless control 101 (lower is better" in text
    assert "no shape or symmetry is reported" in text
    assert "A ring" not in text and "C8" not in text
    hardly = {"loss_of_structure": 86.8, "loss_of_ball": 101.2, "resolution": {"verdict": "measured", "resolution": 20}}
    (tmp_path / "metrics.json").write_text(json.dumps(hardly))
    assert headline(find_figures(tmp_path)).startswith("A ring, 96")  # two halves agree: that is better evidence
    (tmp_path / "metrics.json").write_text(json.dumps({"loss_of_structure": 45.7, "loss_of_ball": 63.8}))
    assert "A ring, 96" in words(write_report(tmp_path).read_text(encoding="utf-8"))


def test_the_loss_of_pictures_of_few_labels_refuses_no_shape(tmp_path: Path) -> None:
    """Right structures leave as much of these as of noise, so that only the caution remains."""
    write_cloud(tmp_path / "cloud.ply", nuclear_pore())
    (tmp_path / "metrics.json").write_text(
        json.dumps({"loss_of_structure": 95.0, "loss_of_ball": 101.2, "few_labels": True})
    )
    figures = find_figures(tmp_path)
    assert headline(figures).startswith("A ring, 96") and figures["explained"] is None
    several = headline({**figures, "channels": {"pore": {}, "plug": {}}})
    assert (
        several.startswith("A structure of ") and "of the channels pore and plug" in several and "ring" not in several
    )
    assert "few localisations" in figures["warnings"][0] and "Poor fit" not in " ".join(figures["warnings"])
    (tmp_path / "metrics.json").write_text(
        json.dumps({"loss_of_structure": 45.7, "loss_of_ball": 63.8, "few_labels": True})
    )
    assert find_figures(tmp_path)["explained"] is True and "few localisations" not in warned(tmp_path)


@pytest.mark.parametrize(("poses", "most", "explained"), [("true", 40, True), ("lost", 0, False), ("lost", 40, None)])
def test_a_structure_is_explained_where_it_beats_a_ball(
    poses: str, most: int, explained: bool | None, tmp_path: Path
) -> None:
    """A run as if just finished: the true structure, under its true poses or under others.

    A loss that is hardly less than the ball's counts against it unless particles have few localisations.
    """
    sites = nuclear_pore()
    made = simulate(sites, 40, missing=0.3, generator=torch.Generator().manual_seed(0))
    write_simulation(tmp_path / "data", made)
    run = start_run(Config(data=str(tmp_path / "data"), sparse=Sparse(most=most)), tmp_path / "run")
    state = run.trainer.state
    state.points, state.log_blur = torch.tensor(sites, dtype=torch.float32), torch.tensor(1.0).log()
    if poses == "true":  # pictures are about the centroids of the labels that are there
        state.rotation, state.shift = made.rotation, made.shift - run.dataset.centres[:, :2].float()
    write_results(run)
    assert find_figures(tmp_path / "run")["explained"] is explained


def test_what_no_view_shows_is_not_in_the_answer(tmp_path: Path) -> None:
    write_cloud(tmp_path / "cloud.ply", nuclear_pore())
    write_poses(tmp_path, from_the_top(200))
    figures = find_figures(tmp_path)
    assert re.match(r"A ring, 96 nm across, its height uncertain", headline(figures))
    assert [warning.split(":")[0] for warning in figures["warnings"]] == ["Missing views"]
    assert "Warning: Missing views" in explain(figures)
    write_poses(tmp_path, Rotation.random(200, 1))
    assert "layers 59" in headline(find_figures(tmp_path))


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"points": 50, "points_outside": 1}, ""),
        ({"points": 50, "points_outside": 2}, "4% of the points lie outside the field of view"),
        ({"pictures": 100}, ""),
        ({"pictures": 9}, "Only 9 pictures"),
        ({"pictures": 9, "dimensions": 3}, "Only 9 particles"),
    ],
)
def test_few_outliers_are_no_warning_and_few_pictures_are(figures: dict[str, int], said: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(figures))
    assert warned(tmp_path).startswith(said) and bool(warned(tmp_path)) == bool(said)


def test_a_false_symmetry_is_a_warning(tmp_path: Path) -> None:
    write_cloud(tmp_path / "cloud.ply", np.eye(4, 3) * 50)
    verdicts = (("C2", "symmetric", False), ("C3", "nearly", False), ("mirror", "symmetric", True))
    verdicts += (("C5", "symmetric", False),)
    lengths = {"rmsd": 1.0, "spacing": 9.0, "axis": [0, 0, 1]}
    found = [
        {"name": name, "verdict": verdict, "supported": held, "loss_change": 0.1 * number, **lengths}
        for number, (name, verdict, held) in enumerate(verdicts, start=1)
    ]
    (tmp_path / "metrics.json").write_text(json.dumps({"symmetry": found}))
    text = warned(tmp_path)
    assert "C2 by 10%, C5 by 40%" in text and "C3" not in text


@pytest.mark.parametrize(("loss", "warns"), [(31.0, False), (45.0, True)])
def test_held_out_particles_are_compared_with_training_particles(loss: float, warns: bool, tmp_path: Path) -> None:
    write_cloud(tmp_path / "cloud.ply", np.eye(4, 3) * 50)
    held = {"pictures": 48, "pictures_training": 48, "loss": loss, "loss_training": 30.0, "unexplained": loss / 200}
    held |= {"unexplained_training": 0.15, "names": ["17"]}
    (tmp_path / "metrics.json").write_text(json.dumps({**metrics(), "held_out": held}))
    text = words(write_report(tmp_path).read_text(encoding="utf-8"))
    assert f"{loss / 200:.1%} of the intensity unexplained, masked L1 {loss:.3g};" in text
    assert "15.0%, masked L1 30." in text
    assert ("Overfitting" in warned(tmp_path)) is warns


def study(folder: Path, resolution: dict[str, Any], agree: list[int]) -> str:
    """The words of a study of two halves, of which the second is the reference."""
    points = np.random.default_rng(0).normal(size=(50, 3)) * 50
    write_cloud(folder / "cloud.ply", points)
    table = np.column_stack([points, np.linspace(0, 9, 50)])
    np.savetxt(folder / "spread.csv", table, delimiter=",", header="x,y,z,spread", comments="")
    member = folder / "half-2"
    member.mkdir()
    write_poses(member, Rotation.random(300, 1))
    write_pictures(member)
    (member / "metrics.json").write_text(json.dumps({**metrics(), "loss": 30, "pictures": 301}))
    consensus = {"runs": 2, "reference": 2, "agree": agree, "extra_symmetries": [[], []]}
    curve = {"threshold": 0.143, "frequency_per_nm": [0, 0.1, 0.2], "correlation": [1, 0.4, 0.0], "limit": 5.0}
    findings = ["2 of 2 runs agree within 3 nm.", "The two halves differ."]
    figures = {
        "consensus": consensus, "resolution": {**curve, **resolution}, "findings": findings, "notes": [], "pictures": 601,
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(figures))
    return write_report(folder).read_text(encoding="utf-8")


def test_a_study_shows_the_pictures_and_the_curves_of_its_reference(tmp_path: Path) -> None:
    page = study(tmp_path, {"verdict": "measured", "resolution": 21.3}, [1, 2])
    assert "FSC 0.143): 21.3 nm" in words(page).split("Size")[0]
    assert "all are of half-2" in words(page)
    assert "Projections do not determine handedness" in words(page)
    assert len(Reader(page).pictures) == 36 + 3  # agreement of the halves, directions, curves
    assert 'class="warnings"' not in page
    assert drawn(page)[:, 3].max() >= 1


def test_runs_that_differ_and_halves_with_nothing_in_common_are_warnings(tmp_path: Path) -> None:
    page = study(tmp_path, {"verdict": "nothing in common", "resolution": 80.0}, [2])
    warnings = words(page)[: words(page).index("Size along")]
    assert "The runs differ." in warnings
    assert "The two halves differ." in warnings
    assert "FSC" not in warnings


def test_half_sets_that_were_made_are_not_advised(tmp_path: Path) -> None:
    study(tmp_path, {"verdict": "nothing in common", "resolution": None}, [1])
    half = tmp_path / "half-2" / "metrics.json"
    half.write_text(json.dumps({**metrics(), "loss_of_structure": 95, "loss_of_ball": 100}))
    poor = next(one for one in find_figures(tmp_path)["warnings"] if one.startswith("Poor fit"))
    assert "do not agree" in poor and "--half-sets" not in poor


def test_runs_of_which_no_two_agree_are_not_called_a_consensus(tmp_path: Path) -> None:
    page = study(tmp_path, {"verdict": "nothing in common", "resolution": 80.0}, [2])
    answer = words(page)[: words(page).index("Size along")]
    assert "No two of 2 runs agree, so there is no consensus; this is run 2 alone." in answer
    assert find_figures(tmp_path)["without_consensus"] == {"runs": 2, "run": 2}


@pytest.mark.parametrize(("agree", "pictures"), [([1, 2], 601), ([2], 301)])
def test_the_pictures_that_are_counted_are_those_of_the_cloud(agree: list[int], pictures: int, tmp_path: Path) -> None:
    page = study(tmp_path, {"verdict": "measured", "resolution": 20.0}, agree)
    assert f"from {pictures} pictures, each" in words(page)


def test_reprojections_are_written_as_a_picture_too(run: Path) -> None:
    with Image.open(run / "pictures" / "reprojections.png") as picture:
        assert picture.width > 1000


def test_pages_are_quick_to_write(run: Path) -> None:
    start = time.process_time()  # other programs share the clock
    write_report(run)
    assert time.process_time() - start < 10


def test_pictures_of_many_points_stay_below_the_limit(tmp_path: Path) -> None:
    """Two sheets of which two thirds are noise, as those of 100 000 points are at worst."""
    (tmp_path / "pictures").mkdir()
    for name in ("cloud.png", "truth.png"):
        sheet = np.full((1788, 1628, 3), 255, dtype=np.uint8)
        sheet[400:1600] = np.random.default_rng(0).integers(0, 256, (1200, 1628, 1), dtype=np.uint8)
        Image.fromarray(sheet).save(tmp_path / "pictures" / name)
    assert write_report(tmp_path).stat().st_size < 5 * 2**20


def test_an_empty_run_folder_gives_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    text = words(write_report(tmp_path).read_text(encoding="utf-8"))
    for sentence in (
        "has written no structure yet", "No picture of the structure was drawn", "has kept no input pictures",
        "no poses (poses.csv)", "No loss or sigma was recorded", "No figures were recorded", "No record of skipped data",
        "settings were not kept",
    ):  # fmt: skip
        assert sentence in text


def test_a_cloud_that_cannot_be_measured_gives_a_page_all_the_same(tmp_path: Path) -> None:
    """A line and one outlier: read_cloud takes it, measure leaves the outlier out."""
    line = np.outer(np.linspace(-50, 50, 11), [1.0, 0, 0])
    write_cloud(tmp_path / "cloud.ply", np.concatenate([line, [[0, 9000.0, 0]]]))
    assert "No shape can be measured" in words(write_report(tmp_path).read_text(encoding="utf-8"))


def test_a_stopped_run_without_truth_says_so(run: Path, tmp_path: Path) -> None:
    write_cloud(tmp_path / "cloud.ply", np.eye(4, 3) * 50)
    figures = {**metrics(), "finished": False, "step": 40, "steps": 900, "notes": [], "history": [], "evaluation": None}
    (tmp_path / "metrics.json").write_text(json.dumps(figures))
    text = words(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "stopped before its end, at step 40 of 900" in text and "train --resume" in text
    assert "not compared with a known structure" in text
    assert "No data were skipped" in text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", "{"),
        ("metrics.json", "[]"),
        ("poses.csv", "picture,rx\n1,0.5\n"),
        ("cloud.ply", "ply\n"),
        ("config.toml", "points = \n"),
    ],  # fmt: skip
)
def test_a_damaged_file_is_named_in_one_line(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(HollyError, match=name) as fault:
        write_report(tmp_path)
    assert "\n" not in str(fault.value)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="is no folder"):
        write_report(tmp_path / "absent")


def test_channels_of_the_data_and_figures_of_each_have_labels_of_their_own() -> None:
    figures = {"data": {"channels": "a, b"}, "evaluation": {"channels": {"a": 1.0}}}
    shown = dict(tables(figures))
    assert shown["Data"] == [("Channels", "a, b")]
    assert [rows for name, rows in shown.items() if "each channel" in name] == [[("a", "1")]]
