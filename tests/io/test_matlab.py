"""MATLAB files, versions 5 and 7.3: cell arrays of particles, structs of columns, matrices."""

from collections.abc import Callable
from pathlib import Path
from struct import pack

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from holly_triton.core.errors import HollyError
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import read_rows
from holly_triton.particles.data import Localisations, open_dataset

NPC = Path(__file__).parents[2] / "../shared/data/npc-particles"


def particles(dimensions: int, counts: tuple[int, ...] = (5, 9, 4, 7, 8, 6, 10, 12)) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(scale=40, size=(n, dimensions)) for n in counts]


def write(path: Path, cells: list, name: str = "particles") -> Path:
    array = np.empty((1, len(cells)), dtype=object)
    array[0, :] = cells
    scipy.io.savemat(path, {name: array, "scale": 3.0}, do_compression=True)
    return path


def write_7_3(path: Path, **variables: object) -> Path:
    """As MATLAB writes with -v7.3: HDF5 with the axes turned round, cells and arrays of structs as references."""

    def put(group: h5py.Group, name: str, value: object, kind: str | None = None) -> None:
        if isinstance(value, dict):
            struct = group.create_group(name)
            struct.attrs["MATLAB_class"] = np.bytes_("struct")
            for field, item in value.items():
                put(struct, field, item)
        elif isinstance(value, list) and isinstance(value[0], dict) and kind is None:  # an array of structs
            struct = group.create_group(name)
            struct.attrs["MATLAB_class"] = np.bytes_("struct")
            for field in value[0]:
                put(struct, field, [item[field] for item in value], "")
        elif isinstance(value, list):
            references = np.empty((len(value), 1), dtype=h5py.ref_dtype)
            for number, item in enumerate(value):
                put(group.file.require_group("#refs#"), f"{name}{number}", item)
                references[number, 0] = group.file[f"#refs#/{name}{number}"].ref
            group.create_dataset(name, data=references, dtype=h5py.ref_dtype)
            if kind is None:
                group[name].attrs["MATLAB_class"] = np.bytes_("cell")
        elif isinstance(value, str):
            group[name] = np.array([[ord(letter)] for letter in value], dtype=np.uint16)
            group[name].attrs["MATLAB_class"] = np.bytes_("char")
        elif np.size(value) == 0:
            group[name] = np.array(np.shape(value), dtype=np.uint64)
            group[name].attrs.update({"MATLAB_class": np.bytes_("double"), "MATLAB_empty": np.uint8(1)})
        else:
            group[name] = np.atleast_2d(value).T
            group[name].attrs["MATLAB_class"] = np.bytes_("double")

    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            put(file, name, value)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path


def write_5(path: Path, **variables: object) -> Path:
    def kept(value: object) -> object:
        if not isinstance(value, list):
            return value
        cells = np.empty((1, len(value)), dtype=object)
        cells[0, :] = value
        if not isinstance(value[0], dict):
            return cells
        structs = np.zeros((1, len(value)), dtype=[(name, object) for name in value[0]])
        for index, struct in enumerate(value):
            structs[0, index] = tuple(struct.values())
        return structs

    scipy.io.savemat(path, {name: kept(value) for name, value in variables.items()})
    return path


BOTH = pytest.mark.parametrize("write_as", [write_5, write_7_3])


def read(path: Path, **options: object) -> Localisations:
    data = open_dataset(path, **options)  # type: ignore[arg-type]
    assert isinstance(data, Localisations)
    return data


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_positions_are_read_whichever_way_they_lie(tmp_path: Path, dimensions: int, transposed: bool) -> None:
    cells = particles(dimensions)
    data = read(write(tmp_path / "p.mat", [c.T if transposed else c for c in cells]))
    assert data.has_z == (dimensions == 3) and data.names == [str(i) for i in range(1, 9)]
    for p, cell in enumerate(cells):
        own = data.emitters(torch.tensor([p]))[0].numpy()
        np.testing.assert_allclose(own, cell - cell.mean(0), atol=1e-4)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("dimensions", "square"), [(2, 2), (3, 3), (2, 3), (3, 2)])
def test_a_cell_that_could_lie_either_way_lies_as_the_others_do(
    tmp_path: Path, transposed: bool, dimensions: int, square: int
) -> None:
    doubtful = particles(dimensions, (square,))[0] + 1000
    cells = [*particles(dimensions), doubtful]
    data = read(write(tmp_path / "p.mat", [c.T if transposed else c for c in cells]))
    np.testing.assert_allclose(data.centres[-1].numpy(), doubtful.mean(0))


