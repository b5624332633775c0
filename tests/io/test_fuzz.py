"""Hostile files: a slice of ``fuzz.py``, and what it or a careful reader found, each as one small file.

Each of these ended the process, hung it, took memory without bounds, read another file, or ended in a traceback.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
import torch
from astropy.io import fits

from holly_triton.core.config import read_config
from holly_triton.core.errors import HollyError
from holly_triton.io import clouds
from holly_triton.io.clouds import read_cloud
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Config
from holly_triton.particles.data import dataset
from holly_triton.particles.info import describe
from holly_triton.particles.run.checkpoints import load_state, save_state
from holly_triton.report.folder import read_folder

FUZZ = Path(__file__).with_name("fuzz.py")
INPUTS = int(os.environ.get("HOLLY_TRITON_FUZZ", "1940"))
HUNG_S = 60
LOCS = np.zeros(80, dtype=[("x", "f4"), ("y", "f4"), ("group", "i4")])
LOCS["x"], LOCS["y"], LOCS["group"] = np.arange(80) ** 2 % 37, np.arange(80) % 7, np.arange(80) // 8


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
def test_damaged_files_end_in_one_line_within_memory_and_time(seed: int) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(FUZZ), "--inputs", str(INPUTS), "--first", str(seed * INPUTS)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode:
        pytest.fail(f"{' '.join(command)}:\n{run.stdout}\n{run.stderr}", pytrace=False)
    assert f"{INPUTS} inputs, 0 failed" in run.stdout


def test_every_format_is_among_them() -> None:
    told = FUZZ.with_name("fuzz_files.py").read_text(encoding="utf-8")
    suffixes = {suffix for known in dataset.FORMATS for suffix in known.suffixes} - {".tiff", ".map"}  # second names
    assert [suffix for suffix in {*suffixes, *clouds.FORMATS} if suffix not in told] == []


def test_a_failure_is_told_with_the_number_that_repeats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("fuzz", FUZZ)
    assert spec is not None and spec.loader is not None
    fuzz = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fuzz", fuzz)
    monkeypatch.syspath_prepend(FUZZ.parent)
    spec.loader.exec_module(fuzz)

    def broken(path: Path) -> None:
        raise KeyError("x")

    ending = fuzz.verdict(fuzz.Kind("table", tmp_path / "a.csv", broken, b""), b"")
    assert fuzz.report(iter([(7, "table", ending), (8, "table", "refused")])) == 1
    told = capsys.readouterr().out
    assert "input 7 (table): KeyError" in told
    assert "2 inputs, 1 failed" in told


def text(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def settings(path: Path) -> Config:
    return read_config(path, Config)


def matlab_of_no_type(folder: Path) -> Path:
    """Numbers of type 0, which SciPy looks up in a table that has no such place."""
    path = folder / "p.mat"
    scipy.io.savemat(path, {"x": np.ones((9, 1)), "y": np.ones((9, 1))})
    whole = path.read_bytes()
    tag = np.array([9, 72], "<u4").tobytes()  # doubles, 72 bytes of them
    assert tag in whole
    path.write_bytes(whole.replace(tag, np.array([0, 72], "<u4").tobytes(), 1))
    return path


def circle_of_pages(folder: Path) -> Path:
    """A TIFF whose second page is followed by its first."""
    path = folder / "stack.tif"
    tifffile.imwrite(path, np.eye(8, dtype=np.float32)[None].repeat(2, axis=0), photometric="minisblack", metadata=None)
    whole = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        first, second = (page.offset for page in tiff.pages)
    following = second + 2 + 12 * int.from_bytes(whole[second : second + 2], "little")
    whole[following : following + 4] = first.to_bytes(4, "little")
    path.write_bytes(whole)
    return path


def linked(folder: Path) -> Path:
    with h5py.File(folder / "other.h5", "w") as file:
        file["locs"] = LOCS
    with h5py.File(folder / "data.h5", "w") as file:
        file["locs"] = h5py.ExternalLink("other.h5", "/locs")
    return folder / "data.h5"


def kept_elsewhere(folder: Path) -> Path:
    (folder / "raw").write_bytes(LOCS.tobytes())
    with h5py.File(folder / "data.h5", "w") as file:
        file.create_dataset("locs", LOCS.shape, LOCS.dtype, external=[(str(folder / "raw"), 0, LOCS.nbytes)])
    return folder / "data.h5"


def escaping(folder: Path) -> Path:
    """A column whose name would move the cursor and clear the screen."""
    with h5py.File(folder / "data.h5", "w") as file:
        file["locs"] = LOCS.astype([("x\n\x1b[2J", "f4"), ("y", "f4"), ("group", "i4")])
    return folder / "data.h5"


def boundless_tiff(folder: Path) -> Path:
    """Pages that claim 9000 x 9000 pixels in 3 kB."""
    path = folder / "stack.tif"
    tifffile.imwrite(path, np.ones((9, 24, 24), np.uint16), photometric="minisblack", metadata=None, compression="zlib")
    whole = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        for page in tiff.pages:
            for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
                at = page.aspage().tags[name].valueoffset
                whole[at : at + 2] = (9000).to_bytes(2, "little")
    path.write_bytes(whole)
    return path


def boundless_fits(folder: Path) -> Path:
    """A packed image that claims 9000 x 9000 pixels in 8 kB."""
    path = folder / "stack.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.ones((9, 24, 24), np.int32))]).writeto(path)
    whole = path.read_bytes()
    for axis in (b"ZNAXIS1 =", b"ZNAXIS2 ="):
        at = whole.index(axis)
        whole = whole[:at] + axis + b"9000".rjust(21) + whole[at + 30 :]
    path.write_bytes(whole)
    return path


POINTS = "0 0 0\n1 0 0\n0 1 0\n"
HOSTILE: dict[str, tuple[Callable[[Path], object], Callable[[Path], Path], str]] = {
    "MATLAB numbers of no type": (describe, matlab_of_no_type, "type 0"),
    "TIFF whose pages go in a circle": (describe, circle_of_pages, "leads back"),
    "TIFF of pages too large for it": (describe, boundless_tiff, "declares 1458000000 bytes"),
    "FITS of an image too large for it": (describe, boundless_fits, "declares 2916000000 bytes"),
    "HDF5 that links to another file": (describe, linked, "link to another file"),
    "HDF5 whose numbers are in another file": (describe, kept_elsewhere, "link to another file"),
    "HDF5 with a name that a terminal obeys": (describe, escaping, "found x [2J, y, group"),
    "CSV with blanks before an open bracket": (
        describe,
        lambda d: text(d, "a.csv", "x [nm],y" + 50_000 * " " + "(,particle\n1,2,3\n"),
        "x [nm] and y [nm]",
    ),
    "text with open brackets": (describe, lambda d: text(d, "a.txt", 30_000 * "a[" + "\n1 2 3\n"), "its rows have 3"),
    "OBJ with blanks after a unit": (
        read_cloud,
        lambda d: text(d, "a.obj", "# unit" + 50_000 * " " + "x\nv 1 2 3\n"),
        "holds 1 point;",
    ),
    "XYZ of numbers whose squares are infinite": (read_cloud, lambda d: text(d, "a.xyz", POINTS + "0 0 1e200\n"), "1e+15"),
    "config of brackets within brackets": (
        settings,
        lambda d: text(d, "a.toml", "points = " + 5000 * "["),
        "not a TOML file",
    ),
    "config with a number of 5000 digits": (
        settings,
        lambda d: text(d, "a.toml", "seed = " + 5000 * "9"),
        "not a TOML file",
    ),
    "config with a seed of 20 000 bits": (
        settings,
        lambda d: text(d, "a.toml", "seed = 0x" + 5000 * "f"),
        "seed is a very large number",
    ),
    "config with a length above all floats": (
        settings,
        lambda d: text(d, "a.toml", "[search]\nturn = 1" + 400 * "0"),
        "turn is",
    ),
}  # fmt: skip


@pytest.fixture
def alarm() -> Iterator[None]:
    """Ends a test that would take for ever."""
    previous = signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"still at it after {HUNG_S} s"))
    signal.alarm(HUNG_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_one_line(tmp_path: Path, name: str) -> None:
    use, make, says = HOSTILE[name]
    path = make(tmp_path)
    with pytest.raises(HollyError) as caught:
        use(path)
    line = str(caught.value)
    assert line.isprintable() and path.name in line
    assert says in line


def test_the_member_of_a_study_is_a_folder_within_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "repeat-1").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "metrics.json").write_text('{"loss": 1}')
    (run / "metrics.json").write_text(json.dumps({"consensus": {"reference": "1/../../secret"}}))
    assert read_folder(run).member_name is None


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[Path]:
    plan = Plan(Config(), 9, 30.0, 100.0, 1.0)
    save_state(tmp_path, TrainingState.fresh(plan, 20, torch.Generator().manual_seed(0)))
    yield tmp_path


def test_one_wrong_bit_in_the_numbers_of_a_checkpoint_is_found(checkpoints: Path) -> None:
    """PyTorch reads over it."""
    state = load_state(checkpoints, torch.device("cpu"))
    assert state is not None
    path = checkpoints / "last.pt"
    whole = bytearray(path.read_bytes())
    whole[whole.index(state.points.numpy().tobytes()) + 5] ^= 4
    path.write_bytes(whole)
    assert torch.load(path, weights_only=True)["state"]["points"].shape == (20, 3)
    with pytest.raises(HollyError, match="damaged"):
        load_state(checkpoints, torch.device("cpu"))


@pytest.mark.parametrize("content", [{"generator": "text"}, {"step": None}, {"history": {}}])
def test_a_checkpoint_of_other_kinds_of_values_is_refused(checkpoints: Path, content: dict[str, object]) -> None:
    saved = torch.load(checkpoints / "last.pt", weights_only=True)
    torch.save({**saved, "state": {**saved["state"], **content}}, checkpoints / "last.pt")
    with pytest.raises(HollyError, match="damaged"):
        load_state(checkpoints, torch.device("cpu"))


def test_a_checkpoint_that_is_no_archive_is_refused(checkpoints: Path) -> None:
    with zipfile.ZipFile(checkpoints / "last.pt", "w") as archive:
        archive.writestr("a", b"b")
    with pytest.raises(HollyError, match="damaged"):
        load_state(checkpoints, torch.device("cpu"))
