"""What is no movie, or a damaged one: one line that says which file, what is wrong and what would be right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from holly_triton.core.errors import HollyError
from holly_triton.io.movies.opening import open_movie

FRAMES = np.random.default_rng(0).integers(90, 4000, (12, 16, 24)).astype(np.uint16)


def tiff(path: Path, frames: Any = FRAMES, **options: Any) -> Path:
    tifffile.imwrite(path, frames, **{"photometric": "minisblack", **options})
    return path


def cut(path: Path, size: int) -> Path:
    path.write_bytes(path.read_bytes()[:size])
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def dax(path: Path, inf: str | None, data: bytes = FRAMES.tobytes()) -> Path:
    path.write_bytes(data)
    if inf is not None:
        path.with_suffix(".inf").write_text(inf)
    return path


def raw(path: Path, yaml: str | None) -> Path:
    path.write_bytes(FRAMES.tobytes())
    if yaml is not None:
        path.with_suffix(".yaml").write_text(yaml)
    return path


def sizes(folder: Path, *frames: Any) -> Path:
    folder.mkdir()
    for number, frame in enumerate(frames):
        tiff(folder / f"{number}.tif", frame)
    return folder


def npy(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


def loop(path: Path) -> Path:
    """The last page leads back to the first."""
    tiff(path, metadata=None)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[-1].offset
    content = bytearray(path.read_bytes())
    tags = int.from_bytes(content[last : last + 2], "little")
    content[last + 2 + 12 * tags : last + 6 + 12 * tags] = first.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def one_size_off(path: Path) -> Path:
    with tifffile.TiffWriter(path) as writer:
        for frame in (FRAMES[0], FRAMES[1], FRAMES[2, :8]):
            writer.write(frame, contiguous=False, photometric="minisblack", metadata=None)
    return path


def bomb(path: Path) -> Path:
    """A page that declares many more compressed pixels than the file has bytes."""
    tiff(path, FRAMES[0], compression="zlib", metadata=None)
    content = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        places = [file.pages[0].tags[name].valueoffset for name in ("ImageWidth", "ImageLength")]
    for place in places:
        content = content[:place] + (60000).to_bytes(2, "little") + content[place + 2 :]
    path.write_bytes(content)
    return path


def with_nan(path: Path) -> Path:
    frames = FRAMES.astype(np.float32)
    frames[7, 2, 3] = np.nan
    return npy(path, frames)


INF = "frame dimensions = 24 x 16\nnumber of frames = 12\n"
YAML = "Data Type: uint16\nFrames: 12\nHeight: 16\nWidth: 24\n"
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing there": (lambda p: p / "none.tif", "no such file"),
    "empty folder": (lambda p: sizes(p / "empty"), "is an empty folder"),
    "folder of two sizes": (lambda p: sizes(p / "two", FRAMES[0], FRAMES[1, :8]), "1.tif: is 24 x 8 px but 0.tif is 24 x 16"),
    "folder of two types": (lambda p: sizes(p / "two", FRAMES[0], FRAMES[1].astype("f4")), "float32 pixels but 0.tif"),
    "table": (lambda p: text(p / "a.csv", "x [nm],y [nm]\n1,2\n3,4\n"), "holds a table"),
    "table without suffix": (lambda p: text(p / "a.loc", "x [nm],y [nm]\n1,2\n3,4\n"), "holds a table"),
    "prose": (lambda p: text(p / "a.tif", "not a TIFF"), "cannot be read as TIFF"),
    "empty file": (lambda p: text(p / "a.tif", ""), "cannot be read as TIFF"),
    "film": (lambda p: text(p / "a.avi", "RIFF"), "no movie of a known format"),
    "colour": (lambda p: tiff(p / "a.tif", np.zeros((4, 16, 16, 3), "u1"), photometric="rgb"), "colour"),
    "complex": (lambda p: tiff(p / "a.tif", FRAMES.astype("c8")), "complex64 pixels"),
    "mask": (lambda p: tiff(p / "a.tif", FRAMES > 900), "pixels"),
    "slices at several times": (
        lambda p: tiff(p / "a.tif", FRAMES.reshape(3, 4, 16, 24), imagej=True, metadata={"axes": "TZYX"}),
        "4 slices along z at each of 3 times",
    ),
    "truncated pages": (lambda p: cut(tiff(p / "a.tif", metadata=None), 5000), "truncated"),
    "truncated one page": (lambda p: cut(tiff(p / "a.tif", imagej=True, truncate=True), 6000), "of 12 frames are whole"),
    "truncated compressed": (lambda p: cut(tiff(p / "a.tif", compression="zlib", metadata=None), 4000), "truncated"),
    "circular pages": (lambda p: loop(p / "a.tif"), "leads back"),
    "frames of two sizes": (lambda p: one_size_off(p / "a.tif"), "its frame 3 is 24 x 8 px"),
    "bomb": (lambda p: bomb(p / "a.tif"), "can hold|more than any camera"),
    "dax without inf": (lambda p: dax(p / "a.dax", None), "needs a.inf"),
    "inf without size": (lambda p: dax(p / "a.dax", "number of frames = 3\n"), "frame dimensions"),
    "inf of another size": (lambda p: dax(p / "a.dax", INF.replace("24", "25")), "no whole number of frames"),
    "inf of size 0": (lambda p: dax(p / "a.dax", INF.replace("24", "0")), "truncated|no frame"),
    "empty dax": (lambda p: dax(p / "a.dax", INF, b""), "truncated"),
    "raw without yaml": (lambda p: raw(p / "a.raw", None), "a.yaml: is missing"),
    "raw without size": (lambda p: raw(p / "a.raw", "Frames: 12\n"), "does not state Data Type, Height, Width"),
    "raw with words": (lambda p: raw(p / "a.raw", YAML.replace("24", "wide")), "cannot be read"),
    "raw too short": (lambda p: raw(p / "a.raw", YAML.replace("12", "1200")), "12 of 1200 frames"),
    "raw of huge numbers": (lambda p: raw(p / "a.raw", YAML.replace("12", "9" * 30)), "of 9+ frames"),
    "raw of negative sizes": (lambda p: raw(p / "a.raw", YAML.replace(": 16", ": -16").replace(": 24", ": -24")), "no frame"),
    "raw of objects": (lambda p: raw(p / "a.raw", YAML.replace("uint16", "O")), "truncated|pixels"),
    "npy of points": (lambda p: npy(p / "a.npy", np.zeros((50, 3))), "needs frames"),
    "npy of colours": (lambda p: npy(p / "a.npy", np.zeros((5, 16, 16, 3))), "needs frames"),
    "npy in another order": (lambda p: npy(p / "a.npy", np.asfortranarray(FRAMES)), "Fortran"),
    "npy truncated": (lambda p: cut(npy(p / "a.npy", FRAMES), 900), "cannot be read as NumPy"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_movies_end_in_one_line(case: str, tmp_path: Path) -> None:
    make, words = BAD[case]
    path = make(tmp_path)
    with pytest.raises(HollyError, match=words) as caught:
        open_movie(path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_frames_with_nan_are_refused_when_they_are_reached(tmp_path: Path) -> None:
    movie = open_movie(with_nan(tmp_path / "a.npy"))
    assert np.isfinite(movie.frame(6)).all()
    with pytest.raises(HollyError, match="frame 8 holds NaN"):
        list(movie.blocks(5))


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", metadata=None)
    movie = open_movie(path)
    cut(path, 3000)
    with pytest.raises(HollyError, match="truncated"):
        movie.frame(11)


@pytest.mark.parametrize("kind", ["plain", "deflate", "imagej", "ome"])
def test_damaged_bytes_never_end_in_a_traceback(kind: str, tmp_path: Path, seed: int) -> None:
    options: dict[str, Any] = {
        "plain": {"metadata": None}, "deflate": {"compression": "zlib"}, "imagej": {"imagej": True}, "ome": {"ome": True},
    }[kind]  # fmt: skip
    whole = tiff(tmp_path / "whole.tif", FRAMES[:4], **options).read_bytes()
    rng = np.random.default_rng(seed)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 1500) if rng.random() < 0.7 else len(whole), 3):
            damaged[place] = rng.integers(256)
        (tmp_path / "a.tif").write_bytes(damaged)
        try:
            movie = open_movie(tmp_path / "a.tif")
            for _, block in movie.blocks():
                assert block.shape[1:] == movie.shape[1:]
        except HollyError:
            pass
