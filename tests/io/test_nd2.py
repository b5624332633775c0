"""ND2 files, in the layout of NIS-Elements: chunks with a map of them at the end, values in a binary tree."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io.movies.opening import open_movie

pytest.importorskip("nd2", reason="the extra nikon is not installed")

MAGIC, NAME_BYTES = 0x0ABECEDA, 4072
FRAMES = np.random.default_rng(0).integers(90, 4000, (9, 12, 20)).astype(np.uint16)


def tree(name: str, value: Any) -> bytes:
    """A value, or values by name, as the file has them."""
    kind = {dict: 11, float: 6, int: 3, bool: 1}[type(value)]
    head = struct.pack("BB", kind, len(name) + 1) + (name + "\0").encode("utf-16-le")
    if kind != 11:
        return head + struct.pack({6: "<d", 3: "<I", 1: "B"}[kind], value)
    inside = b"".join(tree(*item) for item in value.items())
    length = len(head) + 12 + len(inside)
    return head + struct.pack("<IQ", len(value), length) + inside + bytes(8 * len(value))


def chunk(name: bytes, data: bytes, name_bytes: int = NAME_BYTES) -> bytes:
    return struct.pack("<IIQ", MAGIC, name_bytes, len(data)) + name.ljust(name_bytes, b"\0") + data


def write_nd2(path: Path, frames: Any, pixel_um: float = 0.11, *, dye: bool = True) -> Path:
    """Frames ``[F, H, W]``, or ``[F, H, W, C]`` with channels interleaved."""
    count, height, width = frames.shape[:3]
    channels = frames.shape[3] if frames.ndim == 4 else 1
    attributes = {
        "uiWidth": width, "uiWidthBytes": 2 * width * channels, "uiHeight": height, "uiComp": channels,
        "uiBpcInMemory": 16, "uiBpcSignificant": 16, "uiSequenceCount": count, "eCompression": 2,
        "uiTileWidth": width, "uiTileHeight": height,
    }  # fmt: skip
    plane = {"uiCompCount": 1, "uiColor": 255, "pFluorescentProbe": {"uiColor": 255} if dye else {}}
    planes = {f"i{number:010}": dict(plane) for number in range(channels)}
    metadata = {
        "bCalibrated": True, "dCalibration": pixel_um, "sPicturePlanes": {"uiCount": channels, "sPlaneNew": planes},
    }  # fmt: skip
    parts = {
        b"ImageAttributesLV!": tree("SLxImageAttributes", attributes),
        b"ImageMetadataSeqLV|0!": tree("SLxPictureMetadata", metadata),
    }
    parts |= {f"ImageDataSeq|{number}!".encode(): bytes(8) + frame.tobytes() for number, frame in enumerate(frames)}
    content = struct.pack("<IIQ", MAGIC, 32, 64) + b"ND2 FILE SIGNATURE CHUNK NAME01!" + b"Ver3.0".ljust(64, b"\0")
    places = b""
    for name, data in parts.items():
        places += name + struct.pack("<QQ", len(content), len(data))
        content += chunk(name, data)
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", len(content))
    path.write_bytes(content + chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", places + end, 32))
    return path


def test_frames_are_those_that_were_written(tmp_path: Path) -> None:
    movie = open_movie(write_nd2(tmp_path / "a.nd2", FRAMES))
    assert (movie.shape, movie.dtype, movie.source) == (FRAMES.shape, np.uint16, "ND2 movie")
    np.testing.assert_array_equal(np.concatenate([block for _, block in movie.blocks(4)]), FRAMES)
    np.testing.assert_array_equal(movie.frame(8), FRAMES[8])
    assert movie.stated == (pytest.approx(110), "ND2 metadata")


def test_metadata_that_the_package_does_not_understand_cost_only_the_pixel_size(tmp_path: Path) -> None:
    movie = open_movie(write_nd2(tmp_path / "a.nd2", FRAMES, dye=False))
    np.testing.assert_array_equal(movie.frame(8), FRAMES[8])
    assert movie.pixel_nm is None
    assert "pixel" in movie.notes[0]


def test_one_channel_of_two(tmp_path: Path) -> None:
    path = write_nd2(tmp_path / "a.nd2", np.stack([FRAMES, FRAMES + 7], axis=-1))
    with pytest.raises(HollyError, match="--channel 1 to 2"):
        open_movie(path)
    np.testing.assert_array_equal(open_movie(path, 2).frame(3), FRAMES[3] + 7)


def test_damaged_files(tmp_path: Path) -> None:
    whole = write_nd2(tmp_path / "a.nd2", FRAMES).read_bytes()
    for content in (b"", b"not an ND2", whole[: len(whole) // 2], whole[:-20]):
        (tmp_path / "a.nd2").write_bytes(content)
        with pytest.raises(HollyError, match="cannot be read as ND2"):
            open_movie(tmp_path / "a.nd2")
