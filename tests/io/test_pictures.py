"""Pictures of pixels: TIFF stacks and folders, background, and resampling onto any grid."""

from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile
import torch
from astropy.io import fits
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.geometry import Grid
from holly_triton.particles.data import Pictures, open_dataset
from holly_triton.particles.data.own_blur import NO_BLUR
from holly_triton.particles.data.pictures import pictures_from_pixels

SHARED = Path(__file__).parents[2] / "../shared/data"

PIXEL_NM = 10.0


def spots(count: int = 9, height: int = 32, width: int = 40, sigma: float = 3.0, seed: int = 0) -> np.ndarray:
    """One Gaussian spot a picture, of total intensity 1000, up to 3 pixels from the middle."""
    centres = np.random.default_rng(seed).uniform(-3, 3, (count, 2))
    x, y = (np.arange(n) - (n - 1) / 2 for n in (width, height))
    squared = (x - centres[:, 0, None, None]) ** 2 + (y[:, None] - centres[:, 1, None, None]) ** 2
    return (1000 / (2 * np.pi * sigma**2) * np.exp(-squared / (2 * sigma**2))).astype(np.float32)


def imagej(path: Path, images: np.ndarray, axes: str = "TYX") -> Path:
    metadata = {"unit": "micron", "axes": axes[-images.ndim :]}
    tifffile.imwrite(path, images, imagej=True, resolution=(1000 / PIXEL_NM,) * 2, metadata=metadata)
    return path


def z_stacks(count: int = 9, slices: int = 5) -> np.ndarray:
    """Spots ``[P, Z, H, W]`` whose slices sum to those of ``spots``."""
    share = np.linspace(0, 2 / slices, slices, dtype=np.float32)
    return spots(count)[:, None] * share[:, None, None]


def published(folder: str) -> Path:
    if not (SHARED / folder).is_dir():
        pytest.skip("the published pictures are not beside this repository")
    return SHARED / folder


def read(path: Path, **options: object) -> Pictures:
    data = open_dataset(path, **options)  # type: ignore[arg-type]
    assert isinstance(data, Pictures)
    return data


def test_a_stack_is_read_with_its_pixel_size(tmp_path: Path) -> None:
    data = read(imagej(tmp_path / "stack.tif", spots()))
    assert data.images.shape == (9, 32, 40) and data.names == [str(i) for i in range(9)]
    assert data.pixel_nm == pytest.approx(PIXEL_NM) and data.own_blur_nm == pytest.approx(30.0, rel=0.1)
    assert "from the ImageJ metadata" in data.notes[0]


@pytest.mark.parametrize(
    ("size", "unit", "nm"), [(0.05, "µm", 50.0), (50.0, "nm", 50.0), (5e-5, "mm", 50.0), (0.05, None, 50.0)]
)
def test_ome_states_the_pixel_size_in_its_own_unit(tmp_path: Path, size: float, unit: str | None, nm: float) -> None:
    metadata = {"axes": "TYX"} | {f"PhysicalSize{axis}": size for axis in "XY"}
    metadata |= {} if unit is None else {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    tifffile.imwrite(tmp_path / "stack.ome.tif", spots(), ome=True, metadata=metadata)
    assert read(tmp_path / "stack.ome.tif").pixel_nm == pytest.approx(nm)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"contiguous": False},
        {"contiguous": False, "compression": "zlib"},
        {"contiguous": False, "compression": "lzma", "rowsperstrip": 7},
        {"contiguous": False, "tile": (16, 16)},
        {"contiguous": False, "tile": (16, 16), "compression": "zlib", "predictor": 1},
    ],
    ids=str,
)
def test_every_real_pixel_type_and_layout_is_read(tmp_path: Path, dtype: type, layout: dict) -> None:
    images = spots().astype(dtype)
    with tifffile.TiffWriter(tmp_path / "stack.tif", byteorder=">") as writer:
        for image in images:
            writer.write(image, **layout)
    data = read(tmp_path / "stack.tif", pixel_size_nm=20.0, background="keep")
    np.testing.assert_array_equal(data.images.numpy(), images.astype(np.float32))


