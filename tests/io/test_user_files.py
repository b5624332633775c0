"""Tables as programs of the field write them: the right columns, units, channels and rows are read, and the choice is said."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.config import read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.io.tables import names
from holly_triton.io.tables.columns import table_of
from holly_triton.io.tables.kinds import advice
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.rows import Rows, rows_of
from holly_triton.io.tables.table import read_rows
from holly_triton.io.units import NM_PER_UNIT, pixel_size_nm, unit_word
from holly_triton.particles.config import Config
from holly_triton.particles.data import open_dataset
from holly_triton.particles.info import describe
from holly_triton.particles.run.run import open_particles

ROWS = 90
RNG = np.random.default_rng(1)
NM = RNG.uniform((0, 0, -150), (6000, 5000, 150), (ROWS, 3))
"""Positions, nm."""
PX = NM / 130


def text(path: Path, columns: dict[str, np.ndarray], delimiter: str = ",", above: str = "") -> Path:
    header = delimiter.join(columns)
    rows = [delimiter.join(str(cell) for cell in row) for row in zip(*columns.values(), strict=True)]
    path.write_text(above + "\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def table(given: dict[str, np.ndarray], /, **options: object) -> Rows:
    attributes = {name: options.pop(name) for name in ("xy_unit", "pixel_nm", "one_unit") if name in options}
    return rows_of(Path("data.x"), table_of("test", given, **attributes), Reading(**options))  # type: ignore[arg-type]


def xyz(rows: Rows) -> np.ndarray:
    return rows.whole().xyz


def three(names_: str, values: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(names_.split(";"), values.T, strict=True))


# Units.


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [
        *((word, "um") for word in ("um", "µm", "μm", "micron", "Microns", "micrometers", "micrometres")),
        *((word, "nm") for word in ("nm", "NM", "nanometers", "nanometre", "nano")),
        *((word, "A") for word in ("A", "Å", "\u212b", "angstrom", "Angstroms", "ångström")),
        *((word, "m") for word in ("m", "metres", "meter")),
        ("mm", "mm"), ("pm", "pm"), ("cm", "cm"), ("pixels", "px"), ("pix", "px"), ("cam. pixels", "px"),
        ("photon", None), ("", None),
    ],
)  # fmt: skip
def test_units_are_known_in_every_spelling(spelling: str, unit: str | None) -> None:
    assert unit_word(spelling) == unit
    if unit and unit != "px":
        nm = NM_PER_UNIT[unit]
        np.testing.assert_allclose(xyz(table(three(f"x [{spelling}];y [{spelling}]", NM[:, :2] / nm))), NM[:, :2])


@pytest.mark.parametrize("unit", ["m", "mm", "A", "angstrom", "Å", "microns"])
def test_any_unit_can_be_given_for_a_file_that_states_none(unit: str) -> None:
    nm = NM_PER_UNIT[unit_word(unit) or ""]
    np.testing.assert_allclose(xyz(table(three("x;y;z", NM / nm), unit=unit)), NM)


def test_a_stated_unit_that_is_not_known_yields_to_the_option_and_is_said() -> None:
    columns = three("x [furlongs];y [furlongs]", NM[:, :2])
    with pytest.raises(HollyError, match=r"furlongs.*--unit"):
        table(columns)
    rows = table(columns, unit="nm")
    np.testing.assert_allclose(xyz(rows), NM[:, :2])
    assert "furlongs" in " ".join(rows.said)


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        (three("x;y;z", np.c_[PX[:, :2], NM[:, 2]]), {"unit": "px", "pixel_size_nm": 130.0}),
        (three("x [px];y [px];z", np.c_[PX[:, :2], NM[:, 2]]), {"pixel_size_nm": 130.0}),
        (three("x [px];y [px];z [nm]", np.c_[PX[:, :2], NM[:, 2]]), {"pixel_size_nm": 130.0}),
        (three("x_px;y_px;z_nm", np.c_[PX[:, :2], NM[:, 2]]), {"pixel_size_nm": 130.0}),
        (three("x;y;z_um", np.c_[NM[:, :2], NM[:, 2] / 1000]), {}),
        (three("x [um];y [um];z", NM / 1000), {}),
        (three("a;b;c", np.c_[PX[:, :2], NM[:, 2]]), {"columns": "x=a[px],y=b[px],z=c[nm]", "pixel_size_nm": 130.0}),
        (three("1;2;3", np.c_[PX[:, :2], NM[:, 2]]), {"columns": "x=1[px],y=2[px],z=3[nm]", "pixel_size_nm": 130.0}),
        (three("x;y;z", np.c_[PX[:, :2], NM[:, 2]]), {"xy_unit": "px", "pixel_nm": 130.0}),
        (three("x;y;z", PX), {"one_unit": True, "unit": "px", "pixel_size_nm": 130.0}),
        (three("x;y;z [px]", PX), {"unit": "px", "pixel_size_nm": 130.0}),
    ],
    ids=str,
)
def test_z_has_a_unit_of_its_own(columns: dict, options: dict) -> None:
    np.testing.assert_allclose(xyz(table(columns, **options)), NM)


def test_precision_has_a_unit_of_its_own_along_each_axis() -> None:
    columns = three("x;y;z", np.c_[PX[:, :2], NM[:, 2]])
    columns |= {"lpx": np.full(ROWS, 0.1), "lpy": np.full(ROWS, 0.1), "lpz": np.full(ROWS, 20.0)}
    whole = table(columns, unit="px", pixel_size_nm=130.0).whole()
    assert whole.precision is not None and whole.precision_z is not None
    np.testing.assert_allclose(whole.precision, 13)
    np.testing.assert_allclose(whole.precision_z, 20)
    columns["precision [um]"] = np.full(ROWS, 0.007)
    np.testing.assert_allclose(table(columns, unit="px", pixel_size_nm=130.0).whole().precision, 7)  # type: ignore[arg-type]


def test_pixels_may_be_longer_along_y() -> None:
    pixels = NM[:, :2] / (100, 110)
    np.testing.assert_allclose(xyz(table(three("x;y", pixels), xy_unit="px", pixel_nm=(100.0, 110.0))), NM[:, :2])


@pytest.mark.parametrize(
    ("value", "unit", "nm"),
    [(0.0974, None, 97.4), (97.4, None, 97.4), (np.float32(100), None, 100), (1e-7, None, 100), (0.1, "um", 100),
     (6.5, None, None), (0, None, None), (float("nan"), None, None), ("large", None, None), (True, None, None)],
)  # fmt: skip
def test_a_stated_number_is_a_camera_pixel_or_none(value: object, unit: str | None, nm: float | None) -> None:
    assert pixel_size_nm(value, unit) == (None if nm is None else pytest.approx(nm))


@pytest.mark.parametrize(
    "above",
    [
        '# DECODE EmitterSet\n# {"version": "v0.10.0"}\n# {"xy_unit": "px", "px_size": [130.0, 130.0]}\n',
        "# unit: px\n# Pixel size: 130 nm\n",
        "# units = pixels\n# pixel_size [um] = 0.13\n",
    ],
)
def test_units_and_pixel_sizes_in_comments_are_used(tmp_path: Path, above: str) -> None:
    path = text(tmp_path / "a.csv", three("x;y;z", np.c_[PX[:, :2], NM[:, 2]]), above=above)
    np.testing.assert_allclose(xyz(read_rows(path, Reading())), NM)


def test_columns_of_picasso_in_csv_are_in_pixels(tmp_path: Path) -> None:
    columns = three("x;y;z", np.c_[PX[:, :2], NM[:, 2]]) | {name: np.full(ROWS, 0.1) for name in names.PICASSO}
    path = text(tmp_path / "a.csv", columns)
    with pytest.raises(HollyError, match="Picasso.*--unit nm"):
        read_rows(path, Reading())
    np.testing.assert_allclose(xyz(read_rows(path, Reading(pixel_size_nm=130.0))), NM)
    np.testing.assert_allclose(xyz(read_rows(path, Reading(unit="nm"))), np.c_[PX[:, :2], NM[:, 2]])


# Of several columns, the right one.

RAW = NM + 300


@pytest.mark.parametrize(
    "columns",
    [
        three("X;Y;Z", RAW) | three("Xc;Yc;Zc", NM),
        three("x [nm];y [nm];z [nm]", RAW) | three("x_corr [nm];y_corr [nm];z_corr [nm]", NM),
        three("X Center;Y Center;Z Center", RAW) | three("X Center Corrected;Y Center Corrected;Z Center Corrected", NM),
        three("x_nm;y_nm;z_nm", RAW) | three("x_nm_corrected;y_nm_corrected;z_nm_corrected", NM),
        three("X_(px);Y_(px);Z_(px)", PX) | three("X_(nm);Y_(nm);Z_(nm)", NM),
        three("x_coord;y_coord;z_coord", PX) | three("x_nm;y_nm;z_nm", NM),
        three("X (pix);Y (pix);Z (pix)", PX) | three("X (nm);Y (nm);Z (nm)", NM),
    ],
    ids=lambda columns: ",".join(columns),
)  # fmt: skip
def test_the_corrected_position_is_taken_and_nm_before_pixels_and_it_is_said(columns: dict) -> None:
    for order in (columns, dict(reversed(columns.items()))):
        rows = table(order)
        np.testing.assert_allclose(xyz(rows), NM)
        taken, left = [*columns][3], [*columns][0]
        assert any(taken in note and left in note for note in rows.said)


def test_a_z_of_other_columns_whose_unit_is_unknown_is_left_out_and_said() -> None:
    columns = three("x_coord;y_coord;z_coord", PX) | three("x_nm;y_nm", NM[:, :2])
    rows = table(columns)
    np.testing.assert_allclose(xyz(rows), NM[:, :2])
    assert any("z_coord was not used" in note for note in rows.said)
    np.testing.assert_allclose(xyz(table(columns, columns="z=z_coord[px]", pixel_size_nm=130.0)), NM)


@pytest.mark.parametrize("form", ["X_({0})", "X_[{0}]", "x_ [{0}]"])
def test_columns_matches_the_whole_name_and_uses_the_unit_in_it(form: str) -> None:
    columns = three("X_(px);Y_(px)", PX[:, :2]) | three("X_(nm);Y_(nm)", NM[:, :2])
    for unit in ("px", "nm"):
        given = f"x={form.format(unit)},y={form.replace('X', 'Y').replace('x_', 'y_').format(unit)}"
        np.testing.assert_allclose(xyz(table(columns, columns=given, pixel_size_nm=130.0)), NM[:, :2])


# Precision.


@pytest.mark.parametrize(
    "given",
    [
        "Lateral Localization Accuracy", "uncertainty [nm]", "uncertainty_xy [nm]", "locprecnm", "Precision [nm]", "lp",
        "X precision (nm);Y precision (nm)", "x_sig;y_sig", "X_SE;Y_SE", "crlbX;crlbY", "CRLB_x;CRLB_y",
        "precisionx;precisiony", "x_std;y_std", "error_x;error_y", "Sigma X Pos Full;Sigma Y Pos Full",
        "X_loc_error;Y_loc_error", "lpx;lpy", "xnmerr;ynmerr", "fitError_x0;fitError_y0", "uncertainty_x;uncertainty_y",
    ],
)  # fmt: skip
def test_precision_is_known_by_the_names_of_many_programs(given: str) -> None:
    columns = three("x [nm];y [nm]", NM[:, :2]) | {name: np.full(ROWS, 6.5) for name in given.split(";")}
    precision = table(columns).whole().precision
    assert precision is not None
    np.testing.assert_allclose(precision, 6.5)


@pytest.mark.parametrize(
    "name",
    ["uncertainty_z [nm]", "crlbZ", "Z precision (nm)", "locprecznm", "lpz", "z_sig", "error_z", "Axial Accuracy"],
)
def test_axial_precision_is_known_too(name: str) -> None:
    whole = table(three("x [nm];y [nm];z [nm]", NM) | {name: np.full(ROWS, 33.0)}).whole()
    assert whole.precision is None and whole.precision_z is not None and (whole.precision_z == 33).all()


@pytest.mark.parametrize(
    "name", ["sigma [nm]", "Sigma (nm)", "sx;sy", "sigma_x;sigma_y", "PSF half width [nm]", "Width"]
)
def test_the_width_of_the_psf_is_no_precision(name: str) -> None:
    columns = three("x [nm];y [nm]", NM[:, :2]) | {one: np.full(ROWS, 130.0) for one in name.split(";")}
    assert table(columns).whole().precision is None


def test_of_two_units_of_the_precision_nm_is_taken() -> None:
    columns = three("x [nm];y [nm]", NM[:, :2])
    columns |= {f"{a} precision (pix)": np.full(ROWS, 0.05) for a in "XY"}
    columns |= {f"{a} precision (nm)": np.full(ROWS, 6.5) for a in "XY"}
    np.testing.assert_allclose(table(columns).whole().precision, 6.5)  # type: ignore[arg-type]


# Channels, rejected rows, conditions.


def nstorm(path: Path) -> Path:
    channel = np.array(["647", "Alexa 568", "Z Rejected"])[np.arange(ROWS) % 3]
    columns = {"Channel Name": channel, **three("X;Y;Z", RAW), **three("Xc;Yc;Zc", NM)}
    return text(path, columns | {"Lateral Localization Accuracy": np.full(ROWS, 5.0)}, delimiter="\t")


def test_channels_are_counted_and_one_can_be_chosen_by_name(tmp_path: Path) -> None:
    path = nstorm(tmp_path / "list.txt")
    rows = read_rows(path, Reading())
    np.testing.assert_allclose(xyz(rows), NM[np.arange(ROWS) % 3 != 2])
    said = " ".join(rows.said)
    assert "2 channels" in said and "647 (30), Alexa 568 (30)" in said
    assert "30 of 90 localisations are marked as rejected" in said and "Z Rejected" in said
    chosen = read_rows(path, Reading(channel="alexa 568"))
    np.testing.assert_allclose(xyz(chosen), NM[1::3])
    assert "keeps 30 of 90" in " ".join(chosen.said) and "2 channels" not in " ".join(chosen.said)
    np.testing.assert_allclose(xyz(read_rows(path, Reading(where='Channel Name = "Z Rejected"'))), NM[2::3])
    assert describe(path)["localisations"] == "60" and "2 channels" in describe(path)["notes"]
    with pytest.raises(HollyError, match=r"--channel 750 .*647 \(30\)"):
        xyz(read_rows(path, Reading(channel="750")))


@pytest.mark.parametrize("name", ["Channel", "channel", "probe", "Label Set", "category", "colour"])
def test_numbered_channels_go_by_many_names(name: str) -> None:
    columns = three("x [nm];y [nm]", NM[:, :2]) | {name: np.arange(ROWS) % 2}
    rows = table(columns)
    assert len(xyz(rows)) == ROWS and "2 channels" in " ".join(rows.said)
    np.testing.assert_allclose(xyz(table(columns, channel="1")), NM[1::2, :2])
    alone = table(columns | {name: np.ones(ROWS)})
    assert len(xyz(alone)) == ROWS and alone.said == []


@pytest.mark.parametrize("name", ["valid", "vld", "Valid"])
@pytest.mark.parametrize("kind", [int, bool, float, str])
def test_rows_marked_as_invalid_are_left_out_and_said_unless_a_condition_names_them(name: str, kind: type) -> None:
    columns = three("x [nm];y [nm]", NM[:, :2]) | {name: (np.arange(ROWS) % 3 > 0).astype(kind)}
    rows = table(columns)
    np.testing.assert_allclose(xyz(rows), NM[np.arange(ROWS) % 3 > 0, :2])
    assert "30 of 90 localisations are marked as rejected" in " ".join(rows.said)
    np.testing.assert_allclose(
        xyz(table(columns, where=f"{name} = false" if kind in (bool, str) else f"{name} = 0")), NM[::3, :2]
    )
    with pytest.raises(HollyError, match="all its localisations are marked as rejected"):
        xyz(table(columns | {name: np.zeros(ROWS, int)}))


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("n < 10", slice(0, 10)),
        ("n>=80", slice(80, None)),
        ("n >= 10 and n <= 19.5", slice(10, 20)),
        ("m = 1", None),
        ('"n" != 0', slice(1, None)),
        ("n <> 0 AND x [nm] > -1", slice(1, None)),
        ("4 < 10", slice(0, 10)),  # the fourth column
    ],
)
def test_conditions_choose_rows(where: str, kept: slice | None) -> None:
    columns = three("x [nm];y [nm];z [nm]", NM) | {"n": np.arange(ROWS)}
    if kept is None:
        with pytest.raises(HollyError, match="has no column"):
            table(columns, where=where)
    else:
        np.testing.assert_allclose(xyz(table(columns, where=where)), NM[kept])


@pytest.mark.parametrize(
    "where", ["", "n", "n = ", "n ~ 3", "n = three", "m = 3", "__import__('os')", "n < 3 or n > 5", "n < 3 and"]
)
def test_a_condition_of_another_form_is_refused_in_one_line(where: str) -> None:
    with pytest.raises(HollyError, match="--where") as caught:
        xyz(table(three("x [nm];y [nm]", NM[:, :2]) | {"n": np.arange(ROWS)}, where=where))
    assert "\n" not in str(caught.value)


def test_a_condition_that_keeps_nothing_and_a_channel_without_column_are_refused() -> None:
    columns = three("x [nm];y [nm]", NM[:, :2])
    with pytest.raises(HollyError, match=r"keeps none of its 90 localisations, which have x \[nm\] of .* to "):
        xyz(table(columns, where="x [nm] < -5"))
    with pytest.raises(HollyError, match="needs a column of channels.*--columns channel"):
        table(columns, channel="1")
    named = columns | {"lambda": np.arange(ROWS) % 2}
    np.testing.assert_allclose(xyz(table(named, channel="1", columns="channel=lambda")), NM[1::2, :2])


# Kinds.


@pytest.mark.parametrize("name", ["a.xls", "a.ascii", "a.dat", "a.tsv", "a.3dlp", "a", "a.molecules", "a.TXT"])
def test_a_table_in_text_is_read_whatever_its_ending(tmp_path: Path, name: str) -> None:
    path = text(tmp_path / name, three("x [nm];y [nm];z [nm]", NM), delimiter="\t")
    np.testing.assert_allclose(xyz(read_rows(path, Reading())), NM)
    assert describe(path)["localisations"] == str(ROWS)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("a.3d", [*NM.T, np.full(ROWS, 900.0), np.arange(ROWS)]),
        ("a.3d", [*NM.T]),
        ("a.2d", [*NM[:, :2].T, np.full(ROWS, 900.0), np.arange(ROWS)]),
        ("a.3dlp", [*NM.T, *np.full((3, ROWS), 9.0), np.full(ROWS, 900.0), np.arange(ROWS)]),
    ],
)
def test_tables_of_visp_have_no_names(tmp_path: Path, name: str, columns: list) -> None:
    np.savetxt(tmp_path / name, np.column_stack(columns), fmt="%.6f", delimiter="\t")
    whole = read_rows(tmp_path / name, Reading()).whole()
    np.testing.assert_allclose(whole.xyz, NM[:, : whole.xyz.shape[1]], atol=1e-5)
    assert whole.xyz.shape[1] == int(name[2])
    assert len(columns) < 4 or (whole.photons is not None and (whole.photons == 900).all() and whole.frame is not None)
    assert (whole.precision is not None) == ("lp" in name)


def test_the_first_line_of_excel_names_the_separator(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", three("x [nm];y [nm]", NM[:, :2]), delimiter=";", above="sep=;\n")
    path.write_text(path.read_text().replace(".", ","))
    np.testing.assert_allclose(xyz(read_rows(path, Reading())), NM[:, :2])


@pytest.mark.parametrize(
    ("name", "start", "part"),
    [
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "CSV"),
        ("a.xlsx", b"PK\x03\x04" + b"\0" * 99, "CSV"),
        ("a.dat", b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml", "workbook.*CSV"),
        ("a.dat", b"PK\x03\x04" + b"\0" * 26 + b"docProps/app.xml", "workbook.*CSV"),
        ("a.dat", b"PK\x03\x04" + b"\0" * 26 + b"table.csv", "zip archive"),
        ("a.zip", b"PK\x03\x04" + b"\0" * 26 + b"table.csv", "zip archive"),
        ("a.pt", b"PK\x03\x04" + b"\0" * 26 + b"archive/data.pkl", "model"),
        ("a.parquet", b"PAR1" + b"\0" * 99, "read_parquet"),
        ("a.bin", b"PAR1" + b"\0" * 99, "read_parquet"),
        ("a.feather", b"ARROW1" + b"\0" * 99, "read_feather"),
        ("a.json", json.dumps([{"x": 1}]).encode(), "CSV"),
        ("a.pkl", b"\x80\x04", "numpy.savez"),
        ("a.csv", b"PAR1" + b"\0" * 99, "read_parquet"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "CSV"),
    ],
)
def test_what_is_not_read_says_what_to_convert_it_to(tmp_path: Path, name: str, start: bytes, part: str) -> None:
    (tmp_path / name).write_bytes(start)
    for read in (lambda path: read_rows(path, Reading()), open_dataset, describe):
        with pytest.raises(HollyError, match=part) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value) and name in str(caught.value)


def test_a_folder_that_is_zarr_says_what_to_convert_it_to(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / ".zgroup").write_text("{}")
    assert advice(tmp_path / "a.zarr")
    with pytest.raises(HollyError, match=r"\.npz or CSV"):
        open_dataset(tmp_path / "a.zarr")


def test_a_file_of_another_format_is_known_by_its_content(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", NM)
    path = (tmp_path / "a.npy").rename(tmp_path / "a.dat")
    np.testing.assert_allclose(xyz(read_rows(path, Reading())), NM)


# Doubts about z.


def particles(path: Path, z_factor: float, grouped: bool = True) -> Path:
    columns = {name: [] for name in ("x [nm]", "y [nm]", "z [nm]", "particle")}
    rng = np.random.default_rng(3)
    for particle in range(12):
        own = rng.normal(0, 40, (30, 3)) * (1, 1, z_factor) + [*rng.uniform(0, 4000, 2), 0]
        for name, values in zip(columns, [*own.T, np.full(30, particle)], strict=True):
            columns[name].extend(values)
    if not grouped:
        del columns["particle"]
    return text(path, {name: np.array(values) for name, values in columns.items()})


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize(("factor", "doubted"), [(1.0, False), (0.5, False), (3.0, False), (130.0, True), (1e-3, True)])
def test_a_z_out_of_scale_is_doubted(tmp_path: Path, factor: float, doubted: bool, grouped: bool) -> None:
    path = particles(tmp_path / "a.csv", factor, grouped)
    notes = describe(path)["notes"]
    assert ("is z in another unit" in notes) == doubted
    if grouped:
        assert any("is z in another unit" in note for note in open_dataset(path).notes) == doubted
        assert float(describe(path)["extent"].split()[3]) == pytest.approx(6 * 40 * factor, rel=0.25)


def test_metres_are_doubted_with_the_option_that_helps(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", three("x;y", NM[:, :2] * 1e-9))
    assert "--unit m" in describe(path)["notes"]
    np.testing.assert_allclose(xyz(read_rows(path, Reading(unit="m"))), NM[:, :2])


# Folders.


def fields(folder: Path, many: int = 9) -> Path:
    rng = np.random.default_rng(5)
    folder.mkdir()
    for number in range(many):
        centres = rng.uniform(0, 4000, (12, 2))
        points = np.repeat(centres, 30, axis=0) + rng.normal(0, 30, (360, 2))
        text(folder / f"FOV{number}.csv", three("x [nm];y [nm]", points))
    return folder


def test_a_folder_of_fields_is_no_set_of_particles(tmp_path: Path) -> None:
    folder = fields(tmp_path / "fields")
    with pytest.raises(HollyError, match=r"9 fields of view.*holly-triton pick"):
        open_dataset(folder)
    screen = describe(folder)
    assert screen["localisations"] == str(9 * 360) and "pick" in screen["can be trained on"]
    rows = read_rows(folder, Reading())
    assert len(xyz(rows)) == 9 * 360 and "side by side" in " ".join(rows.said)
    gaps = np.diff(np.sort(xyz(rows)[:, 0]))
    assert (gaps > 4900).sum() == 8, "the fields must not overlap"


@pytest.mark.parametrize("scale", [40.0, 400.0])
def test_a_folder_of_particles_is_none_of_fields(tmp_path: Path, scale: float) -> None:
    rng = np.random.default_rng(5)
    for number in range(9):
        text(tmp_path / f"p{number}.csv", three("x [nm];y [nm]", rng.normal(0, scale, (200, 2))))
    assert len(open_dataset(tmp_path)) == 9


def test_channels_of_a_folder_are_counted_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for number in range(9):
        columns = three("x [nm];y [nm]", rng.normal(0, 40, (20, 2))) | {"channel": np.arange(20) % 2}
        text(tmp_path / f"p{number}.csv", columns)
    notes = open_dataset(tmp_path).notes
    assert sum("2 channels" in note for note in notes) == 1 and "0 (90), 1 (90)" in " ".join(notes)
    assert open_dataset(tmp_path, channel="0").counts.tolist() == [10] * 9


# The command line and the configuration.


def test_the_options_reach_the_run_and_its_configuration(tmp_path: Path) -> None:
    config = Config(channel="1", where="valid = 1", unit="m")
    write_config(tmp_path / "config.toml", config)
    assert read_config(tmp_path / "config.toml", Config) == config
    columns = three("x;y", RNG.normal(0, 40, (ROWS, 2)) * 1e-9) | {
        "group": np.arange(ROWS) // 9,
        "channel": np.arange(ROWS) % 3,
    }
    path = text(tmp_path / "a.csv", columns | {"valid": np.arange(ROWS) % 9 > 0})
    data = open_particles(Config(data=str(path), channel="1", where="valid = true", unit="m"))
    assert len(data) == 10 and 40 < data.gyration_nm < 80


@pytest.mark.parametrize("unit", ["microns", "Å", "metres"])
def test_the_command_takes_units_in_any_spelling_and_refuses_others(tmp_path: Path, unit: str) -> None:
    path = text(tmp_path / "a.csv", three("x;y", NM[:, :2] / NM_PER_UNIT[unit_word(unit) or ""]))
    result = CliRunner().invoke(main, ["info", str(path), "--unit", unit, "--where", "x > 0"])
    extents = [float(word) for word in result.output.split("extent")[1].split()[:3:2]]
    np.testing.assert_allclose(extents, np.ptp(NM[:, :2], axis=0), rtol=1e-3)
    assert CliRunner().invoke(main, ["info", str(path), "--unit", "inch"]).exit_code == 2
