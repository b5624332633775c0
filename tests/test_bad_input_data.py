"""Bad data: one line that names the file, what is wrong and what would be right. Never a traceback."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import tifffile

from holly_triton.data import open_dataset
from holly_triton.errors import HollyError

Maker = Callable[[Path], Path]


def refused(path: Path, *parts: str, **options: object) -> str:
    """The message, which must be one line that names the file and holds every part."""
    with pytest.raises(HollyError) as caught:
        open_dataset(path, **options)  # type: ignore[arg-type]
    line = str(caught.value)
    assert "\n" not in line and path.name in line
    for part in parts:
        assert part in line
    return line


def csv(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    (tmp_path / "locs.csv").write_text(text, encoding=encoding)
    return tmp_path / "locs.csv"


def rows(particles: int = 10, emitters: int = 3) -> str:
    return "".join(f"{7 * e + p},{e * e},{p}\n" for p in range(particles) for e in range(emitters))


HEADER = "x [nm],y [nm],particle\n"


def test_a_missing_path(tmp_path: Path) -> None:
    refused(tmp_path / "missing.csv", "there is no such file or folder")


def test_an_empty_folder(tmp_path: Path) -> None:
    refused(tmp_path, "is an empty folder", "TIFF stack or folder of TIFFs", "folder written by simulate")


@pytest.mark.parametrize("name", ["data.hdf5", "data.ply", "data"])
def test_an_unknown_format_lists_those_known(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    for path in (tmp_path / name, tmp_path):
        refused(path, "is of no known format", ".csv", ".mat", ".tif")


def test_a_folder_of_tables_is_not_a_data_set(tmp_path: Path) -> None:
    csv(tmp_path, HEADER + rows())
    refused(tmp_path, "is of no known format")


def test_a_table_without_positions_says_what_is_needed_and_what_was_found(tmp_path: Path) -> None:
    path = csv(tmp_path, "frame,xnano,ynano,group\n1,2,3,4\n")
    refused(path, "needs the columns x [nm] and y [nm]", "found frame, xnano, ynano, group")
    refused(csv(tmp_path, "1,2,3\n4,5,6\n"), "needs the columns", "found 1, 2, 3")


def test_a_table_without_particles_says_which_columns_name_them(tmp_path: Path) -> None:
    path = csv(tmp_path, '"id","frame","x [nm]","y [nm]"\n1,1,2,3\n')
    refused(path, "has no particle column", "particle, group, cluster or id_particle", "found id, frame, x [nm]")


def test_a_very_wide_table_is_listed_in_short(tmp_path: Path) -> None:
    line = refused(csv(tmp_path, ",".join(f"column{'x' * 99}{i}" for i in range(500))), "...")
    assert len(line) < 1000


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_table(tmp_path: Path, text: str) -> None:
    refused(csv(tmp_path, text), "is empty")


def test_a_table_of_a_header_alone(tmp_path: Path) -> None:
    refused(csv(tmp_path, HEADER), "holds 0 pictures")


def test_cells_that_hold_no_numbers_are_named_by_line(tmp_path: Path) -> None:
    refused(csv(tmp_path, HEADER + rows() + "1,two,3\n"), "could not convert string 'two'", "in line 32, column 2")
    # A cell that is empty and, further down, one that is a word.
    refused(csv(tmp_path, HEADER + ",5,1\n" + rows() + "1,two,3\n"), "'two'", "in line 33")


def test_a_row_cut_short(tmp_path: Path) -> None:
    refused(csv(tmp_path, HEADER + rows() + "1\n"), "in line 32 with 1 columns")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_another_text_encoding(tmp_path: Path, encoding: str) -> None:
    refused(csv(tmp_path, "x [µm],y [µm],particle\n" + rows(), encoding), "is not UTF-8 text")


def test_another_text_encoding_further_down(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER + rows())
    path.write_bytes(path.read_bytes() + b"1,\xff,3\n")
    refused(path, "is not UTF-8 text")


def test_a_picture_named_as_a_table(tmp_path: Path) -> None:
    (tmp_path / "locs.csv").write_bytes(bytes(range(256)) * 300)
    refused(tmp_path / "locs.csv", "is not UTF-8 text")


def test_ids_that_cannot_be_told_apart(tmp_path: Path) -> None:
    refused(csv(tmp_path, HEADER + "1,2,1e300\n" + rows()), "ids above 2^53")
    refused(csv(tmp_path, HEADER + f"1,2,{2**53 + 1}\n1,2,{2**54}\n" + rows()), "ids above 2^53")


def test_positions_that_are_nan_are_dropped_counted_and_said(tmp_path: Path) -> None:
    data = open_dataset(csv(tmp_path, HEADER + "nan,1,0\nNaN,2,1\n3,inf,1\n" + rows()))
    assert len(data) == 10 and data.notes == ["3 of 33 localisations have no finite position and were dropped."]
    assert data.summary()["notes"] == data.notes[0]


def test_a_particle_without_emitters_is_skipped_and_said(tmp_path: Path) -> None:
    data = open_dataset(csv(tmp_path, HEADER + rows() + "nan,nan,77\nnan,nan,77\n"))
    assert "77" not in data.names and data.notes[1] == "1 of 11 particles hold no emitter and were skipped."


def test_fewer_pictures_than_a_structure_needs_also_say_what_was_skipped(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER + rows(7) + "nan,nan,77\n")
    refused(path, "holds 7 pictures; at least 8 are needed", "1 of 8 particles hold no emitter")


def test_particles_that_are_single_points(tmp_path: Path) -> None:
    refused(csv(tmp_path, HEADER + rows(emitters=1)), "every particle is a single point")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"unit": "inch"}, "those are nm, um and px"),
        ({"pixel_size_nm": 0.0}, "must be above 0 nm"),
        ({"pixel_size_nm": float("nan")}, "must be above 0 nm"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict, part: str) -> None:
    with pytest.raises(HollyError, match=part):
        open_dataset(csv(tmp_path, HEADER + rows()), **options)


def test_pixels_without_their_size(tmp_path: Path) -> None:
    refused(csv(tmp_path, "x [px],y [px],particle\n" + rows()), "--pixel-size NM")
    refused(csv(tmp_path, "x,y,particle\n" + rows()), "--pixel-size NM", unit="px")
    refused(csv(tmp_path, "x [in],y [in],particle\n" + rows()), "those that are known are [nm], [um] and [px]")


def mat(tmp_path: Path, cells: list | None, **variables: object) -> Path:
    if cells is not None:
        array = np.empty((1, len(cells)), dtype=object)
        array[0, :] = cells
        variables["particles"] = array
    scipy.io.savemat(tmp_path / "p.mat", variables)
    return tmp_path / "p.mat"


GOOD_CELLS = [np.arange(10.0).reshape(2, 5) ** 2] * 9


def test_matlab_without_a_cell_array_lists_what_is_there(tmp_path: Path) -> None:
    refused(mat(tmp_path, None, subset=np.ones((5, 9))), "needs a cell array", "found subset (double)")
    refused(mat(tmp_path, None), "found no variables")


@pytest.mark.parametrize(
    ("cell", "part"),
    [
        (np.ones((5, 7)), "cell 10 must be 2xn, 3xn, nx2 or nx3; found 5x7"),
        (np.ones((3, 5)), "cell 10 is 3x5; the others are 2xn"),
        (np.ones((5, 2)), "cell 10 is 5x2; the others are 2xn"),
        (np.ones((2, 5)) * 1j, "cell 10 must hold matrices of real numbers"),
        (np.ones((2, 5, 2)), "cell 10 must hold matrices of real numbers"),
        ("text", "cell 10 must hold matrices of real numbers"),
        ({"coords": np.ones((5, 2))}, "cell 10 needs a struct with the field points; found coords"),
        ({"points": np.ones((2, 5)), "sigma": np.ones((4, 1))}, "cell 10 has 5 points but 4 rows of sigma"),
        ({"points": "text"}, "cell 10 must hold matrices of real numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_cell_of_another_shape_or_kind(tmp_path: Path, cell: object, part: str) -> None:
    good = GOOD_CELLS
    if isinstance(cell, dict) and "sigma" in cell:
        good = [{"points": points, "sigma": np.ones((5, 1))} for points in GOOD_CELLS]  # type: ignore[misc]
    refused(mat(tmp_path, [*good, cell]), part)


def test_matlab_7_3_and_damaged_files(tmp_path: Path) -> None:
    path = mat(tmp_path, GOOD_CELLS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "cannot be read as MATLAB")
    path.write_bytes(b"")
    refused(path, "cannot be read as MATLAB")
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(116) + b"\0" * 8 + b"\x00\x02IM" + b"\0" * 512)
    refused(path, "is MATLAB 7.3 (HDF5)", "-v7")


SPOTS = np.random.default_rng(0).uniform(0, 100, (10, 24, 24)).astype(np.float32)


def tiff(tmp_path: Path, images: np.ndarray = SPOTS, name: str = "stack.tif", **options: object) -> Path:
    tifffile.imwrite(tmp_path / name, images, **options)  # type: ignore[arg-type]
    return tmp_path / name


def test_a_picture_without_pixel_size_is_never_guessed(tmp_path: Path) -> None:
    for options in ({}, {"resolution": (300, 300), "resolutionunit": "INCH"}):
        refused(tiff(tmp_path, **options), "does not say its pixel size; give it with --pixel-size NM")
    uncalibrated = {"imagej": True, "resolution": (1, 1), "metadata": {"unit": "pixel"}}
    refused(tiff(tmp_path, **uncalibrated), "--pixel-size NM")
    path = tiff(tmp_path, name="s.ome.tif", ome=True, metadata={"PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm"})
    refused(path, "--pixel-size NM")


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    refused(
        tiff(tmp_path, imagej=True, resolution=(10, 20), metadata={"unit": "micron"}),
        "100 x 50 nm",
        "resample",
    )


@pytest.mark.parametrize(
    ("shape", "options"), [((10, 24, 24, 3), {"photometric": "rgb"}), ((24, 24, 4), {"photometric": "rgb"})]
)
def test_colour_pictures(tmp_path: Path, shape: tuple[int, ...], options: dict) -> None:
    refused(tiff(tmp_path, np.zeros(shape, dtype=np.uint8), **options), "is a colour picture", pixel_size_nm=10.0)


def test_palette_pictures(tmp_path: Path) -> None:
    palette = np.zeros((3, 256), dtype=np.uint16)
    path = tiff(tmp_path, SPOTS.astype(np.uint8), photometric="palette", colormap=palette)
    refused(path, "is a colour picture", pixel_size_nm=10.0)


def test_complex_pictures(tmp_path: Path) -> None:
    refused(tiff(tmp_path, SPOTS.astype(np.complex64)), "has complex64 pixels", pixel_size_nm=10.0)


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
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    line = refused(path, pixel_size_nm=10.0)
    assert "is truncated" in line or "cannot be read as TIFF" in line


def test_a_stack_that_promises_more_pictures_than_it_holds(tmp_path: Path) -> None:
    path = tiff(tmp_path, imagej=True)
    path.write_bytes(path.read_bytes().replace(b"images=10", b"images=99"))
    refused(path, "is truncated", pixel_size_nm=10.0)


def test_damage_beside_the_pixels_is_read_over_and_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tiff(tmp_path, SPOTS * (SPOTS > 99), ome=True)  # its metadata lie behind the pixels
    path.write_bytes(path.read_bytes()[:-10])
    data = open_dataset(path, pixel_size_nm=10.0)
    assert len(data) == 10 and any("invalid value offset" in note for note in data.notes)
    assert capfd.readouterr().err == ""


def test_text_named_as_tiff(tmp_path: Path) -> None:
    (tmp_path / "stack.tif").write_text("x,y\n")
    refused(tmp_path / "stack.tif", "cannot be read as TIFF")


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "stack.tif") as writer:
        for size in (24, 20):
            writer.write(SPOTS[0, :size], contiguous=False)
    refused(tmp_path / "stack.tif", "several sizes (24 x 24 px, 24 x 20 px)", pixel_size_nm=10.0)
    (tmp_path / "folder").mkdir()
    for name, size in (("a.tif", 24), ("b.tif", 20)):
        tiff(tmp_path / "folder", SPOTS[:, :size], name)
    with pytest.raises(HollyError, match=r"b\.tif: is 24 x 20 px but a\.tif is 24 x 24 px"):
        open_dataset(tmp_path / "folder", pixel_size_nm=10.0)


def test_a_folder_whose_files_disagree_on_the_pixel_size(tmp_path: Path) -> None:
    for name, per_micron in (("a.tif", 10), ("b.tif", 20)):
        tiff(tmp_path, name=name, imagej=True, resolution=(per_micron,) * 2, metadata={"unit": "micron"})
    with pytest.raises(HollyError, match=r"b\.tif: has pixels of 50 nm but a\.tif of 100 nm"):
        open_dataset(tmp_path)


def test_a_tiff_too_large_for_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holly_triton.data.tiff.LARGEST_BYTES", SPOTS.nbytes - 1)
    refused(tiff(tmp_path), "above the limit", pixel_size_nm=10.0)


def test_pictures_without_light(tmp_path: Path) -> None:
    refused(
        tiff(tmp_path, SPOTS * 0 + 5),
        "holds 0 pictures",
        "10 of 10 pictures show no light",
        pixel_size_nm=10.0,
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    for path in (csv(tmp_path, HEADER + rows()), mat(tmp_path, GOOD_CELLS), tiff(tmp_path)):
        path.chmod(0)
        refused(path, "Permission denied")