def test_a_folder_of_z_stacks_is_one_particle_a_file(tmp_path: Path) -> None:
    for number, stack in enumerate(z_stacks()):
        imagej(tmp_path / f"p{number}.tif", stack, "ZYX")
    data = read(tmp_path, background="keep")
    assert data.names == [f"p{number}" for number in range(9)]
    assert "The slices along z of each particle were summed: the metadata name that axis." in data.notes
    np.testing.assert_allclose(data.images.numpy(), spots(), rtol=1e-5)


@pytest.mark.parametrize(("kind", "axes"), [("imagej", "TZYX"), ("ome", "TZYX"), ("ome", "ZTYX")])
def test_a_hyperstack_is_summed_along_z_whatever_the_order(tmp_path: Path, kind: str, axes: str) -> None:
    stacks = z_stacks() if axes == "TZYX" else z_stacks().swapaxes(0, 1)
    path = tmp_path / f"stack.{kind}.tif"
    tifffile.imwrite(path, stacks, metadata={"axes": axes}, **{kind: True})
    data = read(path, pixel_size_nm=PIXEL_NM, background="keep")
    np.testing.assert_allclose(data.images.numpy(), spots(), rtol=1e-5)
    assert any("slices along z" in note for note in data.notes)


def test_slices_of_a_file_that_holds_nothing_else_are_particles(tmp_path: Path) -> None:
    data = read(imagej(tmp_path / "stack.tif", spots(), "ZYX"))
    assert len(data) == 9 and "Each slice along z was taken as one particle" in data.notes[1]


@pytest.mark.parametrize("axes", ["TCYX", "CTYX", "TZCYX"])
def test_channels_are_read_as_bright_as_each_other(tmp_path: Path, axes: str) -> None:
    parts = {"A": spots(seed=1), "B": 40 * spots(seed=2)}
    stacks = [*parts.values()] if "Z" not in axes else [0.25 * np.stack(4 * [part], axis=1) for part in parts.values()]
    path = tmp_path / "stack.ome.tif"
    about = {"axes": axes, "Channel": {"Name": [*parts]}, "PhysicalSizeX": 0.01, "PhysicalSizeY": 0.01}
    tifffile.imwrite(path, np.stack(stacks, axis=axes.index("C")), ome=True, metadata=about)
    data = read(path)
    assert data.channels == ("A", "B") and data.parts is not None and len(data) == 9
    np.testing.assert_allclose(data.parts[:, 0], 40 * spots(seed=1), rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(data.parts[:, 1], 40 * spots(seed=2), rtol=1e-4, atol=1e-2)
    assert torch.equal(data.images, data.parts.sum(1))
    grid = Grid(32, 320.0)
    index = torch.arange(4)
    both = sum(data.draw(index, grid, 60.0, channel) for channel in range(2))
    torch.testing.assert_close(both, data.draw(index, grid, 60.0), rtol=1e-3, atol=1e-3)
    for chosen in ("B", "2"):
        one = read(path, channel=chosen)
        assert one.channels == () and one.parts is None
        np.testing.assert_allclose(one.images, 40 * spots(seed=2), rtol=1e-4, atol=1e-2)
    with pytest.raises(HollyError, match="has no channel C; it has A, B"):
        read(path, channel="C")


def test_channels_without_names_are_numbered_and_one_may_be_dark(tmp_path: Path) -> None:
    path = imagej(tmp_path / "stack.tif", np.stack([spots(), np.zeros_like(spots())], axis=1), "TCYX")
    both = read(path)
    assert both.channels == ("1", "2") and both.dark_channels() == ["2"] and torch.isfinite(both.images).all()
    assert "There is no light in channel 2." in both.notes
    assert read(path, channel="1").images.shape == (9, 32, 40)
    half = imagej(tmp_path / "half.tif", np.stack([spots(), np.full_like(spots(), np.nan)], axis=1), "TCYX")
    with pytest.raises(HollyError, match=r"No picture of channel 2 is finite; read another one with --channel"):
        read(half)
    with pytest.raises(HollyError, match="holds one channel; leave --channel out"):
        read(imagej(tmp_path / "one.tif", spots()), channel="1")


def test_too_few_pictures_are_described_and_their_channels_are_not_particles_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "one.ome.tif"
    tifffile.imwrite(path, spots(2), ome=True, metadata={"axes": "CYX", "PhysicalSizeX": 0.01, "PhysicalSizeY": 0.01})
    ran = CliRunner().invoke(main, ["info", str(path)])
    assert ran.exit_code == 0 and "no: holds 2 pictures; at least 8 are needed" in ran.output
    assert "Each channel was taken as one particle" in ran.output


def test_pages_without_metadata_are_particles(tmp_path: Path) -> None:
    for number, images in enumerate(z_stacks()):
        tifffile.imwrite(tmp_path / f"{number}.tif", images, metadata=None)
    assert len(read(tmp_path, pixel_size_nm=PIXEL_NM)) == 9 * 4  # the first slice of each is black


@pytest.mark.parametrize("crop", [21, 32])
def test_a_crop_is_about_the_middle_of_the_picture(tmp_path: Path, crop: int) -> None:
    data = read(imagej(tmp_path / "stack.tif", spots()), crop=crop, background="keep")
    top, left = (32 - crop) // 2, (40 - crop) // 2
    np.testing.assert_array_equal(data.images.numpy(), spots()[:, top : top + crop, left : left + crop])
    assert f"Pictures were cropped to {crop} x {crop} px about their centre." in data.notes


def test_a_crop_brings_pictures_of_several_sizes_to_one(tmp_path: Path) -> None:
    for size in range(30, 40):
        imagej(tmp_path / f"{size}.tif", spots(1, size, size + 1))
    assert read(tmp_path, crop=24).images.shape == (10, 24, 24)


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", "uint16", "uint8"])
def test_fits_stacks_and_extensions_are_read(tmp_path: Path, dtype: str) -> None:
    images = spots().astype(dtype)
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.ones(3))])
    fits.HDUList([fits.PrimaryHDU(images[:4]), table, fits.ImageHDU(images[4:])]).writeto(tmp_path / "s.fits")
    data = read(tmp_path / "s.fits", pixel_size_nm=PIXEL_NM, background="keep")
    np.testing.assert_array_equal(data.images.numpy(), images.astype(np.float32))
    assert data.source == "FITS stack"


