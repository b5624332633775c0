"""``holly-triton report``: results of all families on one page."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from holly_triton.cli import main
from holly_triton.io.clouds import write_cloud


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "white").save(path)


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Path]:
    """A folder of each kind, with as little as a command leaves, and a file with a picture beside it."""
    made = {name: tmp_path / name for name in ("run", "average", "classes", "found", "marks", "compared", "locs.csv")}
    for name in ("run", "average", "classes", "found"):
        made[name].mkdir()
    write_cloud(made["run"] / "cloud.ply", np.random.default_rng(0).normal(size=(30, 3)) * (60, 40, 20))
    (made["run"] / "metrics.json").write_text("{}")
    (made["average"] / "summary.json").write_text('{"particles": 8, "resolution_angstrom": 49.008, "halves": [4, 4]}')
    (made["average"] / "average.mrc").touch()
    (made["classes"] / "classes.csv").touch()
    (made["classes"] / "metrics.json").write_text('{"classes": ["a", "b"], "accuracy": 0.875}')
    (made["found"] / "clusters.csv").touch()
    (made["found"] / "metrics.json").write_text('{"clusters": 16, "consistent": null}')
    files = ("run/pictures/cloud.png", "average/fsc.png", "average/slices.png", "classes/confusion.png", "found/gallery.png",
             "marks/confusion.png", "marks/thresholds.png", "compared/rendered.png", "locs-preview.png")  # fmt: skip
    for file in files:
        picture(tmp_path / file)
    made["locs.csv"].touch()
    return made


def written(results: dict[str, Path], out: Path) -> str:
    ran = CliRunner().invoke(main, ["report", *map(str, results.values()), "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    return out.read_text(encoding="utf-8")


def test_each_result_has_a_section_with_its_figures_and_pictures(results: dict[str, Path], tmp_path: Path) -> None:
    page = written(results, tmp_path / "page.html")
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert [heading.partition(":")[0] for heading in headings] == list(results)
    assert len(re.findall(r"<img ", page)) == 9
    cells = re.findall(r"<td>([^<]*)</td>", page)
    for figure in ("49", "4 and 4", "0.875", "2", "16"):
        assert figure in cells
    assert "None" not in cells and "null" not in cells


def test_its_links_lead_somewhere_from_where_the_page_lies(results: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "else where").mkdir()
    out = tmp_path / "else where" / "page.html"
    page = written(results, out)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    targets = re.findall(r'href="([^"]+)"', page)
    assert len(targets) > 12
    for target in targets:
        if target.startswith("#"):
            assert f'id="{target[1:]}"' in page
        else:
            assert (out.parent / unquote(target)).exists(), target


def test_it_can_be_read_without_seeing_it(results: dict[str, Path], tmp_path: Path) -> None:
    page = written(results, tmp_path / "page.html")
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels.count(1) == 1 and set(levels) == {1, 2}
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in re.findall(r"<img [^>]+>", page))


@pytest.mark.parametrize("harm", ["missing", "unknown", "bare", "damaged"])
def test_what_is_no_result_is_named_in_one_line(harm: str, results: dict[str, Path], tmp_path: Path) -> None:
    given = tmp_path / harm
    if harm == "unknown":
        given.mkdir()
    elif harm == "bare":
        given.touch()
    elif harm == "damaged":
        given = results["average"]
        (given / "summary.json").write_text("{")
    ran = CliRunner().invoke(main, ["report", str(given), "--out", str(tmp_path / "page.html")])
    assert ran.exit_code == 1 and given.name in ran.output and len(ran.output.splitlines()) == 1
    assert not (tmp_path / "page.html").exists()


def test_a_page_must_be_named_as_one(results: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "page.png"
    out.write_bytes(b"a picture")
    ran = CliRunner().invoke(main, ["report", str(results["average"]), "--out", str(out)])
    assert ran.exit_code == 1 and ".html" in ran.output and out.read_bytes() == b"a picture"


def test_a_project_is_shown_by_its_steps(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "project.toml").write_text('data = "locs.csv"\n')
    step = {
        "options": {},
        "inputs": {},
        "outputs": {},
        "said": ["33 of 33 candidates were picked"],
        "seconds": 2.0,
        "done": True,
    }
    (project / "project.json").write_text(json.dumps({"version": 1, "steps": {"pick": step}}))
    page = written({"project": project}, tmp_path / "page.html")
    assert "33 of 33 candidates" in page and "not begun" in page


def test_a_deformation_is_stated_and_shown(results: dict[str, Path], tmp_path: Path) -> None:
    run = results["run"]
    found = {"particles": 80, "sd_nm": 3.2, "error_nm": 1.1, "seconds": 2.0, "held_out": None, "history": []}
    (run / "metrics.json").write_text(json.dumps({"deformation": found}))
    picture(run / "pictures" / "deformation.png")
    (run / "amplitudes.csv").touch()
    page = written({"run": run}, tmp_path / "page.html")
    assert len(re.findall(r"<img ", page)) == 2 and 'href="run/amplitudes.csv"' in page
    stated = dict(re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td></tr>", page))["Deformation"]
    assert "80 particles" in stated and "3.20 nm" in stated
    assert stated in CliRunner().invoke(main, ["measure", str(run)]).output
