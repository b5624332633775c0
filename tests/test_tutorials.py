"""The tutorials' commands, word for word and in their order; the long ones made brief by options that they have for it.

With HOLLY_TRITON_TUTORIALS=whole, as at night, nothing is made brief.
"""

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from holly_triton.cli import main

DOCS = Path(__file__).resolve().parents[1] / "docs"
WHOLE = os.environ.get("HOLLY_TRITON_TUTORIALS") == "whole"
BRIEF = """
points = 24
checkpoint_every = 5
[schedule]
search_steps = 20
rescue_passes = 0
polish_steps = 4
refine_steps = 2
[search]
candidates = 100
"""
BRIEF_NETWORK = """
minutes = 1.0
[validation]
times = 1
frames = 8
side_px = 32
final_frames = 20
sparse_frames = 20
"""
BRIEFER = {
    "train": ["--config", "brief.toml"],
    "simulate": ["--images", "40"],
    "process": ["--quick", "--points", "24"],
    "frames simulate": ["--frames", "80"],
    "frames train": ["--config", "network.toml", "--minutes", "0.02", "--width", "4"],
    "frames undrift": ["--segment", "100"],
    "tomo simulate": ["--quick", "--tomograms", "2"],
    "tomo train": ["--minutes", "0.02", "--width", "4"],
    "tomo match": ["--angle", "90"],
    "tomo simulate --subtomograms": ["--subtomograms", "6"],
    "tomo classify": ["--epochs", "2"],
    "tomo discover": ["--quick", "--average", "1", "--classes", "1", "--most", "10"],
    "tomo average": ["--iterations", "1", "--control", "4", "--box", "250"],
}
"""Options added so that a test takes seconds."""


def commands(page: str) -> list[str]:
    """The lines of a page's blocks of bash."""
    text = (DOCS / "tutorials" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


PAGES = ("particles", "frames", "tomography")
LINES = [(page, line) for page in PAGES for line in commands(page)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An empty folder for each tutorial, but for the settings that make commands brief."""
    made = {page: tmp_path_factory.mktemp(page) for page in PAGES}
    for folder in made.values():
        (folder / "brief.toml").write_text(BRIEF)
        (folder / "network.toml").write_text(BRIEF_NETWORK)
    return made


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line}" for page, line in LINES])
def test_the_commands_of_the_tutorials_work_in_their_order(
    reader: dict[str, Path], page: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line.startswith("holly-triton ")
    words = shlex.split(line)[1:]
    name = " ".join(words[:2]) if words[0] in ("frames", "tomo") else words[0]
    name += " --subtomograms" if "--subtomograms" in words else ""
    briefer = [] if WHOLE or "--resume" in words else BRIEFER.get(name, [])
    monkeypatch.chdir(reader[page])
    monkeypatch.setenv("PYVISTA_OFF_SCREEN", "true")
    if not WHOLE and "--model" in words and name in ("frames localise", "process"):
        words[words.index("--model") + 1] = "default"  # what so brief a training finds is too little for what follows
    ran = CliRunner().invoke(main, [*words, *briefer])
    assert ran.exit_code == 0, ran.output
    if not WHOLE and name == "tomo pick":
        shutil.copy("new/truth.star", words[3])


def test_every_page_links_to_pages_that_exist_and_code_of_other_pages_names_commands_that_exist() -> None:
    """Mkdocs build --strict checks the links; the commands that how-to pages name are checked here."""
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        for line in re.findall(r"^holly-triton (.+)$", text, flags=re.MULTILINE):
            words = shlex.split(line.partition("#")[0])
            command = main
            while words and hasattr(command, "commands") and words[0] in command.commands:
                command = command.commands[words.pop(0)]
            assert command is not main or words[0].startswith("-"), f"{path}: holly-triton {line}"
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            for option in (word.partition("=")[0] for word in words if word.startswith("--")):
                assert option in known | {"--help"}, f"{path}: {option} in holly-triton {line}"
