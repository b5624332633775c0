"""Bad pictures: one line that names the file, what is wrong and what would be right. Never a traceback."""

import importlib
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile
from astropy.io import fits

from holly_triton.core.errors import HollyError
from holly_triton.particles.data import open_dataset

SPOTS = np.pad(np.random.default_rng(0).uniform(0, 100, (10, 12, 12)), ((0, 0), (6, 6), (6, 6))).astype(np.float32)
SHARED = Path(__file__).parents[2] / "../shared/data"

Maker = Callable[[Path], Path]


def refused(path: Path, *parts: str, **options: object) -> str:
    """The message, which must be one line that names the file and holds every part."""
    with pytest.raises(HollyError) as caught:
        open_dataset(path, **options)
    line = str(caught.value)
    assert "\n" not in line and path.name in line
    for part in parts:
        assert part in line
    return line


def tiff(folder: Path, images: np.ndarray = SPOTS, name: str = "stack.tif", **options: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / name, images, **options)  # type: ignore[arg-type]
    return folder / name


def frames(folder: Path, images: np.ndarray = SPOTS, name: str = "stack.tif", pixel_nm: float = 100.0) -> Path:
    """As ImageJ saves a time series."""
    per_micron = 1000 / pixel_nm
    metadata = {"axes": "TYX", "unit": "micron"}
    return tiff(folder, images, name, imagej=True, resolution=(per_micron, per_micron), metadata=metadata)


def fits_file(folder: Path, images: np.ndarray | None = SPOTS, name: str = "stack.fits") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(images).writeto(folder / name)
    return folder / name


def fits_table(folder: Path) -> Path:
    fits.BinTableHDU.from_columns([fits.Column("x", "E", array=SPOTS[0, 0])]).writeto(folder / "stack.fits")
    return folder / "stack.fits"


def mrc(folder: Path, images: np.ndarray = SPOTS, name: str = "stack.mrcs", angstrom: float = 50.0) -> Path:
    with mrcfile.new(folder / name, images) as file:
        if images.ndim == 3 and images.dtype.kind != "c":
            file.set_image_stack()
        file.voxel_size = angstrom
    return folder / name


def volume(folder: Path, name: str = "stack.mrc") -> Path:
    with mrcfile.new(folder / name, SPOTS) as file:
        file.set_volume()
    return folder / name


def patched(path: Path, at: int, layout: str, value: float) -> Path:
    """The same file with one number of its header changed."""
    whole = bytearray(path.read_bytes())
    struct.pack_into(layout, whole, at, value)
    path.write_bytes(whole)
    return path


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    assert len(old) == len(new) and old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


def tall(path: Path, height: int) -> Path:
    """A TIFF whose first page claims another height."""
    first_page = (257, 4, 1)  # the tag, its type (32 bits), how many
    return replaced(path, struct.pack("<HHII", *first_page, 24), struct.pack("<HHII", *first_page, height))


def cut(path: Path, kept: float = 0.5) -> Path:
    """The first bytes of a file: so many, or a share below 1 of them."""
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept >= 1 else kept * len(whole))])
    return path


def text(folder: Path, name: str, content: str = "x,y\n1,2\n") -> Path:
    (folder / name).write_text(content)
    return folder / name


def several_series(folder: Path) -> Path:
    with tifffile.TiffWriter(folder / "stack.tif") as writer:
        for size in (24, 20):
            writer.write(SPOTS[0, :size], contiguous=False)
    return folder / "stack.tif"


def several_images(folder: Path) -> Path:
    fits.HDUList([fits.PrimaryHDU(SPOTS), fits.ImageHDU(SPOTS[:, :20])]).writeto(folder / "stack.fits")
    return folder / "stack.fits"


def palette(folder: Path) -> Path:
    colours = np.zeros((3, 256), dtype=np.uint16)
    return tiff(folder, SPOTS.astype(np.uint8), photometric="palette", colormap=colours)


def ome(folder: Path, axes: str, shape: tuple[int, ...], **metadata: object) -> Path:
    return tiff(folder, np.resize(SPOTS, shape), "s.ome.tif", ome=True, metadata={"axes": axes} | metadata)


def folder_of(place: Path, *makers: Maker) -> Path:
    (place / "data").mkdir()
    for make in makers:
        make(place / "data")
    return place / "data"


def without(fill: float) -> Maker:
    return lambda folder: tiff(folder, np.full_like(SPOTS, fill))


MRC_NX, MRC_MODE, MRC_NSYMBT, MRC_MAP, MRC_STAMP = 0, 12, 92, 208, 212

