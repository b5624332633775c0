"""The README: one page, whose commands exist and whose imports work. Its links, and those of the pages in docs/, lead to files."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from holly_triton.cli import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^    (.+)$", README, flags=re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MADE = [
    f"docs/reference/{name}.md"
    for name in ("index", "commands", "commands-frames", "commands-tomo", "settings", "messages")
]
"""Pages that docs/hooks/reference.py makes when the site is built."""
LONGEST = 70
"""Lines: one page. What does not fit belongs into docs/."""


def test_it_is_one_page() -> None:
    assert len(README.splitlines()) <= LONGEST


@pytest.mark.parametrize("line", [part for block in BLOCKS for part in re.findall(r"holly-triton ([^&]+)", block)])
def test_its_commands_exist(line: str) -> None:
    """tests/test_tutorials.py runs commands; the demonstrations have tests of their own."""
    words = [word for word in line.split() if not word.startswith("-") and "." not in word and word != "run"]
    assert CliRunner().invoke(main, [*words, "--help"]).exit_code == 0


def test_the_test_command_is_what_the_continuous_check_runs() -> None:
    install, test = next(line for line in BLOCKS if "pytest" in line).split(" && ")
    check = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert install.replace("pip install", "pip install --quiet") in check
    assert test in check


@pytest.mark.parametrize(
    "line", [line for line in BLOCKS if line.startswith(("from holly_triton", "import holly_triton"))]
)
def test_the_imports_work(line: str) -> None:
    exec(compile(line, "README.md", "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_lead_to_files_of_the_repository(page: Path) -> None:
    made = {ROOT / name for name in MADE}
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    places = [(page.parent / link).resolve() for link in links if not link.startswith("http")]
    assert [str(place) for place in places if not place.is_file() and place not in made] == []