def test_a_compressed_fits_image_is_read(tmp_path: Path) -> None:
    images = spots().astype(np.int32)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(images)]).writeto(tmp_path / "s.fits")
    data = read(tmp_path / "s.fits", pixel_size_nm=PIXEL_NM, background="keep")
    np.testing.assert_array_equal(data.images.numpy(), images)


def test_of_folders_named_by_sigma_the_finest_is_read(tmp_path: Path) -> None:
    """As HOLLy's ``--fitspath`` lies on the disk."""
    for name, sigma in (("10", 10.0), ("2.0", 2.0), ("1.41", 1.41)):
        (tmp_path / name).mkdir()
        for number, image in enumerate(spots(9, sigma=sigma)):
            fits.PrimaryHDU(image).writeto(tmp_path / name / f"test_{number:02}.fits")
    (tmp_path / "logs").mkdir()
    data = read(tmp_path, pixel_size_nm=PIXEL_NM, background="keep")
    np.testing.assert_array_equal(data.images.numpy(), spots(9, sigma=1.41))
    assert data.names[0] == "test_00" and "the finest, 1.41, was read" in data.notes[0]


def test_holly_s_own_pictures_are_read_as_they_lie() -> None:
    data = read(published("holly/test/images"), pixel_size_nm=9.28)
    assert data.images.shape == (10, 128, 128) and data.names[-1] == "test_09"
    torch.testing.assert_close(data.images.sum((1, 2)), torch.full((10,), 200.0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["stack.mrc", "stack.mrcs"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<i2", ">u2", "int8", "<f2"])
def test_mrc_stacks_are_read_with_their_pixel_size(tmp_path: Path, name: str, dtype: str) -> None:
    images = spots().astype(dtype)
    with mrcfile.new(tmp_path / name, images) as file:
        file.set_image_stack()
        file.voxel_size = 10 * PIXEL_NM
        file.set_extended_header(np.zeros(160, dtype="V1"))
    data = read(tmp_path / name, background="keep")
    assert data.pixel_nm == pytest.approx(PIXEL_NM) and "from the MRC header" in data.notes[0]
    np.testing.assert_array_equal(data.images.numpy(), images.astype(np.float32))


def test_an_mrcs_is_a_stack_whatever_its_header_says(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "stack.mrcs", spots()) as file:
        file.set_volume()
    assert len(read(tmp_path / "stack.mrcs", pixel_size_nm=PIXEL_NM)) == 9


def test_a_folder_of_single_mrc_pictures_is_read(tmp_path: Path) -> None:
    for number, image in enumerate(spots()):
        mrcfile.new(tmp_path / f"{number}.mrc", image).close()
    assert read(tmp_path, pixel_size_nm=PIXEL_NM).names == [*"012345678"]


@pytest.mark.parametrize("layout", [{}, {"imagej": True}, {"bigtiff": True}])
def test_a_stack_with_one_directory_for_all_pages_is_read(tmp_path: Path, layout: dict) -> None:
    """As ImageJ writes a stack above 4 GiB."""
    tifffile.imwrite(tmp_path / "stack.tif", spots(), truncate=True, **layout)
    assert len(read(tmp_path / "stack.tif", pixel_size_nm=20.0)) == 9


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number, image in enumerate(spots(12), start=1):
        imagej(tmp_path / f"picture_{number}.tif", image)
    (tmp_path / "notes.txt").write_text("not a picture")
    data = read(tmp_path)
    assert data.names == [f"picture_{number}" for number in range(1, 13)] and data.source == "folder of 12 TIFF files"


def test_a_folder_of_stacks_names_file_and_page(tmp_path: Path) -> None:
    for name in ("a", "b"):
        imagej(tmp_path / f"{name}.tiff", spots(5))
    assert read(tmp_path).names[4:6] == ["a/4", "b/0"]


def test_a_given_pixel_size_overrides_the_file_and_says_so(tmp_path: Path) -> None:
    path = imagej(tmp_path / "stack.tif", spots())
    data = read(path, pixel_size_nm=25.0)
    assert data.pixel_nm == 25.0
    assert data.notes[0] == "--pixel-size 25 nm was used, though the file states 10 nm."
    assert not any("though" in note for note in read(path, pixel_size_nm=10.0).notes)
    assert read(path, unit="nm").notes[0] == "Pictures have pixels, so --unit was not used."


def test_the_published_centrioles_are_read_as_they_lie() -> None:
    data = read(published("centriole-spartan/test_data_9_fold"))
    assert data.images.shape == (99, 64, 64) and data.pixel_nm == 10.0
    assert (data.names[0], data.names[-1]) == ("Particles_Ch1_001", "Particles_Ch1_099")
    assert 100 < data.radius_nm < 250


def test_background_and_noise_are_removed_and_said() -> None:
    rng = np.random.default_rng(0)
    clean = spots(10, 48, 48)
    data = pictures_from_pixels(
        (clean + rng.normal(500, 0.5, clean.shape)).astype(np.float32),
        [*"0123456789"],
        PIXEL_NM,
        source="test",
    )
    assert "Background" in data.notes[-1]
    # A Gaussian holds t / peak of its intensity where it is below t = 3 x 0.5; noise lets some of that pass.
    np.testing.assert_allclose(data.images.sum((1, 2)).numpy(), 1000 * (1 - 1.5 / clean.max()), rtol=0.08)
    assert (data.images == 0).float().mean() > 0.7


def test_background_that_is_kept_is_drawn_and_pixels_below_zero_are_not() -> None:
    images = spots() + np.float32(2)
    images[4, :, :5] = -100
    images[5] = 7.0
    data = pictures_from_pixels(images, [*"012345678"], PIXEL_NM, source="test", background="keep")
    assert data.names == [*"01234678"]
    assert data.notes[:2] == [
        "1 of 9 pictures shows no light and was skipped.",
        "Background was kept in the pictures. Pixels below 0, in 1 of them, count as 0.",
    ]
    assert "corners" in data.notes[2]
    drawn = data.draw(torch.arange(8), Grid(32, 500.0), sigma_nm=15.0)
    assert (data.images.min() == 0) and drawn.isfinite().all() and (drawn >= 0).all()
    assert data.images[0].min() >= 2 and data.radius_nm > 150


def test_a_picture_is_drawn_about_its_centroid() -> None:
    data = pictures_from_pixels(spots(), [*"012345678"], PIXEL_NM, source="test")
    data = replace(data, blur=NO_BLUR)  # sharpening moves such lone spots by up to 0.04 px
    grid = Grid(33, 33 * PIXEL_NM)
    images = data.draw(torch.arange(9), grid, sigma_nm=12.0)
    axis = torch.arange(33.0) - 16
    for profile in (images.sum(1), images.sum(2)):
        torch.testing.assert_close((profile * axis).sum(1) / profile.sum(1), torch.zeros(9), rtol=0, atol=0.02)


@pytest.mark.parametrize("size", [24, 64, 100])
def test_resampling_conserves_intensity_and_adds_the_blur_in_quadrature(size: int) -> None:
    data = pictures_from_pixels(spots(), [*"012345678"], PIXEL_NM, source="test")
    data = replace(data, blur=NO_BLUR)  # else the spots' own width would be a part of sigma
    grid = Grid(size, 480.0)
    sigma_nm = 15.0
    images = data.draw(torch.tensor([3, 0]), grid, sigma_nm)
    torch.testing.assert_close(images.sum((1, 2)), data.images[[3, 0]].sum((1, 2)), rtol=1e-3, atol=0)
    axis = (torch.arange(size) - (size - 1) / 2) * grid.pixel_nm
    profile = images[0].sum(0) / images[0].sum()
    width = float((profile * axis**2).sum().sqrt())
    # The spot is 3 pixels of 10 nm wide.
    assert width == pytest.approx((30.0**2 + sigma_nm**2) ** 0.5, rel=0.01)


def test_pictures_and_their_emitters_give_the_same_drawing() -> None:
    """A picture with one bright pixel is an emitter at that pixel."""
    image = np.zeros((1, 21, 21), dtype=np.float32)
    image[0, 10, 10] = 2.0
    data = pictures_from_pixels(image, ["dot"], PIXEL_NM, source="test")
    grid = Grid(15, 150.0)
    axis = (np.arange(15) - 7) * 10.0
    gaussian = np.exp(-(axis**2) / (2 * 18.0**2)) * 10 / (18.0 * (2 * np.pi) ** 0.5)
    expected = 2.0 * gaussian[:, None] * gaussian[None, :]
    np.testing.assert_allclose(data.draw(torch.tensor([0]), grid, 18.0)[0].numpy(), expected, rtol=1e-5)


def test_the_radius_holds_the_light() -> None:
    data = pictures_from_pixels(spots(), [*"012345678"], PIXEL_NM, source="test")
    # A 2D Gaussian holds 99.5 % inside sqrt(2 ln 200) = 3.26 sigma; rings are half a pixel wide.
    assert data.radius_nm == pytest.approx(3.255 * 30.0, abs=PIXEL_NM)


def test_pictures_without_light_or_with_nan_are_skipped_and_said() -> None:
    images = spots(12)
    images[3] = 7.0
    images[5, 0, 0] = np.nan
    data = pictures_from_pixels(images, [str(i) for i in range(12)], PIXEL_NM, source="test")
    assert len(data) == 10 and not {"3", "5"} & {*data.names}
    assert data.notes[:2] == [
        "1 of 12 pictures holds NaN or infinity and was skipped.",
        "1 of 11 pictures shows no light and was skipped.",
    ]


def test_the_summary_says_what_was_found(tmp_path: Path) -> None:
    rows = read(imagej(tmp_path / "stack.tif", spots())).summary()
    assert rows["pictures"] == "9 of 40 x 32 px" and rows["pixel size"] == "10 nm"
    assert rows["format"] == "TIFF stack" and rows["third dimension"] == "no"


def test_to_moves_every_tensor() -> None:
    images = np.stack([spots(), spots()], axis=1)
    data = pictures_from_pixels(images, [*"012345678"], PIXEL_NM, source="test", channels=("A", "B")).to("meta")
    assert data.parts is not None
    assert data.images.device.type == data.centroids.device.type == data.parts.device.type == "meta"