REFUSED: dict[str, tuple[Maker, str]] = {
    # TIFF
    "TIFF of text": (lambda d: text(d, "stack.tif"), "cannot be read as TIFF"),
    "TIFF of no byte": (lambda d: text(d, "stack.tif", ""), "cannot be read as TIFF"),
    "TIFF of no page": (lambda d: cut(tiff(d), 4), "cannot be read as TIFF"),
    "TIFF of no pixel": (lambda d: tall(tiff(d), 0), "cannot be read as TIFF"),
    "TIFF that is RGB": (lambda d: tiff(d, np.zeros((10, 24, 24, 3), np.uint8), photometric="rgb"), "is a colour picture"),
    "TIFF that is RGBA": (lambda d: tiff(d, np.zeros((24, 24, 4), np.uint8), photometric="rgb"), "is a colour picture"),
    "TIFF with a palette": (palette, "is a colour picture"),
    "TIFFs of different channels": (
        lambda d: folder_of(d, lambda p: ome(p, "TCYX", (10, 2, 24, 24)), tiff),
        "has one channel, but s.ome.tif has the channels 1, 2",
    ),
    "TIFF of complex numbers": (lambda d: tiff(d, SPOTS.astype(np.complex64)), "has complex64 pixels; save real numbers"),
    "TIFF of several sizes": (several_series, "several sizes (24 x 24 px, 24 x 20 px)"),
    "TIFF of few pictures": (lambda d: tiff(d, SPOTS[:7]), "holds 7 pictures; at least 8 are needed"),
    "TIFF whose header counts too many": (
        lambda d: replaced(tiff(d, imagej=True), b"images=10", b"images=99"),
        "its header declares 99 pictures, and it holds 10",
    ),
    "TIFF whose header promises gigabytes": (lambda d: tall(tiff(d), 2**20), "is truncated"),
    "TIFF that would unpack to gigabytes": (lambda d: tall(tiff(d, compression="zlib"), 2**30), "above the limit of 4 GiB"),
    "TIFF that is black": (without(0.0), "10 of 10 pictures show no light"),
    "TIFF of one constant": (without(5.0), "10 of 10 pictures show no light"),
    "TIFF of infinity": (without(np.inf), "10 of 10 pictures hold NaN or infinity"),
    "folder of two sizes": (
        lambda d: folder_of(d, lambda f: tiff(f, name="a.tif"), lambda f: tiff(f, SPOTS[:, :20], "b.tif")),
        "b.tif: is 24 x 20 px but a.tif is 24 x 24 px; all must have one size (--crop 20 would crop them to it)",
    ),
    "folder of two kinds": (lambda d: folder_of(d, tiff, fits_file), "several kinds (.fits, .tif); give one file, or"),
    "folder of a folder named as a file": (lambda d: fits_file(d / "data" / "a.fits").parents[1], "holds no FITS file"),
    "folder of folders by number, not by sigma": (
        lambda d: folder_of(d, lambda f: tiff(f / "1", name="a.tif"), lambda f: tiff(f / "2", name="b.tif")),
        "its folders 1 and 2 hold files of other names, so they are not the same pictures at several sigmas; give one",
    ),
    # FITS
    "FITS of text": (lambda d: text(d, "stack.fits"), "cannot be read as FITS"),
    "FITS of no byte": (lambda d: text(d, "stack.fits", ""), "cannot be read as FITS"),
    "FITS cut in its pixels": (lambda d: cut(fits_file(d)), "is truncated (its pixels end at byte 25920"),
    "FITS cut in its header": (lambda d: cut(fits_file(d), 0.05), "cannot be read as FITS"),
    "FITS whose header promises gigabytes": (
        lambda d: replaced(fits_file(d), b"NAXIS3  =                   10", b"NAXIS3  =           1000000000"),
        "is truncated (its pixels end at byte 2304000002880",
    ),
    "FITS of a negative size": (
        lambda d: replaced(fits_file(d), b"NAXIS3  =                   10", b"NAXIS3  =                  -10"),
        "cannot be read as FITS",
    ),
    "FITS of an unknown pixel type": (
        lambda d: replaced(fits_file(d), b"BITPIX  =                  -32", b"BITPIX  =                  -17"),
        "cannot be read as FITS",
    ),
    "FITS without pixels": (lambda d: fits_file(d, None), "holds no picture, only PrimaryHDU"),
    "FITS of a spectrum": (lambda d: fits_file(d, SPOTS[0, 0]), "holds no picture, only PrimaryHDU"),
    "FITS of a table": (fits_table, "holds no picture, only PrimaryHDU, BinTableHDU; export an image"),
    "FITS of several sizes": (several_images, "several sizes (24 x 24 px, 24 x 20 px)"),
    "FITS of NaN": (lambda d: fits_file(d, np.full_like(SPOTS, np.nan)), "10 of 10 pictures hold NaN or infinity"),
    # MRC
    "MRC of text": (lambda d: text(d, "stack.mrcs"), "is truncated (an MRC header has 1024 bytes, the file 8)"),
    "MRC of long text": (lambda d: text(d, "stack.mrcs", "x,y\n" * 999), "cannot be read as MRC"),
    "MRC cut in its pixels": (lambda d: cut(mrc(d)), "is truncated (its pixels end at byte 24064, the file at 12032)"),
    "MRC of an unknown pixel type": (lambda d: patched(mrc(d), MRC_MODE, "<i", 777), "is of mode 777 (unknown), and modes 0, 1, 2, 6, 12 are read"),
    "MRC of a negative size": (lambda d: patched(mrc(d), MRC_NX, "<i", -24), "its header is invalid (-24 x 24 x 10 px)"),
    "MRC whose header promises gigabytes": (lambda d: patched(mrc(d), MRC_NX, "<i", 2**31 - 1), "is truncated"),
    "MRC of an endless extended header": (lambda d: patched(mrc(d), MRC_NSYMBT, "<i", 2**31 - 1), "is truncated"),
    "MRC of a negative extended header": (lambda d: patched(mrc(d), MRC_NSYMBT, "<i", -9), "its header is invalid"),
    "MRC that is a 3D map": (volume, "is a 3D map of 24 x 24 x 10 voxels"),
    "MRC map": (lambda d: volume(d, "stack.map"), "is a 3D map of 24 x 24 x 10 voxels"),
    "MRC of complex numbers": (lambda d: mrc(d, SPOTS.astype(np.complex64)), "has complex64 pixels; save real numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_ends_in_one_line(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    make, part = REFUSED[name]
    refused(make(tmp_path), part, pixel_size_nm=10.0)
    assert capfd.readouterr() == ("", "")


SILENT: dict[str, Maker] = {
    "TIFF": tiff,
    "TIFF for a printer": lambda d: tiff(d, resolution=(300, 300), resolutionunit="INCH"),
    "TIFF without calibration": lambda d: tiff(d, imagej=True, resolution=(1, 1), metadata={"unit": "pixel"}),
    "TIFF with a resolution of 0": lambda d: tiff(d, imagej=True, resolution=(0, 0), metadata={"unit": "micron"}),
    "OME-TIFF with one side": lambda d: ome(d, "TYX", (10, 24, 24), PhysicalSizeX=0.1),
    "OME-TIFF with a size of 0": lambda d: ome(d, "TYX", (10, 24, 24), PhysicalSizeX=0.0, PhysicalSizeY=0.0),
    "FITS": fits_file,
    "MRC without size": lambda d: mrc(d, angstrom=0.0),
    "MRC of 1 Angstrom, which stands for none": lambda d: mrc(d, angstrom=1.0),
    "MRC of a size that is NaN": lambda d: mrc(d, angstrom=float("nan")),
    "MRC of a negative size": lambda d: mrc(d, angstrom=-5.0),
}


@pytest.mark.parametrize("name", SILENT)
def test_a_pixel_size_that_no_file_states_is_never_guessed(tmp_path: Path, name: str) -> None:
    refused(SILENT[name](tmp_path), "does not state its pixel size; give it with --pixel-size NM")


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    path = tiff(tmp_path, imagej=True, resolution=(10, 20), metadata={"unit": "micron"})
    refused(path, "100 x 50 nm", "resample")
    path = mrc(tmp_path)
    with mrcfile.open(path, "r+") as file:
        file.voxel_size = (50.0, 40.0, 50.0)
    refused(path, "5 x 4 nm", "resample")


def test_a_folder_whose_files_disagree_on_the_pixel_size(tmp_path: Path) -> None:
    frames(tmp_path, name="a.tif", pixel_nm=100.0)
    frames(tmp_path, name="b.tif", pixel_nm=50.0)
    with pytest.raises(HollyError, match=r"b\.tif: has pixels of 50 nm but a\.tif of 100 nm"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("options", [{"columns": "x=1"}, {"where": "a < 1"}, {"weights": "photons"}])
def test_options_of_tables_are_refused_for_pictures(tmp_path, options):
    tifffile.imwrite(tmp_path / "stack.tif", np.ones((9, 24, 24), np.float32))
    refused(tmp_path / "stack.tif", f"is pictures, and --{[*options][0]} is an option for tables", **options)


@pytest.mark.parametrize(("crop", "part"), [(25, "is 24 x 24 px, too small for --crop 25; give at most 24")])
@pytest.mark.parametrize("make", [tiff, fits_file, mrc])
def test_a_crop_larger_than_the_picture(tmp_path: Path, make: Maker, crop: int, part: str) -> None:
    refused(make(tmp_path), part, pixel_size_nm=10.0, crop=crop)


@pytest.mark.parametrize("layout", ["imagej", "ome", "contiguous", "pages"])
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.7, 0.9])
def test_a_truncated_tiff(tmp_path: Path, layout: str, kept: float) -> None:
    path = tmp_path / "stack.tif"
    if layout == "pages":
        with tifffile.TiffWriter(path) as writer:
            for image in SPOTS:
                writer.write(image, contiguous=False)
    else:
        tiff(tmp_path, **({} if layout == "contiguous" else {layout: True}))
    line = refused(cut(path, kept), pixel_size_nm=10.0)
    assert "is truncated" in line or "cannot be read as TIFF" in line


def test_damage_beside_the_pixels_is_read_over_and_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tiff(tmp_path, ome=True)  # its metadata lie behind the pixels
    path.write_bytes(path.read_bytes()[:-10])
    data = open_dataset(path, pixel_size_nm=10.0)
    assert len(data) == 10 and any("invalid value offset" in note for note in data.notes)
    assert capfd.readouterr().err == ""


def test_an_mrc_with_a_sloppy_header_is_read_and_said(tmp_path: Path) -> None:
    path = patched(patched(mrc(tmp_path), MRC_MAP, "<i", 0), MRC_STAMP, "<i", 0)
    path.write_bytes(path.read_bytes() + b"more")
    data = open_dataset(path)
    assert len(data) == 10
    assert data.notes[1:4] == [
        "stack.mrcs: The header lacks the word MAP; it was read nevertheless.",
        "stack.mrcs: The header does not say its byte order; little-endian was assumed.",
        "stack.mrcs: 4 bytes after the pixels were ignored.",
    ]


def test_remarks_on_many_files_are_listed_in_short(tmp_path: Path) -> None:
    for number in range(12):
        patched(mrc(tmp_path, SPOTS[number % 10], f"{number}.mrc"), MRC_MAP, "<i", 0)
    notes = open_dataset(tmp_path).notes
    assert sum("lacks the word MAP" in note for note in notes) == 5
    assert "7 more remarks of this kind left out." in notes


def test_pictures_with_nan_are_skipped_and_counted(tmp_path: Path) -> None:
    images = SPOTS.copy()
    images[3, 5, 5] = np.nan
    data = open_dataset(fits_file(tmp_path, images), pixel_size_nm=10.0)
    assert len(data) == 9 and "3" not in data.names
    assert data.notes[0] == "1 of 10 pictures holds NaN or infinity and was skipped."


def test_numbers_beyond_float32_count_as_infinity(tmp_path: Path) -> None:
    images = SPOTS.astype(np.float64)
    images[0] *= 1e300
    assert len(open_dataset(tiff(tmp_path, images), pixel_size_nm=10.0)) == 9


@pytest.mark.parametrize("make", [tiff, fits_file, mrc])
def test_pictures_too_large_for_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Maker
) -> None:
    monkeypatch.setattr("holly_triton.io.images.stacks.LARGEST_BYTES", SPOTS.nbytes - 1)
    refused(make(tmp_path), "above the limit", pixel_size_nm=10.0)


