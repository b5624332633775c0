"""What pictures show of themselves: dark particles, neighbours in the box, dust, pixel sizes in every spelling, other files."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from holly_triton.core.errors import HollyError
from holly_triton.geometry import Grid
from holly_triton.io.images.tiff import nm_per_unit
from holly_triton.particles.data import Pictures, open_dataset
from holly_triton.particles.data.pictures import pictures_from_pixels
from holly_triton.particles.info import describe
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_files import _draw
from holly_triton.structures import read_structure

SHARED = Path(__file__).parents[2] / "../shared"
SIDE = 48


def particles(name: str = "nuclear-pore", count: int = 60, side: int = SIDE, every: int = 4) -> np.ndarray:
    """Pictures of a structure from random directions, of peak about 1, in the middle of a box with room about them."""
    made = simulate(read_structure(name).points, count, scatter_nm=3, generator=torch.Generator().manual_seed(0))
    images = np.stack([*_draw(made, made.grid)])[:, ::every, ::every]
    room = (side - images.shape[1]) // 2
    return np.pad(images / np.median(images.max(axis=(1, 2))), ((0, 0), (room, room), (room, room)))


def pictures(images: np.ndarray, contrast: str | None = None) -> Pictures:
    names = [str(number) for number in range(len(images))]
    return pictures_from_pixels(images.astype(np.float32), names, 5.0, source="test", contrast=contrast)


def noisy(images: np.ndarray, level: float) -> np.ndarray:
    return images + np.random.default_rng(1).normal(0, level, images.shape)


@pytest.mark.parametrize("name", ["nuclear-pore", "torus", "centriole", "cep152", "tetrahedron"])
@pytest.mark.parametrize("level", [0.0, 0.1, 0.3])
def test_dark_particles_are_refused_and_bright_ones_are_not(name: str, level: float) -> None:
    bright = noisy(particles(name), level)
    assert pictures(bright).unfit is None
    dark = pictures(200 - bright)
    assert dark.unfit is not None and "--contrast dark" in dark.unfit and "--contrast bright" in dark.unfit
    assert pictures(200 - bright, "bright").unfit is None


@pytest.mark.parametrize("radius", [10, 20, 22], ids=lambda radius: f"{radius} px of {SIDE // 2}")
def test_a_ring_is_not_dark_for_its_middle_even_if_it_fills_the_picture(radius: float) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    ring = np.exp(-((np.hypot(x, y) - radius) ** 2) / (2 * 2.0**2))
    assert pictures(np.random.default_rng(0).poisson(9 * ring + 1, (40, SIDE, SIDE))).unfit is None


def test_inverted_dark_pictures_are_those_of_bright_ones() -> None:
    bright = noisy(particles(), 0.02)
    one, other = pictures(bright), pictures(7 - bright, "dark")
    torch.testing.assert_close(one.images, other.images, rtol=0, atol=1e-5)
    assert one.radius_nm == other.radius_nm
    assert "inverted" in " ".join(other.notes) and not other.doubts


def test_inverting_bright_pictures_is_doubted() -> None:
    assert "--contrast dark" in pictures(noisy(particles(), 0.05), "dark").doubts[0]


def test_dark_pictures_are_described_but_not_opened_without_the_option(tmp_path: Path) -> None:
    path = tmp_path / "dark.tif"
    tifffile.imwrite(path, (1000 - 800 * noisy(particles(), 0.03)).astype(np.uint16))
    with pytest.raises(HollyError, match="--contrast dark"):
        open_dataset(path, pixel_size_nm=5.0)
    assert "--contrast dark" in describe(path, pixel_size_nm=5.0)["can be trained on"]
    assert describe(path, pixel_size_nm=5.0, contrast="dark")["can be trained on"].startswith("yes")
    assert len(open_dataset(path, pixel_size_nm=5.0, contrast="dark")) == 60
    with pytest.raises(HollyError, match="--contrast pale: is not known; those are bright and dark"):
        open_dataset(path, contrast="pale")


@pytest.mark.parametrize("name", ["holly/test/images", "centriole-spartan/test_data_9_fold"])
def test_published_pictures_raise_no_doubt(name: str) -> None:
    if not (SHARED / "data" / name).exists():
        pytest.skip("the published pictures are not beside this repository")
    data = open_dataset(SHARED / "data" / name, pixel_size_nm=10.0)
    assert isinstance(data, Pictures) and data.unfit is None and data.doubts == []


def test_collected_pictures_are_told_apart() -> None:
    if not (SHARED / "faults").exists():
        pytest.skip("the inputs that went wrong are not beside this repository")
    good = open_dataset(SHARED / "faults/pics_good.tif")
    with pytest.raises(HollyError, match="--contrast dark"):
        open_dataset(SHARED / "faults/pics_dark.tif")
    dark = open_dataset(SHARED / "faults/pics_dark.tif", contrast="dark")
    assert good.doubts == dark.doubts == [] and dark.radius_nm == good.radius_nm


def test_no_particle_is_wider_than_its_picture() -> None:
    data = pictures(noisy(particles(), 1.0))
    assert data.radius_nm == pytest.approx(SIDE / 2 * 5.0)
    assert "corners" in " ".join(data.notes)


def with_neighbours(images: np.ndarray, every: int) -> np.ndarray:
    """The same pictures; some also show part of a second particle, some 0.55 of a side away."""
    crowded = images.copy()
    for number in range(0, len(images), every):
        angle = 2.4 * number
        shift = np.round(0.55 * SIDE * np.array([np.sin(angle), np.cos(angle)])).astype(int)
        other = np.pad(images[number - 1], SIDE)
        crowded[number] += other[SIDE - shift[0] : 2 * SIDE - shift[0], SIDE - shift[1] : 2 * SIDE - shift[1]]
    return crowded


@pytest.mark.parametrize("level", [0.0, 0.03])
def test_a_neighbour_in_many_boxes_is_named_with_the_crop_that_cuts_it(level: float) -> None:
    clean = noisy(particles(), level)
    assert pictures(clean).doubts == []
    (doubt,) = pictures(noisy(with_neighbours(particles(), 3), level)).doubts
    assert "second particle" in doubt and "of 60 pictures" in doubt
    side = int(doubt.split("--crop ")[1].split()[0])
    assert 24 <= side < SIDE


def test_noise_alone_is_no_neighbour() -> None:
    for level in (0.1, 0.3, 1.0):
        assert pictures(noisy(particles(), level)).doubts == []


def test_hot_pixels_do_not_make_particles_larger() -> None:
    rng, clean = np.random.default_rng(2), particles(side=2 * SIDE, every=2)
    dusty = clean.copy()
    for image in dusty:
        image[tuple(rng.integers(2 * SIDE, size=2))] = 20.0
    one, other = pictures(clean), pictures(dusty)
    assert other.radius_nm == pytest.approx(one.radius_nm, rel=0.1)
    assert other.gyration_nm == pytest.approx(one.gyration_nm, rel=0.05)
    assert (other.centroids - one.centroids).norm(
        dim=1
    ).max() < 1.0  # pixels; unlimited, such a pixel moves it by several


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("microns", 1e3), ("micron", 1e3), ("um", 1e3), ("\\u00B5m", 1e3), ("\u00b5m", 1e3), ("\u03bcm", 1e3), ("Micrometers", 1e3),
        ("nanometers", 1.0), ("nm", 1.0), ("mm", 1e6), ("cm", 1e7), ("m", 1e9), ("inch", 25.4e6), ("inches", 25.4e6),
        ("A", 0.1), ("\u00c5", 0.1), ("Angstroms", 0.1), ("pm", 1e-3), ("pixel", None), ("", None),
    ],
)  # fmt: skip
def test_units_of_length_are_known_in_every_spelling(unit: str, nm: float | None) -> None:
    assert nm_per_unit(unit) == nm


@pytest.mark.parametrize("unit", ["microns", "cm", "nanometers", "mm", "\\u00B5m"])
def test_imagej_states_the_pixel_size_in_its_own_unit(tmp_path: Path, unit: str) -> None:
    per_unit = (nm_per_unit(unit) or 0) / 4.0
    metadata = {"unit": unit, "axes": "TYX"}
    tifffile.imwrite(tmp_path / "s.tif", particles(count=9).astype(np.float32), imagej=True, resolution=(per_unit,) * 2, metadata=metadata)  # fmt: skip
    data = open_dataset(tmp_path / "s.tif")
    assert isinstance(data, Pictures) and data.pixel_nm == pytest.approx(4.0, rel=1e-3)


@pytest.mark.parametrize(("unit", "value"), [("A", 40.0), ("\u00c5", 40.0), ("pm", 4000.0)])
def test_ome_states_it_in_units_of_electron_microscopy(tmp_path: Path, unit: str, value: float) -> None:
    metadata = {"axes": "TYX"} | {
        f"PhysicalSize{axis}{kind}": x for axis in "XY" for kind, x in (("", value), ("Unit", unit))
    }
    tifffile.imwrite(tmp_path / "s.ome.tif", particles(count=9), ome=True, metadata=metadata)
    data = open_dataset(tmp_path / "s.ome.tif")
    assert isinstance(data, Pictures) and data.pixel_nm == pytest.approx(4.0)


def test_a_resolution_counts_where_it_is_a_microscope_s(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", particles(count=9), resolution=(2.5e6, 2.5e6), resolutionunit="CENTIMETER")
    data = open_dataset(tmp_path / "s.tif")
    assert isinstance(data, Pictures) and data.pixel_nm == pytest.approx(4.0)
    for dots in (72, 300, 4800):
        tifffile.imwrite(tmp_path / "s.tif", particles(count=9), resolution=(dots, dots), resolutionunit="INCH")
        with pytest.raises(HollyError, match="--pixel-size"):
            open_dataset(tmp_path / "s.tif")


def grey(count: int = 9, kind: type = np.uint8) -> np.ndarray:
    return (200 * particles(count=count).clip(0, 1)).astype(kind)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
def test_a_folder_of_grey_pictures_is_read(tmp_path: Path, suffix: str, mode: str) -> None:
    if suffix == "bmp" and mode == "I;16":
        pytest.skip("BMP has no 16 bits")
    images = grey(kind=np.uint16 if mode == "I;16" else np.uint8)
    for number, image in enumerate(images):
        picture = Image.fromarray(image)
        (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / f"p{number}.{suffix}")
    data = open_dataset(tmp_path, pixel_size_nm=5.0, background="keep")
    assert isinstance(data, Pictures) and data.names == [f"p{number}" for number in range(9)]
    np.testing.assert_array_equal(data.images.numpy(), images)
    with pytest.raises(HollyError, match="--pixel-size"):
        open_dataset(tmp_path)


def test_colour_and_broken_pictures_end_in_one_line(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(HollyError, match=r"a\.png: is a colour picture"):
        open_dataset(tmp_path, pixel_size_nm=5.0)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:100])
    with pytest.raises(HollyError, match=r"a\.png: cannot be read"):
        open_dataset(tmp_path, pixel_size_nm=5.0)


def test_drawings_beside_data_are_no_data(tmp_path: Path) -> None:
    Image.fromarray(grey()[0]).save(tmp_path / "overview.png")
    for number, image in enumerate(grey()):
        tifffile.imwrite(tmp_path / f"p{number}.tif", image)
    assert len(open_dataset(tmp_path, pixel_size_nm=5.0)) == 9


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_numpy_stacks_are_read(tmp_path: Path, dtype: type) -> None:
    np.save(tmp_path / "stack.npy", grey(kind=dtype))
    data = open_dataset(tmp_path / "stack.npy", pixel_size_nm=5.0, background="keep")
    assert isinstance(data, Pictures) and data.source == "NumPy stack"
    np.testing.assert_array_equal(data.images.numpy(), grey(kind=dtype).astype(np.float32))
    assert len(open_dataset(tmp_path, pixel_size_nm=5.0)) == 9
    with pytest.raises(HollyError, match="--pixel-size"):
        open_dataset(tmp_path / "stack.npy")


def test_arrays_of_positions_are_still_positions(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(0, 50, (9, 40, 2)))
    assert not isinstance(open_dataset(tmp_path / "a.npy"), Pictures)


def test_a_dusty_picture_is_drawn_about_its_particle() -> None:
    images = particles(count=9)
    images[:, 2, 2] = 20.0
    drawn = pictures(images).draw(torch.tensor([0]), Grid(24, 240.0), 15.0)[0]
    axis = torch.arange(24.0) - 11.5
    assert float((drawn.sum(0) * axis).sum() / drawn.sum()) < 3.0
