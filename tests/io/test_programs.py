"""HDF5 of storm-analysis, daxview, PYME and pandas, cluster centres of Picasso, structs of smite: the right nm."""

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from holly_triton.core.errors import HollyError
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.rows import Part, Rows
from holly_triton.io.tables.table import read_rows
from holly_triton.particles.data import open_dataset
from holly_triton.particles.info import describe

RNG = np.random.default_rng(5)
XY = RNG.uniform(3, 60, (90, 2)).astype(np.float32)
"""Camera pixels."""
Z_UM = RNG.normal(0, 0.2, 90).astype(np.float32)
FAULTS = Path(__file__).parents[2] / "../shared/faults"
REAL = Path(__file__).parents[2] / "../shared/data"


def rows_of(path: Path, **options: Any) -> Rows:
    return read_rows(path, Reading(**options))


def read(path: Path, **options: Any) -> Part:
    return rows_of(path, **options).whole()


def storm_analysis(path: Path, *, drift: float = 0.0, tracks: bool = False) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs.update({"sa_type": "3D-DAOSTORM", "version": 0.1, "pixel_size": 160.0, "movie_l": 11})
        for frame in range(10, 0, -1):  # as names, fr_10 comes before fr_2
            group, own = file.create_group(f"fr_{frame}"), slice(9 * frame - 9, 9 * frame)
            group.attrs.update({"dx": drift * frame, "dy": 0.0, "dz": 0.0, "n_locs": 9})
            group["x"], group["y"], group["z"] = XY[own, 0] - drift * frame, XY[own, 1], Z_UM[own]
            group["xsigma"] = np.full(9, 1.2)
        file.create_group("fr_11").attrs.update({"dx": 0.0, "n_locs": 0})
        if tracks:
            for number, own in enumerate((slice(0, 50), slice(50, 60))):
                group = file.create_group(f"tracks/tracks_{number}")
                group["x"], group["y"], group["z"] = XY[own, 0], XY[own, 1], Z_UM[own]
    return path


NM = np.column_stack([XY * 160.0, Z_UM * 1000.0])


@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_frames_of_storm_analysis(tmp_path: Path, drift: float) -> None:
    rows = rows_of(storm_analysis(tmp_path / "a.hdf5", drift=drift))
    found = rows.whole()
    np.testing.assert_allclose(found.xyz, NM, rtol=1e-5, atol=1e-2)
    np.testing.assert_array_equal(found.frame, np.repeat(np.arange(1, 11), 9))
    assert found.particle is None and found.precision is None
    assert any("drift" in note for note in rows.notes) == bool(drift)


def test_tracks_of_storm_analysis_come_before_its_frames(tmp_path: Path) -> None:
    rows = rows_of(storm_analysis(tmp_path / "a.hdf5", tracks=True))
    np.testing.assert_allclose(rows.whole().xyz, NM[:60], rtol=1e-5)
    assert any("track" in note for note in rows.notes)


