"""``process --demo --quick``: the whole chain on a brief movie, its report, and what is repeated when an option changes."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.project.config import FOLDERS, LEDGER

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("process") / "demo"
    ran = CliRunner().invoke(main, ["process", "--demo", "--quick", "--out", str(folder)])
    assert ran.exit_code == 0, ran.output
    return folder


def seconds(project: Path) -> dict[str, float]:
    steps = json.loads((project / LEDGER).read_text(encoding="utf-8"))["steps"]
    return {name: step["seconds"] for name, step in steps.items()}


def test_every_step_has_its_folder_and_its_files(project: Path) -> None:
    wanted = {
        "calibrate": ["psf.h5", "psf.png"], "localise": ["localisations.hdf5", "localisations-preview.png"],
        "pick": ["particles.hdf5", "particles_overview.png"], "reconstruct": ["cloud.ply", "report.html"],
    }  # fmt: skip
    for step, files in wanted.items():
        for file in files:
            assert (project / FOLDERS[step] / file).is_file(), file


def test_the_report_is_one_file_that_needs_nothing_else_and_whose_links_lead_somewhere(project: Path) -> None:
    page = (project / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    targets = re.findall(r'href="([^"]+)"', page)
    assert len(targets) > 8
    for target in targets:
        if target.startswith("#"):
            assert f'id="{target[1:]}"' in page
        else:
            assert (project / target).exists(), target


def test_the_report_can_be_read_without_seeing_it(project: Path) -> None:
    """One h1, h2 below it and no gap; every picture has a text; tables have heads; the language is stated."""
    page = (project / "report.html").read_text(encoding="utf-8")
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1 and levels.count(1) == 1 and max(levels) == 2
    pictures = re.findall(r"<img [^>]+>", page)
    assert len(pictures) >= 4 and all(re.search(r'alt="[^"]{20,}"', picture) for picture in pictures)
    assert page.count("<table>") == len(re.findall(r'<thead><tr><th scope="col">', page))
    assert '<html lang="en">' in page and '<a class="skip"' in page


def test_what_is_done_is_not_repeated_and_a_changed_option_repeats_what_follows(project: Path) -> None:
    before = seconds(project)
    ran = CliRunner().invoke(main, ["process", "--resume", str(project)])
    assert ran.exit_code == 0, ran.output
    assert seconds(project) == before
    assert "holly-triton measure" in ran.output.splitlines()[-1]
    ran = CliRunner().invoke(main, ["process", "--resume", str(project), "--points", "60"])
    assert ran.exit_code == 0, ran.output
    after = seconds(project)
    assert {name for name in before if after[name] != before[name]} == {"reconstruct"}


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on the path")
@pytest.mark.parametrize("width", [400, 1400])
def test_the_report_fits_the_width_of_a_screen(project: Path, width: int, tmp_path: Path) -> None:
    """Nothing sticks out to the right: the page itself never scrolls sideways."""
    page = (project / "report.html").read_text(encoding="utf-8")
    probe = tmp_path / "probe.html"
    script = "<script>document.title = document.documentElement.scrollWidth</script>"
    policy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]+>', "", page)
    probe.write_text(
        f'<iframe id="f" style="width:{width}px;height:2000px;border:0"></iframe><script>f.srcdoc='
        f"{json.dumps(policy + script).replace('</', '<' + chr(92) + '/')};f.onload=()=>document.title="
        "f.contentDocument.title</script>",
        encoding="utf-8",
    )
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=5000"]
    shown = subprocess.run([*command, probe.as_uri()], capture_output=True, text=True, timeout=120).stdout
    found = re.search(r"<title>(\d+)</title>", shown)
    assert found is not None and int(found[1]) <= width, shown[:300]