def test_doubtful_cells_alone_hold_an_emitter_in_each_column(tmp_path: Path) -> None:
    cells = particles(2, (2,) * 8)
    np.testing.assert_allclose(read(write(tmp_path / "p.mat", cells)).centres[0].numpy(), cells[0].mean(axis=1))


def test_structs_bring_their_points_and_precision(tmp_path: Path) -> None:
    cells = [
        {"points": points, "sigma": np.column_stack([np.full(len(points), 2.5), np.full(len(points), 9.0)])}
        for points in particles(3)
    ]
    data = read(write(tmp_path / "p.mat", cells), unit="px", pixel_size_nm=100.0)
    assert data.has_z and data.precision_nm == pytest.approx(250.0) and data.precision_z_nm == pytest.approx(900.0)
    lateral = [{**cell, "sigma": cell["sigma"][:, :1]} for cell in cells]
    alone = read(write(tmp_path / "r.mat", lateral))
    assert alone.precision_nm == pytest.approx(2.5) and alone.precision_z_nm is None
    assert read(write(tmp_path / "q.mat", [{"points": p} for p in particles(2)])).precision_nm is None


def test_empty_cells_are_skipped_and_said(tmp_path: Path) -> None:
    cells = particles(2)
    data = read(write(tmp_path / "p.mat", [np.empty((0, 0)), *cells, np.empty((0, 2))]))
    assert data.names[0] == "2" and len(data) == 8
    assert "2 of 10 particles hold no emitter and were skipped." in data.notes


@pytest.mark.parametrize(
    ("options", "nm"), [({}, 1), ({"unit": "um"}, 1000), ({"unit": "px", "pixel_size_nm": 130}, 130)]
)
def test_the_unit_is_nm_unless_said_otherwise(tmp_path: Path, options: dict, nm: float) -> None:
    cells = [c + 500 for c in particles(2)]
    data = read(write(tmp_path / "p.mat", cells), **options)
    np.testing.assert_allclose(data.centres[0].numpy(), cells[0].mean(0) * nm)
    assert any("nm was assumed" in note for note in data.notes) == (not options)


def test_a_structure_smaller_than_light_can_show_raises_a_doubt_about_the_unit(tmp_path: Path) -> None:
    data = read(write(tmp_path / "p.mat", [c / 100 for c in particles(2)]))
    assert "check the unit" in data.notes[-1]


@BOTH
@pytest.mark.parametrize("transposed", [False, True])
def test_cells_are_read_from_either_version(tmp_path: Path, write_as: Callable[..., Path], transposed: bool) -> None:
    cells = particles(3)
    lying = [cell.T if transposed else cell for cell in cells]
    data = read(write_as(tmp_path / "p.mat", particles=[*lying, np.empty((0, 0))], title="pores", scale=3.0))
    assert data.names == [str(i) for i in range(1, 9)]
    assert "1 of 9 particles holds no emitter and was skipped." in data.notes
    for p, cell in enumerate(cells):
        np.testing.assert_allclose(data.emitters(torch.tensor([p]))[0], cell - cell.mean(0), atol=1e-4)


@BOTH
@pytest.mark.parametrize("name", ["points", "coords", "xyz"])
def test_arrays_of_structs_are_particles(tmp_path: Path, write_as: Callable[..., Path], name: str) -> None:
    structs = [{name: points, "sigma": np.full((len(points), 1), 3.0)} for points in particles(2)]
    data = read(write_as(tmp_path / "p.mat", particles=structs))
    assert len(data) == 8 and data.counts[1] == 9 and data.precision_nm == 3


def test_structs_of_columns_in_cells_are_particles(tmp_path: Path) -> None:
    cells = [{"x": points[:, :1], "y": points[:, 1:]} for points in particles(2)]
    assert read(write(tmp_path / "p.mat", cells)).counts.tolist() == [len(points) for points in particles(2)]


def test_ten_columns_are_those_of_smlm_datafusion3d(tmp_path: Path) -> None:
    cells = [
        {"coords": np.column_stack([points, *np.arange(3.0, 10)[:, None] * np.ones(len(points))])}
        for points in particles(3)
    ]
    data = read(write(tmp_path / "p.mat", cells), unit="px", pixel_size_nm=130.0)
    assert data.has_z and data.precision_nm == pytest.approx(4 * 130)


