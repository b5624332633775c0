import base64
import csv
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from holly_triton.cloud import write_cloud
from holly_triton.errors import HollyError
from holly_triton.report import write_report

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
        "command": f"holly-triton train '{HOSTILE}' --seed 7", "history": steps, "evaluation": EVALUATION,
    }  # fmt: skip


def write_poses(run: Path, count: int = 960) -> None:
    turns = Rotation.random(count, 1).as_rotvec()
    with (run / "poses.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "rx", "ry", "rz", "tx_nm", "ty_nm", "sigma_nm", "loss"])
        writer.writerows([f"{i}", *turn, 0, 0, 5, 1] for i, turn in enumerate(turns))


def write_pictures(run: Path) -> None:
    (run / "pictures").mkdir()
    rng = np.random.default_rng(0)
    images = rng.random((12, 24, 24)).astype(np.float32)
    names = np.array([HOSTILE, *(f"{i}/0" for i in range(11))])
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
    write_poses(run)
    write_pictures(run)
    (run / "metrics.json").write_text(json.dumps(metrics()))
    write_report(run)
    return run


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """The words that a reader sees, the tags, and what the pictures show."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.tags, self.pictures = "", set[str](), list[bytes]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                kind, content = (value or "").split(";base64,")
                assert kind in ("data:image/png", "data:image/svg+xml")
                self.pictures.append(base64.b64decode(content, validate=True))

    def handle_data(self, data: str) -> None:
        self.words += data


def words(page: str) -> str:
    return " ".join(Reader(page).words.split())


def test_the_answer_comes_first(page: str) -> None:
    answer = words(page)[: words(page).index("The structure")]
    extents = [float(number) for number in re.findall(r"([\d.]+) × ([\d.]+) × ([\d.]+) nm", answer)[0]]
    assert extents == [420, 180, 60]
    assert re.search(r"Points ?420 ?from 960 pictures", answer)
    assert "4.21 nm" in answer and "2.61 nm" in answer
    assert "Projections cannot tell a structure from its mirror image" in answer
    assert "here the mirror image" in answer


def test_the_page_needs_nothing_from_outside(run: Path, page: str) -> None:
    reader = Reader(page)
    assert not re.search(r"https?://|@import|url\(", page)
    assert not reader.tags & {"script", "link", "iframe", "object"}
    assert all(picture.startswith((b"\x89PNG", b"<?xml")) for picture in reader.pictures)
    # Cloud, truth, 12 pairs, directions, curves.
    assert len(reader.pictures) == 2 + 24 + 1 + 1
    assert (run / "report.html").stat().st_size < 5 * 2**20


def test_strings_from_data_stay_words(page: str) -> None:
    assert "<script" not in page
    assert words(page).count(HOSTILE) == 4  # name of a picture, note, data, command


def test_it_says_how_to_repeat_the_run(page: str) -> None:
    assert f"holly-triton train '{HOSTILE}' --seed 7" in words(page)
    assert "holly-triton train --config config.toml" in words(page)


def test_it_counts_the_directions_of_view(page: str) -> None:
    cells, even, least, most = re.findall(
        r"into (\d+) cells.* hold (\d+\.\d) pictures; the emptiest holds (\d+), the fullest (\d+)", words(page)
    )[0]
    assert int(cells) * float(even) == pytest.approx(960, rel=0.01)
    assert int(least) < float(even) < int(most) < 4 * float(even)


def test_reprojections_are_written_as_a_picture_too(run: Path) -> None:
    with Image.open(run / "pictures" / "reprojections.png") as picture:
        assert picture.width > 1000


def test_pages_are_quick_to_write(run: Path) -> None:
    start = time.monotonic()
    write_report(run)
    assert time.monotonic() - start < 10


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
        "no poses (poses.csv)", "No loss or sigma was recorded", "No figures were recorded", "Nothing was recorded",
    ):  # fmt: skip
        assert sentence in text


def test_a_stopped_run_without_truth_says_so(run: Path, tmp_path: Path) -> None:
    write_cloud(tmp_path / "cloud.ply", np.eye(4, 3) * 50)
    figures = {**metrics(), "finished": False, "step": 40, "steps": 900, "notes": [], "history": [], "evaluation": None}
    (tmp_path / "metrics.json").write_text(json.dumps(figures))
    text = words(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "stopped before its end, at step 40 of 900" in text
    assert "so there is no score" in text
    assert "Nothing was skipped, nothing assumed." in text


@pytest.mark.parametrize(
    ("name", "content"),
    [("metrics.json", "{"), ("metrics.json", "[]"), ("poses.csv", "picture,rx\n1,0.5\n"), ("cloud.ply", "ply\n")],
)
def test_a_damaged_file_is_named_in_one_line(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(HollyError, match=name) as fault:
        write_report(tmp_path)
    assert "\n" not in str(fault.value)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="is no folder"):
        write_report(tmp_path / "absent")
