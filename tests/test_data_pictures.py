"""Pictures of pixels: TIFF stacks and folders, background, and resampling onto any grid."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from holly_triton.data import Pictures, open_dataset
from holly_triton.data.pictures import pictures_from_pixels
from holly_triton.geometry import Grid

SPARTAN = Path(__file__).parents[1] / "../shared/data/centriole-spartan/test_data_9_fold"

PIXEL_NM = 10.0


def spots(count: int = 9, height: int = 32, width: int = 40, sigma: float = 3.0, seed: int = 0) -> np.ndarray:
    """One Gaussian spot a picture, of total intensity 1000, up to 3 pixels from the middle."""
    centres = np.random.default_rng(seed).uniform(-3, 3, (count, 2))
    x, y = (np.arange(n) - (n - 1) / 2 for n in (width, height))
    squared = (x - centres[:, 0, None, None]) ** 2 + (y[:, None] - centres[:, 1, None, None]) ** 2
    return (1000 / (2 * np.pi * sigma**2) * np.exp(-squared / (2 * sigma**2))).astype(np.float32)


def imagej(path: Path, images: np.ndarray, pixel_nm: float = PIXEL_NM, unit: str = "micron") -> Path:
    per_unit = {"micron": 1000, "nm": 1, "pixel": 1000}[unit] / pixel_nm
    tifffile.imwrite(path, images, imagej=True, resolution=(per_unit, per_unit), metadata={"unit": unit})
    return path


def read(path: Path, **options: object) -> Pictures:
    data = open_dataset(path, **options)  # type: ignore[arg-type]
    assert isinstance(data, Pictures)
    return data


def test_a_stack_is_read_with_its_pixel_size(tmp_path: Path) -> None:
    data = read(imagej(tmp_path / "stack.tif", spots()))
    assert data.images.shape == (9, 32, 40) and data.names == [str(i) for i in range(9)]
    assert data.pixel_nm == pytest.approx(PIXEL_NM) and data.finest_nm == pytest.approx(0.7 * PIXEL_NM)
    assert "from the ImageJ metadata" in data.notes[0]


@pytest.mark.parametrize(
    ("size", "unit", "nm"), [(0.05, "µm", 50.0), (50.0, "nm", 50.0), (5e-5, "mm", 50.0), (0.05, None, 50.0)]
)
def test_ome_states_the_pixel_size_in_its_own_unit(tmp_path: Path, size: float, unit: str | None, nm: float) -> None:
    metadata = {"axes": "TYX"} | {f"PhysicalSize{axis}": size for axis in "XY"}
    metadata |= {} if unit is None else {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    tifffile.imwrite(tmp_path / "stack.ome.tif", spots(), ome=True, metadata=metadata)
    assert read(tmp_path / "stack.ome.tif").pixel_nm == pytest.approx(nm)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("contiguous", [True, False])
def test_every_real_pixel_type_and_layout_is_read(tmp_path: Path, dtype: type, contiguous: bool) -> None:
    with tifffile.TiffWriter(tmp_path / "stack.tif") as writer:
        for image in spots():
            writer.write(image.astype(dtype), contiguous=contiguous, compression=None if contiguous else "zlib")
    assert len(read(tmp_path / "stack.tif", pixel_size_nm=20.0)) == 9


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
    assert data.names == [f"picture_{number}" for number in range(1, 13)] and data.source == "folder of 12 TIFFs"


def test_a_folder_of_stacks_names_file_and_page(tmp_path: Path) -> None:
    for name in ("a", "b"):
        imagej(tmp_path / f"{name}.tiff", spots(5))
    assert read(tmp_path).names[4:6] == ["a/4", "b/0"]


def test_a_given_pixel_size_overrides_the_file_and_says_so(tmp_path: Path) -> None:
    path = imagej(tmp_path / "stack.tif", spots())
    data = read(path, pixel_size_nm=25.0)
    assert data.pixel_nm == 25.0
    assert data.notes[0] == "--pixel-size 25 nm was used, though the file says 10 nm."
    assert not any("though" in note for note in read(path, pixel_size_nm=10.0).notes)
    assert read(path, unit="nm").notes[0] == "Pictures have pixels, so --unit was not used."


def test_the_published_centrioles_are_read_as_they_lie() -> None:
    if not SPARTAN.is_dir():
        pytest.skip("the published pictures are not beside this repository")
    data = read(SPARTAN)
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


def test_a_picture_is_drawn_about_its_centroid() -> None:
    data = pictures_from_pixels(spots(), [*"012345678"], PIXEL_NM, source="test")
    grid = Grid(33, 33 * PIXEL_NM)
    images = data.draw(torch.arange(9), grid, sigma_nm=12.0)
    axis = torch.arange(33.0) - 16
    for profile in (images.sum(1), images.sum(2)):
        torch.testing.assert_close((profile * axis).sum(1) / profile.sum(1), torch.zeros(9), rtol=0, atol=0.02)


@pytest.mark.parametrize("size", [24, 64, 100])
def test_resampling_conserves_intensity_and_adds_the_blur_in_quadrature(size: int) -> None:
    data = pictures_from_pixels(spots(), [*"012345678"], PIXEL_NM, source="test")
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
        "1 of 12 pictures hold NaN or infinity and were skipped.",
        "1 of 11 pictures show no light and were skipped.",
    ]


def test_the_summary_says_what_was_found(tmp_path: Path) -> None:
    rows = read(imagej(tmp_path / "stack.tif", spots())).summary()
    assert rows["pictures"] == "9 of 40 x 32 px" and rows["pixel size"] == "10 nm"
    assert rows["format"] == "TIFF stack" and rows["third dimension"] == "no"


def test_to_moves_every_tensor() -> None:
    data = pictures_from_pixels(spots(), [*"012345678"], PIXEL_NM, source="test").to("meta")
    assert data.images.device.type == data.centroids.device.type == "meta"