COLUMNS = {name: np.random.default_rng(1).uniform(0, 9e3, (1, 60)) for name in ("x", "y", "t")}


@BOTH
def test_a_struct_of_columns_is_a_field_of_view(tmp_path: Path, write_as: Callable[..., Path]) -> None:
    window = {"x": np.ones((14, 1)), "y": np.ones((14, 1))}
    path = write_as(tmp_path / "f.mat", data={"window": window, **COLUMNS, "times": np.ones((25, 2)), "who": "me"})
    rows = read_rows(path, Reading())
    found = rows.whole()
    np.testing.assert_array_equal(found.xyz, np.concatenate([COLUMNS["x"], COLUMNS["y"]]).T)
    assert rows.source.endswith("(data)") and found.particle is None


@BOTH
def test_columns_of_smap_lie_within_structs(tmp_path: Path, write_as: Callable[..., Path]) -> None:
    loc = {f"{name}nm": values.T for name, values in zip("xyz", COLUMNS.values(), strict=True)}
    loc |= {
        "xpix": np.ones((60, 1)),
        "ypix": np.ones((60, 1)),
        "locprecnm": np.full((60, 1), 7.0),
        "phot": np.ones((60, 1)),
    }
    rows = read_rows(write_as(tmp_path / "f.mat", saveloc={"history": {"name": "fit"}, "loc": loc}), Reading())
    found = rows.whole()
    np.testing.assert_array_equal(found.xyz, np.concatenate([*COLUMNS.values()]).T)
    assert (
        "saveloc.loc.xnm" in " ".join(rows.notes)
        and found.precision is not None
        and (found.precision == 7).all()
        and found.photons is not None
    )


@BOTH
def test_columns_may_be_variables_of_their_own(tmp_path: Path, write_as: Callable[..., Path]) -> None:
    group = np.repeat(np.arange(10.0), 6)[None]
    data = read(write_as(tmp_path / "f.mat", **COLUMNS, group=group, pixelsize=130.0))
    assert len(data) == 10


@BOTH
def test_columns_of_a_matrix_are_named_by_number(tmp_path: Path, write_as: Callable[..., Path]) -> None:
    matrix = np.column_stack([np.repeat(np.arange(10), 6), *(values[0] for values in COLUMNS.values())])
    path = write_as(tmp_path / "m.mat", locs=matrix, scale=3.0)
    assert len(read(path, columns="x=2,y=4,particle=1")) == 10
    np.testing.assert_array_equal(read_rows(path, Reading(columns="x=2,y=4")).whole().xyz, matrix[:, [1, 3]])


def with_object(path: Path) -> Path:
    """Put a variable that is an object of MATLAB's own (a table, a point cloud) before the others of a file."""

    def element(kind: int, content: bytes) -> bytes:
        return pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    texts = b"".join(element(1, text) for text in (b"cloud", b"MCOS", b"pointCloud"))
    keys = element(6, pack("<II", 13, 0)) + element(5, pack("<ii", 6, 1)) + element(1, b"") + element(6, bytes(24))
    whole = path.read_bytes()
    path.write_bytes(
        whole[:128] + element(14, element(6, pack("<II", 17, 0)) + texts + element(14, keys)) + whole[128:]
    )
    return path


def test_an_object_beside_the_particles_is_passed_over(tmp_path: Path) -> None:
    assert len(read(with_object(write(tmp_path / "p.mat", particles(2))))) == 8


def test_an_object_alone_is_named(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="object of class pointCloud"):
        open_dataset(with_object(write_5(tmp_path / "p.mat", scale=3.0)))


@pytest.mark.parametrize(
    ("name", "count", "emitters", "has_z", "precision"),
    [
        ("fig5k_306_3DNUP_PAINT.mat", 306, 27_006, True, None),
        ("fig4e_304_2D_gp210.mat", 304, 95_301, False, None),
        ("SimulatedNup107With65%DOL.mat", 200, 8_308, True, 1.6),
    ],
)
def test_published_nuclear_pores_are_read(
    name: str, count: int, emitters: int, has_z: bool, precision: float | None
) -> None:
    if not NPC.is_dir():
        pytest.skip("the published particles are not beside this repository")
    data = read(NPC / name)
    assert (len(data), len(data.xyz), data.has_z) == (count, emitters, has_z)
    assert data.precision_nm == (None if precision is None else pytest.approx(precision, abs=0.05))
