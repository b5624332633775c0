"""Which column holds what, fields of view, folders, and what ``info`` says of each."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io.tables.columns import table_of
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.rows import Part, Rows, rows_of
from holly_triton.io.tables.table import read_rows
from holly_triton.particles import info
from holly_triton.particles.data import Localisations, open_dataset
from holly_triton.particles.info import describe

ROWS = 60


def columns(*names: str) -> dict[str, np.ndarray]:
    """Different numbers under each name."""
    rng = np.random.default_rng(0)
    return {name: rng.uniform(10, 90, ROWS) for name in names}


def rows(*names: str, pixel_nm: float | None = None, **options: Any) -> Rows:
    return rows_of(Path("data.x"), table_of("test", columns(*names), pixel_nm=pixel_nm), Reading(**options))


def field(*names: str, **options: Any) -> Part:
    return rows(*names, **options).whole()


def csv(path: Path, *names: str, delimiter: str = ",") -> Path:
    values = columns(*names)
    if "particle" in values:
        values["particle"] = np.repeat(np.arange(10), 6)
    path.parent.mkdir(exist_ok=True)
    np.savetxt(
        path, np.column_stack([*values.values()]), delimiter=delimiter, header=delimiter.join(names), comments=""
    )
    return path


@pytest.mark.parametrize(
    ("names", "nm"),
    [
        (("x [nm]", "y [nm]"), 1),
        (("X (nm)", "Y (nm)"), 1),
        (("xnm", "ynm"), 1),
        (("x_nm", "y_nm"), 1),
        (("x_um", "y_um"), 1000),
        (("Position X [nm]", "Position Y [nm]"), 1),
        (("position_x", "position_y"), 1),
        (("x [µm]", "y [µm]"), 1000),
        (("x [m]", "y [m]"), 1e9),
        (("x [nanometer]", "y [nanometer]"), 1),
        (("xpix", "ypix"), 130),
        (("x [px]", "y [px]"), 130),
        (("x [pixel]", "y [pixel]"), 130),
        (("xpix", "ypix", "xnm", "ynm"), 1),
    ],
    ids=str,
)
def test_positions_are_known_by_the_names_of_many_programs(names: tuple[str, ...], nm: float) -> None:
    read = field(*names, pixel_size_nm=130.0)
    np.testing.assert_allclose(read.xyz, np.stack([columns(*names)[name] for name in names[-2:]], axis=1) * nm)


@pytest.mark.parametrize(
    ("names", "nm"),
    [
        (("uncertainty",), 1),
        (("uncertainty_xy [nm]",), 1),
        (("uncertainty [um]",), 1000),
        (("locprecnm",), 1),
        (("precision [nm]",), 1),
        (("lpx", "lpy"), 1),
        (("lpx [px]", "lpy [px]"), 130),
        (("xnmerr", "ynmerr"), 1),
    ],
    ids=str,
)
def test_precision_is_in_nm_and_the_root_mean_square_of_both_axes(names: tuple[str, ...], nm: float) -> None:
    expected = np.sqrt(np.mean([columns("x", "y", *names)[name] ** 2 for name in names], axis=0)) * nm
    precision = field("x", "y", *names, pixel_size_nm=130.0).precision
    assert precision is not None
    np.testing.assert_allclose(precision, expected)


def test_the_width_of_the_psf_and_camera_counts_are_left_alone() -> None:
    read = field("x", "y", "sigma [nm]", "sx", "intensity [ADU]")
    assert read.precision is None and read.photons is None
    assert field("x", "y", "intensity [photon]").photons is not None


def test_z_is_in_the_unit_of_x_unless_it_says_its_own() -> None:
    same, own = field("x [um]", "y [um]", "z"), field("x [um]", "y [um]", "z [nm]")
    np.testing.assert_allclose(same.xyz[:, 2], own.xyz[:, 2] * 1000)


def test_the_pixel_size_of_the_file_is_used_unless_another_is_given_which_is_said() -> None:
    names = ("x [px]", "y [px]")
    np.testing.assert_allclose(field(*names, pixel_nm=100.0).xyz[:, 0], columns(*names)["x [px]"] * 100)
    told = rows(*names, pixel_nm=100.0, pixel_size_nm=50.0)
    np.testing.assert_allclose(told.whole().xyz[:, 0], columns(*names)["x [px]"] * 50)
    assert told.notes == ["--pixel-size 50 nm was used, though the file states 100 nm."]


def test_columns_that_are_named_go_before_those_that_are_recognised() -> None:
    names = ("x", "y", "z", "A [um]", "B [um]", "colour", "sigma_xy", "counts", "t")
    told = "x=A [um],y = b,particle=Colour,precision=sigma_xy,photons=8,frame=t"
    read = field(*names, columns=told)
    values = columns(*names)
    np.testing.assert_allclose(
        read.xyz, np.stack([values["A [um]"] * 1000, values["B [um]"] * 1000, values["z"] * 1000], 1)
    )
    for found, name in ((read.particle, "colour"), (read.photons, "counts"), (read.frame, "t")):
        np.testing.assert_array_equal(found, values[name])
    np.testing.assert_allclose(read.precision, values["sigma_xy"] * 1000)


@pytest.mark.parametrize("name", ["locs.csv", "locs.txt", "locs.tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
def test_tables_without_names_are_read_by_number(tmp_path: Path, name: str, delimiter: str) -> None:
    values = np.column_stack([*columns("a", "b", "c").values(), np.repeat(np.arange(10), 6)])
    np.savetxt(tmp_path / name, values, delimiter=delimiter)
    read = read_rows(tmp_path / name, Reading(columns="x=3,y=1,particle=4")).whole()
    np.testing.assert_allclose(read.xyz, values[:, [2, 0]])
    assert len(open_dataset(tmp_path / name, columns="x=3,y=1,particle=4")) == 10


def test_names_in_a_comment_or_between_blanks_are_names(tmp_path: Path) -> None:
    values = np.column_stack([*columns("x", "y", "z").values()])
    for text, delimiter in (
        ("# x [um], y [um], z [um]", ", "),
        ("# x [um] y [um] z [um]", " "),
        ("x [um]  y [um] z [um]", " "),
    ):
        np.savetxt(tmp_path / "a.txt", values, delimiter=delimiter, header=text, comments="")
        np.testing.assert_allclose(read_rows(tmp_path / "a.txt", Reading()).whole().xyz, values * 1000)


@pytest.mark.parametrize("delimiter", [";", "\t", " "])
def test_decimal_commas_are_read_where_no_comma_separates(tmp_path: Path, delimiter: str) -> None:
    path = csv(tmp_path / "a.csv", "x [nm]", "y [nm]", "particle", delimiter=delimiter)
    expected = read_rows(path, Reading()).whole().xyz
    path.write_text(path.read_text().replace(".", ","))
    np.testing.assert_array_equal(read_rows(path, Reading()).whole().xyz, expected)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([line.replace(",", ".") for line in lines] + lines[1:2]))  # only the last, far down
    np.testing.assert_array_equal(read_rows(path, Reading()).whole().xyz, np.concatenate([expected, expected[:1]]))


def test_a_folder_holds_a_particle_in_each_file(tmp_path: Path) -> None:
    for number in (10, 9, *range(8)):
        csv(tmp_path / "data" / f"p{number}.csv", "x [nm]", "y [nm]", "uncertainty [nm]")
    (tmp_path / "data" / "._p1.csv").write_bytes(b"\0")  # what another operating system leaves behind
    (tmp_path / "data" / "p1.yaml").touch()
    data = open_dataset(tmp_path / "data")
    assert isinstance(data, Localisations)
    assert data.names == [*(f"p{number}" for number in range(8)), "p9", "p10"] and data.notes == []
    assert data.counts.tolist() == [ROWS] * 10 and data.precision is not None
    assert describe(tmp_path / "data")["format"] == "folder of 10 files: table of localisations"


def test_files_of_a_folder_may_mark_particles_of_their_own(tmp_path: Path) -> None:
    csv(tmp_path / "data" / "a.csv", "x [nm]", "y [nm]", "z [nm]", "particle")
    csv(tmp_path / "data" / "b.csv", "x [nm]", "y [nm]", "particle")
    data = open_dataset(tmp_path / "data")
    assert isinstance(data, Localisations) and data.names[9:11] == ["a/9", "b/0"] and len(data) == 20
    assert data.notes == ["Some files have no z, so that of the other files was not used."] and not data.has_z


@pytest.mark.parametrize("held", [2**28, 0], ids=["small", "large"])
def test_a_folder_may_have_more_files_than_a_process_may_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr("holly_triton.io.tables.table.LARGEST_HELD", held)
    table = np.zeros((40, 6), dtype=[("x", "f4"), ("y", "f4"), ("photons", "f4")])
    table["x"] = np.random.default_rng(0).normal(size=table.shape)
    for number, some in enumerate(table):
        np.save(tmp_path / f"{number}.npy", some if number else some[["x", "y"]])
    resource = pytest.importorskip("resource", reason="this system limits no open files")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as next_one:
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_one.fileno() + 20, limits[1]))
        try:
            data = open_dataset(tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert isinstance(data, Localisations)
    np.testing.assert_allclose(data.xyz[:, 0], (table["x"] - table["x"].mean(axis=1, keepdims=True)).flat, atol=1e-6)
    assert data.notes[1:] == ["Some files have no photons, so that of the other files was not used."]


def test_a_field_of_view_is_described_with_what_to_do_next(tmp_path: Path) -> None:
    path = csv(tmp_path / "field.csv", "x [nm]", "y [nm]", "frame", "intensity [photon]")
    rows = describe(path)
    assert rows["localisations"] == "60" and rows["extent"].endswith(" nm") and rows["third dimension"] == "no"
    assert rows["particles"] == "not marked"
    assert rows["can be trained on"] == "no: its particles are not marked; holly-triton pick finds them"
    assert rows["frames"] == "11 to 90" and rows["photons"].endswith("(median)")
    with pytest.raises(HollyError, match="holds one field of view with no particle column"):
        open_dataset(path)
    with pytest.raises(HollyError, match="there is no such file or folder; give a file of localisations"):
        read_rows(tmp_path / "other.csv", Reading())


def test_few_particles_are_described_though_they_cannot_be_trained_on(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x [nm],y [nm],group\n1,2,1\n9,9,1\n30,40,2\n")
    rows = describe(tmp_path / "a.csv")
    assert rows["particles"] == "2" and rows["can be trained on"] == "no: holds 2 particles; at least 8 are needed"


@pytest.mark.parametrize("grouped", [True, False])
def test_a_large_file_is_described_from_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grouped: bool
) -> None:
    monkeypatch.setattr(info, "MOST_DESCRIBED", 2000)
    rows = np.zeros(
        200_000, dtype=[("x", "f4"), ("y", "f4"), ("photons", "f4"), ("group", "i4")][: 4 if grouped else 3]
    )
    rng = np.random.default_rng(0)
    rows["x"], rows["y"], rows["photons"] = *rng.normal(0, 1, (2, len(rows))), 500
    if grouped:
        rows["group"] = np.arange(len(rows)) // 50
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["locs"] = rows
    (tmp_path / "a.yaml").write_text("Pixelsize: 100")
    found, kind = describe(tmp_path / "a.hdf5"), "particle" if grouped else "localisation"
    assert f"The file is large: figures are from every 100th {kind}." in found["notes"]
    if grouped:
        assert found["particles"] == "about 4000" and found["emitters per particle"] == "50"
        # 99.5 % of a Gaussian of 100 nm lie within sqrt(2 ln 200) of it; the centroids move with 50 localisations each.
        assert float(found["extent"].split()[0]) == pytest.approx(2 * 325.5, rel=0.05)
    else:
        assert found["localisations"] == "200000" and found["photons"] == "500 (median)"
        width, height = (float(word) for word in found["extent"].split()[:3:2])
        assert width == pytest.approx(680, rel=0.15) and height == pytest.approx(680, rel=0.15)


def test_a_large_file_of_one_odd_particle_is_described_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "MOST_DESCRIBED", 100)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["table"] = np.array(
            [(i, i % 7, 1 if i else np.inf) for i in range(1000)], dtype=[("x", "f4"), ("y", "f4"), ("group", "f4")]
        )
    assert describe(tmp_path / "a.h5")["emitters per particle"] == "999"


def test_a_precision_coarser_than_the_particles_is_doubted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=(200, 2)) * 50, np.full(200, 2600.0), np.repeat(np.arange(10), 20)])
    path = tmp_path / "photons-as-precision.csv"
    np.savetxt(path, rows, delimiter=",", header="x [nm],y [nm],uncertainty [nm],particle", comments="")
    assert any("exceeds the size of the particles" in note for note in open_dataset(path).notes)
