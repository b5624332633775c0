"""What is shipped, and that it imports wherever it lies."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from holly_triton.core.optional import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = "import holly_triton.kernels, holly_triton.harness"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = ("holly_triton", "kernels", "harness")
WITH_ANOTHER = {"markupsafe", "napari", "pynvml", "vtkmodules"}
"""Imported packages that come with jinja2 and with pyvista, napari, which loads the plugin, and one that the driver's users may add."""
NOT_ON_WINDOWS = {"fcntl", "grp", "posix", "pwd", "resource", "termios"}


def files_of_the_project() -> list[Path]:
    """Tracked files where git answers, else the sources by name."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split()] if listed.returncode == 0 else []


def copy_of_the_tree(folder: Path) -> Path:
    """A checkout without history, its links small text files, as git writes them on Windows."""
    for name in ("holly_triton", "kernels", "harness"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("kernels", "harness"):
        link = folder / "holly_triton" / name
        assert link.is_symlink(), f"holly_triton/{name} must be a tracked symlink"
        target = os.readlink(link)
        link.unlink()
        link.write_text(target)
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A checkout with text in place of links, the harder case; the continuous check builds from one with links."""
    return copy_of_the_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def wheel(tree, tmp_path_factory) -> Path:
    pytest.importorskip("build", reason="the 'build' package makes the wheel")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("*.whl"))


def inside(folder: str) -> Iterator[Path]:
    """Files of one of the trees of sources, without what Python writes there, or the links to the other two."""
    for base, folders, files in os.walk(ROOT / folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(base, name) for name in files)


def modules() -> list[Path]:
    return [path for name in SOURCES for path in inside(name) if path.suffix == ".py"]


def test_the_wheel_holds_every_file_of_the_sources_and_nothing_foreign(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    held = {name for name in names if ".dist-info/" not in name}
    sources = {path.relative_to(ROOT).as_posix() for path in inside("holly_triton")}
    sources |= {
        f"holly_triton/{path.relative_to(ROOT).as_posix()}" for name in ("kernels", "harness") for path in inside(name)
    }
    assert held == sources


def test_every_package_is_listed():
    folders = {path.parent.relative_to(ROOT) for path in modules() if path.name == "__init__.py"}
    names = {".".join(folder.parts).removeprefix("holly_triton.") for folder in folders} - {"holly_triton"}
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(
        ["holly_triton", *(f"holly_triton.{name}" for name in names)]
    )


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Names of the packages that a file imports, and whether at its top; what only type checkers read is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import):
                    yield from ((name.name.partition(".")[0], inner is node) for name in inner.names)
                elif isinstance(inner, ast.ImportFrom) and inner.level == 0:
                    yield (inner.module or "").partition(".")[0], inner is node


def test_whatever_is_imported_is_declared():
    """A package of an extra only through ``core.optional.require``, which names the extra where it is missing."""
    declared = {re.split("[<>=;]", line)[0].lower() for line in PROJECT["project"]["dependencies"]}
    distributions = packages_distributions()
    for path in modules():
        for package, _ in imports_of(path):
            if package in sys.stdlib_module_names or package == "holly_triton" or package in WITH_ANOTHER:
                continue
            assert package not in EXTRAS, f"{path}: import {package} by require()"
            assert {name.lower() for name in distributions.get(package, [package])} & declared, f"{path}: {package}"


def test_windows_can_import_every_module():
    tops = ((path, name) for path in modules() for name, top in imports_of(path) if top)
    assert [(path, name) for path, name in tops if name in NOT_ON_WINDOWS] == []


def test_the_wheel_imports_from_elsewhere(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {IMPORTS}"], cwd="/"
    )
    assert run.returncode == 0


@pytest.mark.parametrize("links", [True, False], ids=["links", "links-as-text"])
def test_a_bare_checkout_imports(links, request):
    folder = ROOT if links else request.getfixturevalue("tree")
    code = f"{IMPORTS}; print(holly_triton.kernels.__file__)"
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=without_path())
    assert Path(run.stdout.strip()).is_relative_to(folder), run.stderr


def without_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def test_help_answers_without_heavy_imports():
    """What costs time is torch and VTK, so look for these rather than at a clock that other programs share."""
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom holly_triton.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print([m for m in ('torch', 'pyvista', 'scipy', 'numpy', 'triton', 'rich', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


def test_nothing_large_is_tracked():
    files = files_of_the_project()
    if not files:
        pytest.skip("git, which knows what is tracked, is not here")
    weights = [ROOT / "holly_triton" / family / "weights" for family in ("frames", "tomography")]
    assert all(path.stat().st_size < (1.5e6 if path.parent in weights else 2**20) for path in files if path.is_file())


def test_the_wheel_holds_the_weights_with_their_record(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    families = ("frames", "tomography")
    wanted = {f"holly_triton/{family}/weights/default.{kind}" for family in families for kind in ("pt", "txt")}
    assert wanted <= set(names)
