"""Packages of the extras: what works without them, and the one line that names the extra where one is missing."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.jobs import Cluster
from holly_triton.core.optional import EXTRAS, MissingExtraError, require
from holly_triton.io.atoms import read_atoms
from holly_triton.io.movies.opening import open_movie
from holly_triton.io.volumes.reading import read_volume
from holly_triton.io.volumes.writing import write_volume
from holly_triton.particles.data import open_dataset
from holly_triton.particles.picking.segmentation import find_clusters
from holly_triton.tomography.config.simulation import SimulationSettings
from holly_triton.tomography.simulate.command import simulate
from holly_triton.view import render_cloud, turntable

ROOT = Path(__file__).resolve().parents[2]
EXTRA_PACKAGES = (*EXTRAS, "vtk", "vtkmodules", "yaml", "pynvml", "plyfile", "tomli_w")
"""With those that only other formats and measurements need."""
BLOCK = f"""
import sys
sys.modules.update(dict.fromkeys({EXTRA_PACKAGES!r}))
from holly_triton.cli import main
for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit as end:
        if end.code:
            raise
"""
"""Commands one after the other in a process that finds none of these."""
SITES = np.random.default_rng(4).normal(size=(12, 3)) * (60, 40, 20)
BRIEF = """
checkpoint_every = 5
[schedule]
search_steps = 20
rescue_passes = 0
polish_steps = 2
refine_steps = 2
[search]
candidates = 100
"""


def without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)


def use_fits(folder: Path) -> None:
    (folder / "a.fits").write_bytes(b"SIMPLE  =                    T")
    open_dataset(folder / "a.fits", pixel_size_nm=10.0)


def use_nd2(folder: Path) -> None:
    (folder / "a.nd2").write_bytes(bytes(64))
    open_movie(folder / "a.nd2")


def use_atoms(folder: Path) -> None:
    (folder / "a.pdb").touch()
    read_atoms(folder / "a.pdb")


USES: list[tuple[str, Callable[[Path], object]]] = [
    ("astropy", use_fits),
    ("gemmi", use_atoms),
    ("imageio_ffmpeg", lambda folder: turntable(SITES, folder / "turn.mp4")),
    ("nd2", use_nd2),
    ("pyvista", lambda folder: render_cloud(SITES, folder / "a.png")),
    ("sklearn", lambda folder: find_clusters(SITES[:, :2], 50.0)),
    ("submitit", lambda folder: Cluster("local").check()),
    ("tensorboardX", lambda folder: require("tensorboardX", "TensorBoard")),
]


@pytest.mark.parametrize(("package", "use"), USES, ids=[package for package, _ in USES])
def test_what_is_missing_is_named_with_its_extra(
    package: str, use: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(package, monkeypatch)
    with pytest.raises(HollyError, match=re.escape(f"pip install 'holly-triton[{EXTRAS[package]}]'")) as caught:
        use(tmp_path)
    assert " needs " in str(caught.value)
    assert [path.name for path in tmp_path.iterdir() if path.stem != "a"] == []


def test_every_extra_package_is_used_above() -> None:
    assert {package for package, _ in USES} == {*EXTRAS}


def test_a_package_that_cannot_be_loaded_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As VTK where the system's OpenGL library is missing."""
    (tmp_path / "pyvista.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyvista"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=r"pyvista, which cannot be loaded \(libGL"):
        require("pyvista", "drawing")


def test_each_extra_brings_its_packages() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {package: {"sklearn": "scikit-learn"}.get(package, package.replace("_", "-")) for package in EXTRAS}
    brought = {extra: {re.split("[<>=]", line)[0] for line in lines} for extra, lines in extras.items()}
    for package, extra in EXTRAS.items():
        assert names[package] in brought[extra]
    (everything,) = extras["all"]
    assert {*re.findall(r"\w+", everything.partition("[")[2])} == {*EXTRAS.values()}


def test_training_evaluation_and_the_report_need_none_of_them(tmp_path: Path) -> None:
    views = np.random.default_rng(5).normal(SITES[:, :2], 3, size=(40, 12, 2))
    rows = "".join(f"{x:.2f},{y:.2f},{particle}\n" for particle, some in enumerate(views) for x, y in some)
    (tmp_path / "data.csv").write_text("x [nm],y [nm],particle\n" + rows)
    (tmp_path / "brief.toml").write_text(BRIEF)
    np.savetxt(tmp_path / "truth.xyz", SITES)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    lines = (
        "train data.csv --points 12 --device cpu --config brief.toml --out run",
        "evaluate run --truth truth.xyz --unit-nm 1",
        "sort run",
        "export run cloud.obj",
    )
    command = [sys.executable, "-c", BLOCK, *lines]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.toml", "cloud.ply", "cloud_mirror.ply", "poses.csv", "metrics.json", "report.html"} <= made
    assert done.stderr.count("pip install 'holly-triton[view]'") == 2  # the cloud, and the truth over it
    assert tomllib.loads((tmp_path / "run" / "config.toml").read_text())["points"] == 12


def test_a_dependency_that_is_not_installed_is_named_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("mrcfile", monkeypatch)
    (tmp_path / "a.mrc").write_bytes(bytes(2048))
    for use in (
        lambda: read_volume(tmp_path / "a.mrc"),
        lambda: write_volume(tmp_path / "b.mrc", np.zeros((2, 2, 2)), 10.0),
        lambda: simulate(tmp_path / "c", SimulationSettings(), torch.device("cpu")),
    ):
        with pytest.raises(MissingExtraError, match="needs mrcfile: pip install mrcfile$"):
            use()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mrc"]
