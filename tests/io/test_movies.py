"""Movies of camera frames: every format gives the frames that were written, in blocks and one by one."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from holly_triton.core.errors import HollyError
from holly_triton.io.movies.opening import open_movie

FRAMES, HEIGHT, WIDTH = 23, 12, 20
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def frames(seed: int) -> Any:
    return np.random.default_rng(seed).integers(90, 4000, (FRAMES, HEIGHT, WIDTH)).astype(np.uint16)


def write_dax(path: Path, frames: Any, *, order: str = ">", declared: int | None = None) -> Path:
    frames.astype(order + "u2").tofile(path)
    words = "big" if order == ">" else "little"
    path.with_suffix(".inf").write_text(
        f"data type = 16 bit integers (binary, {words} endian)\nframe dimensions = {frames.shape[2]} x {frames.shape[1]}\n"
        f"number of frames = {declared or len(frames)}\n"
    )
    return path


def write_raw(path: Path, frames: Any, *, order: str = "<", **changed: Any) -> Path:
    frames.astype(order + "u2").tofile(path)
    stated = {"Byte Order": f"'{order}'", "Data Type": "uint16", "Frames": len(frames), "Height": frames.shape[1]}
    stated |= {"Width": frames.shape[2], "Camera.Pixelsize": 130, **changed}
    lines = [f"{key}: {value}\n" for key, value in stated.items() if value is not None]
    path.with_suffix(".yaml").write_text("".join(lines))
    return path


def write_tiff(path: Path, frames: Any, **options: Any) -> Path:
    tifffile.imwrite(path, frames, photometric="minisblack", **options)
    return path


def write_files(folder: Path, frames: Any) -> Path:
    folder.mkdir()
    for number, frame in enumerate(frames):
        write_tiff(folder / f"frame_{number}.tif", frame)
    return folder


def write_npy(path: Path, frames: Any) -> Path:
    np.save(path, frames)
    return path


WRITERS: dict[str, Callable[[Path, Any], Path]] = {
    "dax": lambda p, f: write_dax(p / "a.dax", f),
    "dax-little": lambda p, f: write_dax(p / "a.dax", f, order="<"),
    "raw": lambda p, f: write_raw(p / "a.raw", f),
    "raw-big": lambda p, f: write_raw(p / "a.raw", f, order=">"),
    "npy": lambda p, f: write_npy(p / "a.npy", f),
    "npy-big": lambda p, f: write_npy(p / "a.npy", f.astype(">u2")),
    "tiff": lambda p, f: write_tiff(p / "a.tif", f, metadata=None),
    "tiff-big-endian": lambda p, f: write_tiff(p / "a.tif", f, byteorder=">", metadata=None),
    "tiff-strips": lambda p, f: write_tiff(p / "a.tif", f, rowsperstrip=5, metadata=None),
    "tiff-tiles": lambda p, f: write_tiff(p / "a.tif", f, tile=(16, 16), metadata=None),
    "tiff-deflate": lambda p, f: write_tiff(p / "a.tif", f, compression="zlib", predictor=True),
    "tiff-one-page": lambda p, f: write_tiff(p / "a.tif", f, truncate=True),
    "bigtiff": lambda p, f: write_tiff(p / "a.btf", f, bigtiff=True),
    "imagej": lambda p, f: write_tiff(p / "a.tif", f, imagej=True),
    "imagej-one-page": lambda p, f: write_tiff(p / "a.tif", f, imagej=True, truncate=True),
    "ome": lambda p, f: write_tiff(p / "a.ome.tif", f, ome=True, metadata={"axes": "TYX"}),
    "ome-z": lambda p, f: write_tiff(p / "a.ome.tif", f, ome=True, metadata={"axes": "ZYX"}),
    "folder": lambda p, f: write_files(p / "folder", f),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_frames_are_those_that_were_written(kind: str, tmp_path: Path, frames: Any) -> None:
    movie = open_movie(WRITERS[kind](tmp_path, frames))
    assert (movie.shape, movie.dtype) == ((FRAMES, HEIGHT, WIDTH), np.uint16)
    for size in (1, 4, FRAMES, 100, None):
        blocks = list(movie.blocks(size))
        assert [first for first, _ in blocks] == list(range(0, FRAMES, size or FRAMES))
        assert all(block.dtype == np.uint16 and block.dtype.isnative for _, block in blocks)
        np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), frames)
    for index in (FRAMES - 1, 0, 9):
        np.testing.assert_array_equal(movie.frame(index), frames[index])
    part = np.concatenate([block for _, block in movie.blocks(4, first=5, stop=16)])
    np.testing.assert_array_equal(part, frames[5:16])
    with pytest.raises(IndexError):
        movie.frame(FRAMES)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
def test_types_of_pixels_are_kept_and_floats_are_float32(dtype: str, tmp_path: Path, frames: Any) -> None:
    written = (frames % 250).astype(dtype)
    movie = open_movie(write_tiff(tmp_path / "a.tif", written))
    assert movie.dtype == (np.float32 if dtype[0] == "f" else np.dtype(dtype))
    np.testing.assert_array_equal(movie.frame(3), written[3])
    assert any("floating-point" in note for note in movie.notes) == (dtype[0] == "f")


def test_natural_order_of_files_and_parts_of_several_frames(tmp_path: Path, frames: Any) -> None:
    for number, part in ((1, frames[:9]), (2, frames[9:10]), (10, frames[10:])):
        write_tiff(tmp_path / f"part{number}.tif", part)
    (tmp_path / "notes.txt").write_text("seen on Monday")
    movie = open_movie(tmp_path)
    np.testing.assert_array_equal(np.concatenate([block for _, block in movie.blocks(7)]), frames)


def write_ome_files(folder: Path, frames: Any, first_parts: Any = (0, 9, 15)) -> list[Path]:
    """One data set in several files, as Micro-Manager writes it: the metadata in the first file name all of them."""
    ends = [*first_parts[1:], len(frames)]
    names = [f"cell_{number}.ome.tif" for number in range(len(first_parts))]
    data = "".join(
        f'<TiffData FirstT="{time}" FirstC="0" FirstZ="0" IFD="{time - start}" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:1</UUID></TiffData>'
        for name, start, end in zip(names, first_parts, ends, strict=True)
        for time in range(start, end)
    )
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="{WIDTH}" SizeY="{HEIGHT}" SizeC="1" SizeZ="1" '
        f'SizeT="{len(frames)}" PhysicalSizeX="0.11" PhysicalSizeY="0.11">{data}</Pixels></Image></OME>'
    )
    only = '<?xml version="1.0"?><OME><BinaryOnly MetadataFile="cell_0.ome.tif" UUID="urn:uuid:1"/></OME>'
    for name, start, end in zip(names, first_parts, ends, strict=True):
        write_tiff(folder / name, frames[start:end], description=only if start else xml, metadata=None)
    return [folder / name for name in names]


def test_ome_data_set_over_several_files(tmp_path: Path, frames: Any) -> None:
    files = write_ome_files(tmp_path, frames)
    for path in (files[0], tmp_path):
        movie = open_movie(path)
        assert (len(movie), movie.pixel_nm) == (FRAMES, pytest.approx(110))
        np.testing.assert_array_equal(np.concatenate([block for _, block in movie.blocks(5)]), frames)
    np.testing.assert_array_equal(open_movie(files[1]).frame(0), frames[9])
    files[1].unlink()
    with pytest.raises(HollyError, match=r"cell_1\.ome\.tif is not beside it"):
        open_movie(files[0])


def test_renamed_ome_file_is_read(tmp_path: Path, frames: Any) -> None:
    (path,) = write_ome_files(tmp_path, frames, (0,))
    path.rename(tmp_path / "renamed.tif")
    np.testing.assert_array_equal(open_movie(tmp_path / "renamed.tif").frame(4), frames[4])


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_channels_are_chosen_never_mixed(kind: str, tmp_path: Path, frames: Any) -> None:
    two = np.stack([frames, frames + 5], axis=1)
    if kind == "imagej":
        path = write_tiff(tmp_path / "a.tif", two, imagej=True, metadata={"axes": "TCYX"})
    else:
        path = write_tiff(tmp_path / "a.tif", two, ome=True, metadata={"axes": "TCYX"})
    with pytest.raises(HollyError, match="2 channels.*--channel 1 to 2"):
        open_movie(path)
    for channel in (1, 2):
        movie = open_movie(path, channel)
        assert len(movie) == FRAMES
        np.testing.assert_array_equal(movie.frame(7), two[7, channel - 1])
    with pytest.raises(HollyError, match="--channel 3"):
        open_movie(path, 3)


def test_pixel_size_and_its_place(tmp_path: Path, frames: Any) -> None:
    options: dict[str, Any] = {"imagej": True, "resolution": (1 / 0.107, 1 / 0.107), "metadata": {"unit": "um"}}
    movie = open_movie(write_tiff(tmp_path / "a.tif", frames, **options))
    assert movie.stated == (pytest.approx(107, rel=1e-4), "ImageJ metadata")
    options["resolution"] = (1 / 6.5, 1 / 6.5)  # the pixel of the chip, not of the sample
    movie = open_movie(write_tiff(tmp_path / "b.tif", frames, **options))
    assert movie.pixel_nm is None
    assert any("6500 nm" in note for note in movie.notes)
    assert open_movie(write_raw(tmp_path / "a.raw", frames)).stated == (130.0, "YAML (a.yaml)")
    assert open_movie(write_dax(tmp_path / "a.dax", frames)).stated is None


def test_dax_counts_frames_by_its_data(tmp_path: Path, frames: Any) -> None:
    movie = open_movie(write_dax(tmp_path / "a.dax", frames, declared=500))
    assert len(movie) == FRAMES
    assert "500" in movie.notes[0]


MEMORY = """
import resource, sys
from holly_triton.io.movies.opening import open_movie
movie = open_movie(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(int(block[:, 0, 0].sum()) for _, block in movie.blocks())
print(len(movie), total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_movie(tmp_path: Path) -> None:
    """A sparse file of 512 MiB in the manner of ImageJ beyond 4 GB: one page, and the frames behind it."""
    path, frames = tmp_path / "long.tif", 1024
    described = f"ImageJ=1.53t\nimages={frames}\nframes={frames}\n"
    tifffile.imwrite(path, np.full((512, 512), 7, np.uint16), description=described, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages.first.dataoffsets[0]
    with path.open("r+b") as file:
        file.truncate(start + frames * 2 * 512 * 512)
    done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    count, total, grown = map(int, done.stdout.split())
    assert (count, total) == (frames, 7)
    assert grown * (1 if sys.platform == "darwin" else 1024) < 200 * 2**20


REAL = {
    "storm-analysis/test.dax": (10, 256, 256),
    "storm-analysis/test_300x200.dax": (10, 200, 300),
    "thunderstorm-frame/tubulins1_00020.tif": (1, 256, 256),
    "challenge-mt0/test_frames": (32, 64, 64),
    "challenge-mt0/beads_as.tif": (151, 150, 150),
    "picasso/tests/data/testdata.raw": (100, 32, 32),
    "locan-formats/images.tif": (5, 128, 128),
}


@pytest.mark.parametrize("name", REAL)
def test_movies_of_other_programs(name: str) -> None:
    if not (DATA / name).exists():
        pytest.skip("shared/data is not here")
    movie = open_movie(DATA / name)
    assert movie.shape == REAL[name]
    assert sum(len(block) for _, block in movie.blocks(7)) == len(movie)


def test_frames_of_the_challenge_show_its_emitters() -> None:
    """The signal at the listed emitters is far above the background with x along columns, and not with x along rows."""
    if not (DATA / "challenge-mt0").exists():
        pytest.skip("shared/data is not here")
    truth = np.loadtxt(DATA / "challenge-mt0" / "activations.csv", delimiter=",", skiprows=1)
    movie = open_movie(DATA / "challenge-mt0" / "test_frames")
    stack = np.concatenate([block for _, block in movie.blocks()])
    bright = truth[(truth[:, 1] <= 32) & (truth[:, 5] > 3000)]
    frame, column, row = (bright[:, 1] - 1).astype(int), *(bright[:, 2:4] // 100).astype(int).T
    background = np.median(stack)
    assert (stack[frame, row, column] - background).mean() > 5 * abs((stack[frame, column, row] - background).mean())