def test_a_frame_that_lacks_a_data_set_is_refused(tmp_path: Path) -> None:
    path = storm_analysis(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        del file["fr_5/y"]
    with pytest.raises(HollyError, match=r"fr_5 has no y"):
        rows_of(path)


def test_the_published_file_of_storm_analysis() -> None:
    if not (REAL / "storm-analysis").is_dir():
        pytest.skip("the published file is not beside this repository")
    screen = describe(REAL / "storm-analysis/test_ref.hdf5")
    assert screen["localisations"] == "200" and screen["extent"].startswith("2.281e+04 x 2.282e+04")  # 228 px of 100 nm


@pytest.mark.parametrize("sizes", [{"xy_pixel_size_um": 0.11, "z_pixel_size_um": 0.2}, {"pixel_size_um": 0.11}])
def test_daxview_has_pixels_of_two_sizes(tmp_path: Path, sizes: dict[str, float]) -> None:
    kinds = [(f"{axis}_POS_PIXELS", "f4") for axis in "XYZ"] + [
        ("PHOTONS", "f4"),
        ("CHANNEL", "i4"),
        ("FRAME_NUMBER", "i4"),
    ]
    table = np.zeros(90, kinds)
    table["X_POS_PIXELS"], table["Y_POS_PIXELS"], table["Z_POS_PIXELS"] = *XY.T, Z_UM
    table["FRAME_NUMBER"], table["PHOTONS"] = np.arange(90), 800
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["molecule_set_data/datatable"] = table
        for name, size in sizes.items():
            file[f"molecule_set_data/{name}"] = size
    found = read(tmp_path / "a.h5")
    z_nm = Z_UM * 1000 * sizes.get("z_pixel_size_um", 0.11)
    np.testing.assert_allclose(found.xyz, np.column_stack([XY * 110, z_nm]), rtol=1e-5, atol=1e-3)
    assert found.photons is not None and found.frame is not None and found.frame.max() == 89


@pytest.mark.parametrize("suffix", [".h5", ".h5r", ".hdf"])
def test_pyme_has_nm_and_errors(tmp_path: Path, suffix: str) -> None:
    fit = [(name, "f4") for name in ("A", "x0", "y0", "z0", "sigma")]
    table = np.zeros(90, [("tIndex", "i4"), ("fitResults", fit), ("fitError", fit), ("resultCode", "i4")])
    for name, column in zip(("x0", "y0", "z0"), NM.T, strict=True):
        table["fitResults"][name] = column
        table["fitError"][name] = 7.0 if name == "x0" else 1.0
    table["tIndex"] = np.arange(90)
    with h5py.File(tmp_path / f"a{suffix}", "w") as file:
        file["FitResults"] = table
    found = read(tmp_path / f"a{suffix}", unit="nm")
    np.testing.assert_allclose(found.xyz, NM, rtol=1e-6)
    np.testing.assert_allclose(found.precision, 5.0)  # the root mean square of 7 and 1
    assert found.frame is not None and found.frame.max() == 89


def pandas_fixed(file: h5py.File, key: str, frame: dict[str, np.ndarray]) -> None:
    """As pandas writes a frame without ``format=``: a block for each kind of number."""
    group = file.create_group(key)
    blocks: dict[Any, list[str]] = {}
    for name, column in frame.items():
        blocks.setdefault(column.dtype, []).append(name)
    group.attrs.update({"pandas_type": np.bytes_("frame"), "nblocks": len(blocks), "ndim": 2})
    group["axis0"] = np.array([*frame], "S")
    group["axis1"] = np.arange(90)
    for number, names in enumerate(blocks.values()):
        group[f"block{number}_items"] = np.array(names, "S")
        group[f"block{number}_values"] = np.column_stack([frame[name] for name in names])


def pandas_table(file: h5py.File, key: str, frame: dict[str, np.ndarray]) -> None:
    """As pandas writes ``format="table"``: a field for each kind of number, whose names are a pickled list."""
    group = file.create_group(key)
    group.attrs.update({"pandas_type": np.bytes_("frame_table"), "table_type": np.bytes_("appendable_frame")})
    floats = [name for name, column in frame.items() if column.dtype.kind == "f"]
    whole = [name for name in frame if name not in floats]
    kinds = [("index", "i8"), ("values_block_0", "f4", (len(floats),)), ("values_block_1", "i4", (len(whole),))]
    rows = np.zeros(90, kinds)
    rows["values_block_0"] = np.column_stack([frame[name] for name in floats])
    rows["values_block_1"] = np.column_stack([frame[name] for name in whole])
    table = group.create_dataset("table", data=rows)
    for number, names in enumerate((floats, whole)):
        pickled = "(lp0\n" + "".join(f"V{name}\np{place + 1}\na" for place, name in enumerate(names)) + "."
        table.attrs[f"values_block_{number}_kind"] = np.bytes_(pickled)


FRAME = {"frame": np.arange(90, dtype="i4"), "x": XY[:, 0], "y": XY[:, 1], "z": Z_UM * 1000, "lpx": XY[:, 0] / 100}
FRAME |= {"lpy": FRAME["lpx"], "group": (np.arange(90) // 9).astype("i4")}


@pytest.mark.parametrize("write", [pandas_fixed, pandas_table])
@pytest.mark.parametrize("key", ["locs", "df"])
def test_frames_of_pandas_are_read_without_pandas(tmp_path: Path, write: Any, key: str) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        write(file, key, FRAME)
    (tmp_path / "a.yaml").write_text("Pixelsize: 160\n")
    scale = 160.0 if key == "locs" else 1.0  # only Picasso's own name says that they are pixels
    found = read(tmp_path / "a.hdf5")
    np.testing.assert_allclose(found.xyz, np.column_stack([XY * scale, Z_UM * 1000]), rtol=1e-6)
    np.testing.assert_allclose(found.precision, FRAME["lpx"] * scale, rtol=1e-6)
    np.testing.assert_array_equal(found.particle, FRAME["group"])


def test_names_that_a_pickle_would_have_to_give_are_not_unpickled(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        pandas_table(file, "df", FRAME)
        file["df/table"].attrs["values_block_0_kind"] = np.bytes_(b"cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(HollyError, match="save the table as CSV"):
        rows_of(tmp_path / "a.hdf5")


def centres(path: Path, group: np.ndarray) -> Path:
    kinds = [("x", "f4"), ("y", "f4"), ("lpx", "f4"), ("lpy", "f4"), ("group", "i4"), ("group_input", "i4")]
    table = np.zeros(90, kinds)
    table["x"], table["y"], table["group"], table["group_input"] = *XY.T, group, np.arange(90) // 9
    with h5py.File(path, "w") as file:
        file["locs"] = table
    path.with_suffix(".yaml").write_text("Pixelsize: 130\n")
    return path


def test_cluster_centres_belong_to_the_pick_that_they_are_in(tmp_path: Path) -> None:
    path = centres(tmp_path / "a.hdf5", np.arange(90))
    assert len(open_dataset(path)) == 10
    assert any("group_input" in note for note in rows_of(path).notes)
    np.testing.assert_array_equal(read(path, columns="particle=group").particle, np.arange(90))
    assert len(open_dataset(centres(tmp_path / "b.hdf5", np.arange(90) // 10))) == 9  # sites of several rows


@pytest.mark.parametrize("core", ["core", "_core"])
def test_a_pixel_size_that_is_a_number_of_numpy(tmp_path: Path, core: str) -> None:
    path = centres(tmp_path / "a.hdf5", np.arange(90))
    path.with_suffix(".yaml").write_text(
        f"Pixelsize: !!python/object/apply:numpy.{core}.multiarray.scalar\n- &id001 !!python/object/apply:numpy.dtype\n"
        "  args:\n  - f8\n  - false\n  - true\n  state: !!python/tuple\n  - 3\n  - <\n  - null\n  - null\n  - null\n  - -1\n"
        "  - -1\n  - 0\n- !!binary |\n  AAAAAABAYEA=\n"
    )
    np.testing.assert_allclose(read(path).xyz, XY * 130.0, rtol=1e-6)


SMD = {"X": XY[:, :1], "Y": XY[:, 1:], "Z": Z_UM[:, None], "X_SE": XY[:, :1] / 100, "Y_SE": XY[:, :1] / 100}
SMD |= {
    "FrameNum": np.arange(1.0, 91)[:, None],
    "Photons": np.full((90, 1), 700.0),
    "PixelSize": 0.0974,
    "NFrames": 90.0,
}


def test_smite_keeps_pixels_and_their_size(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"SMD": SMD})
    rows = rows_of(tmp_path / "a.mat")
    found = rows.whole()
    np.testing.assert_allclose(found.xyz, np.column_stack([XY * 97.4, Z_UM * 1000]), rtol=1e-5)
    np.testing.assert_allclose(found.precision, XY[:, 0] / 100 * 97.4, rtol=1e-5)
    assert found.frame is not None and found.photons is not None and "97.4" in " ".join(rows.notes)
    by_hand = read(tmp_path / "a.mat", unit="px", pixel_size_nm=200.0)
    np.testing.assert_allclose(by_hand.xyz[:, :2], XY * 200.0, rtol=1e-5)


@pytest.mark.parametrize(("width", "scale"), [(30.0, 130.0), (9000.0, 1.0)])
def test_a_pixel_size_beside_columns_counts_where_they_can_only_be_pixels(
    tmp_path: Path, width: float, scale: float
) -> None:
    xy = RNG.uniform(0, width, (90, 2))
    scipy.io.savemat(tmp_path / "a.mat", {"fits": {"x": xy[:, :1], "y": xy[:, 1:], "pixel_size_nm": 130.0}})
    rows = rows_of(tmp_path / "a.mat")
    np.testing.assert_allclose(rows.whole().xyz, xy * scale, rtol=1e-6)
    assert any("130" in note for note in rows.notes)  # either way, it is said
    np.testing.assert_allclose(read(tmp_path / "a.mat", unit="px").xyz, xy * 130, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "localisations", "extent"),
    [
        ("daxview.h5", 4800, (5806, 5793, 139.3)),
        ("minflux_struct.mat", 2560, (5123, 5129)),
        ("named.mat", 4800, (5806, 5793)),
    ],
)
def test_files_of_users(name: str, localisations: int, extent: tuple[float, ...]) -> None:
    if not FAULTS.is_dir():
        pytest.skip("the files of users are not beside this repository")
    screen = describe(FAULTS / name)
    assert int(screen["localisations"]) == localisations
    found = [float(number) for number in re.findall(r"[0-9.e+]+", screen["extent"])]
    np.testing.assert_allclose(found, extent, rtol=2e-3)


@pytest.mark.parametrize("kind", ["fixed", "table"])
def test_pandas_own_files(kind: str) -> None:
    if not FAULTS.is_dir():
        pytest.skip("the files of users are not beside this repository")
    data = open_dataset(FAULTS / f"picasso_tohdf_{kind}.hdf5", pixel_size_nm=130.0)
    assert len(data) == 80 and 140 < 2 * data.radius_nm < 160


def test_cluster_centres_of_a_user() -> None:
    if not FAULTS.is_dir():
        pytest.skip("the files of users are not beside this repository")
    assert len(open_dataset(FAULTS / "picasso_centers.hdf5")) == 80