def test_a_compression_that_needs_another_package_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiff(tmp_path, compression="zlib")
    zlib, lzw = (struct.pack("<HHIHH", 259, 3, 1, scheme, 0) for scheme in (8, 5))
    replaced(path, zlib, lzw)
    for module in [name for name in sys.modules if name.split(".")[0] == "tifffile"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    monkeypatch.setattr("holly_triton.io.images.tiff.tifffile", importlib.import_module("tifffile"))
    refused(path, "is compressed (LZW); pip install imagecodecs", pixel_size_nm=10.0)


@pytest.mark.parametrize(("make", "package"), [(fits_file, "astropy")])
def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Maker, package: str
) -> None:
    path = make(tmp_path)
    for module in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, module, None)
    refused(path, f"needs {package}")


@pytest.mark.parametrize("folder", ["mrcfile-maps", "subtomograms-tiny", "complexes-polnet/mrcs_10A"])
def test_published_maps_are_not_pictures(folder: str) -> None:
    maps = [file for file in (SHARED / folder).glob("*") if file.suffix in (".map", ".mrc")]
    if not maps:
        pytest.skip("the published maps are not beside this repository")
    for path in maps:
        refused(path, "is a 3D map of")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
@pytest.mark.parametrize("make", [tiff, fits_file, mrc])
def test_a_file_that_may_not_be_read(tmp_path: Path, make: Maker) -> None:
    path = make(tmp_path)
    path.chmod(0)
    refused(path, "Permission denied")
