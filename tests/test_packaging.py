"""What is shipped, and that it imports wherever it lies."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = "import holly_triton.kernels, holly_triton.harness"


def files_of_the_project() -> list[Path]:
    """Tracked files where git answers, else the sources by name."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split()] if listed.returncode == 0 else []


def copy_of_the_tree(folder: Path, links_as_text: bool) -> Path:
    """A checkout without history; git on some systems writes links as small text files."""
    for name in ("holly_triton", "kernels", "harness"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("kernels", "harness"):
        link = folder / "holly_triton" / name
        assert link.is_symlink(), f"holly_triton/{name} must be a tracked symlink"
        if links_as_text:
            target = os.readlink(link)
            link.unlink()
            link.write_text(target)
    return folder


@pytest.fixture(scope="module", params=[False, True], ids=["links", "links-as-text"])
def wheel(request, tmp_path_factory) -> Path:
    pytest.importorskip("build", reason="the 'build' package makes the wheel")
    tree = copy_of_the_tree(tmp_path_factory.mktemp("tree"), request.param)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_kernels_and_harness_and_nothing_foreign(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "holly_triton/kernels/gaussians/separable.py" in names
    assert "holly_triton/harness/__init__.py" in names
    assert {f"holly_triton/report/{name}" for name in ("page.html.j2", "page.css", "cloud.js")} <= {*names}
    assert "holly_triton/py.typed" in names
    presets = {path.name for path in (ROOT / "holly_triton" / "presets").glob("*.toml")}
    assert presets
    assert presets == {name.split("/")[-1] for name in names if name.startswith("holly_triton/presets/")}
    assert {name.split("/")[0] for name in names} == {
        "holly_triton",
        next(n for n in names if "dist-info" in n).split("/")[0],
    }


def test_the_wheel_imports_from_elsewhere(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {IMPORTS}"], cwd="/"
    )
    assert run.returncode == 0


def test_a_bare_checkout_imports():
    run = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT)
    assert run.returncode == 0


def test_import_kernels_from_elsewhere_does_not_find_ours(tmp_path):
    code = "import importlib.util as u; s = u.find_spec('kernels'); print(s.origin if s else '')"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=without_path())
    assert str(ROOT) not in run.stdout


def without_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def test_training_path_needs_no_pyvista():
    """Computing machines often have no VTK."""
    code = (
        "import sys; sys.modules['pyvista'] = None; sys.modules['vtk'] = None; "
        "import holly_triton.particles.run.training, holly_triton.particles.demo, holly_triton.particles.data, holly_triton.validation.alignment"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_help_answers_without_heavy_imports():
    """What costs time is torch and VTK, so look for these rather than at a clock that other programs share."""
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom holly_triton.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print([m for m in ('torch', 'pyvista', 'scipy', 'numpy', 'triton') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


def test_nothing_large_is_tracked():
    assert all(path.stat().st_size < 2**20 for path in files_of_the_project() if path.is_file())
