"""Which part of the program may import which, and what stays unimported until it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import holly_triton

PACKAGE = Path(holly_triton.__file__).parent
ALLOWED = {"core": {"core"}, "geometry": {"core", "geometry", "kernels"}}
FAMILIES = {"particles", "frames", "tomography"}
SHARED = ("core", "geometry", "io", "report", "validation", "view", "kernels", "structures.py")
"""What the families share; the command line, ``api``, projects, the plugin for napari and the benchmarks of ``harness`` stand above them."""


def imported(path: Path) -> set[str]:
    """Parts of the package that a module imports, wherever in it."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            names.add(".".join([*above, *([node.module] if node.module else [])]))
    return {parts[1] for name in names if (parts := name.split("."))[0] == "holly_triton" and len(parts) > 1}


@pytest.mark.parametrize("part", ALLOWED)
def test_what_knows_no_science_imports_none(part: str) -> None:
    modules = sorted((PACKAGE / part).rglob("*.py"))
    assert modules
    for module in modules:
        assert imported(module) <= ALLOWED[part], module


@pytest.mark.parametrize("part", [*SHARED, *sorted(FAMILIES)])
def test_families_import_each_other_in_no_direction_and_nothing_shared_imports_one(part: str) -> None:
    modules = sorted((PACKAGE / part).rglob("*.py")) or [PACKAGE / part]
    for module in modules:
        assert not imported(module) & (FAMILIES - {part}), module


def test_every_part_is_shared_or_a_family_or_above_them() -> None:
    above = {"commands", "doctor", "harness", "napari", "project", "__init__.py", "__main__.py", "api.py", "cli.py"}
    found = {path.name for path in PACKAGE.iterdir() if path.suffix in ("", ".py") and path.name != "__pycache__"}
    assert found == above | FAMILIES | {*SHARED}


def test_the_public_names_are_found_and_listed() -> None:
    for name in holly_triton.__all__:
        assert getattr(holly_triton, name) is not None
        assert name in dir(holly_triton)
    assert holly_triton.__version__
    with pytest.raises(AttributeError, match="no_such_name"):
        holly_triton.no_such_name  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import holly_triton, sys; print({'torch', 'numpy', 'scipy', 'rich', 'click'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
