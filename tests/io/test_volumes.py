"""Volumes in MRC, EM and HDF5: what is read, what is written, and what is refused."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io.volumes import as_mask, read_raw, read_volume, write_volume
from holly_triton.io.volumes import raw as raw_module

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SHAPE = (3, 5, 7)
VALUES = np.arange(105, dtype=np.float32).reshape(SHAPE)
IMOD_STAMP, SIGNED = struct.pack("<i", 1146047817), struct.pack("<i", 1)
NX, NZ, MODE, CELL_X, MAPC, NSYMBT, MAP, STAMP, IMOD = 0, 8, 12, 40, 64, 92, 208, 212, 152


def mrc(path: Path, values: np.ndarray = VALUES, voxel: float | tuple[float, float, float] = 10.0) -> Path:
    with mrcfile.new(path, values) as file:
        if values.dtype.kind != "c":
            file.set_volume()
        file.voxel_size = voxel
    return path


def patched(path: Path, *changes: tuple[int, bytes]) -> Path:
    whole = bytearray(path.read_bytes())
    for at, new in changes:
        whole[at : at + len(new)] = new
    path.write_bytes(whole)
    return path


def em(path: Path, values: np.ndarray, kind: int, order: str = "<", voxel: int = 1368, machine: int = 6) -> Path:
    header = struct.pack("<4B", machine, 0, 0, kind) + struct.pack(order + "3i", *reversed(values.shape)) + bytes(80)
    header += struct.pack(order + "40i", *(voxel if i == 6 else 0 for i in range(40))) + bytes(256)
    path.write_bytes(header + values.astype(values.dtype.newbyteorder(order)).tobytes())
    return path


@pytest.mark.parametrize("dtype", ["<i1", "<i2", ">i2", "<u2", ">u2", "<f2", "<f4", ">f4"])
def test_every_mode_and_byte_order_of_mrc_is_read(tmp_path: Path, dtype: str) -> None:
    volume = read_volume(mrc(tmp_path / "a.mrc", VALUES.astype(dtype)))
    np.testing.assert_array_equal(volume.values, VALUES)
    assert volume.values.dtype == np.float32 and volume.voxel == 10 and volume.remarks == []


@pytest.mark.parametrize(("flags", "read"), [(bytes(8), -56), (IMOD_STAMP + SIGNED, -56), (IMOD_STAMP + bytes(4), 200)])
def test_bytes_are_signed_unless_imod_says_otherwise(tmp_path: Path, flags: bytes, read: int) -> None:
    """200 as an unsigned byte is -56 as a signed one."""
    path = patched(mrc(tmp_path / "a.mrc", np.full(SHAPE, -56, np.int8)), (IMOD, flags))
    assert np.unique(read_volume(path).values) == [read]


def test_a_mask_of_imods_signed_bytes_is_one_of_two_values(tmp_path: Path) -> None:
    inside = VALUES > 50
    path = patched(
        mrc(tmp_path / "mask.mrc", np.where(inside, -127, -128).astype(np.int8)), (IMOD, IMOD_STAMP + SIGNED)
    )
    np.testing.assert_array_equal(as_mask(path, read_volume(path).values), inside)


@pytest.mark.parametrize(("values", "says"), [(np.ones(SHAPE), "everywhere"), (VALUES, "more than two values")])
def test_what_is_no_mask_is_refused(tmp_path: Path, values: np.ndarray, says: str) -> None:
    with pytest.raises(HollyError, match=says):
        as_mask(tmp_path / "a.mrc", values)


@pytest.mark.parametrize("axes", [(1, 2, 3), (3, 1, 2), (2, 1, 3), (3, 2, 1)])
def test_axes_in_any_order_become_z_y_x(tmp_path: Path, axes: tuple[int, int, int]) -> None:
    """``axes`` are those of columns, rows and sections: 1 x, 2 y, 3 z."""
    stored = VALUES.transpose([{1: 2, 2: 1, 3: 0}[axis] for axis in reversed(axes)])
    path = patched(mrc(tmp_path / "a.mrc", stored), (MAPC, struct.pack("<3i", *axes)))
    # The cell and its intervals are of x, y, z, whatever is stored first.
    patched(path, (28, struct.pack("<3i", 7, 5, 3)), (CELL_X, struct.pack("<3f", 70, 50, 30)))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.values, VALUES)
    assert volume.voxel == 10


def test_where_the_header_places_a_map_is_not_used(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc", VALUES) as file:
        file.voxel_size, file.nstart = 4.0, (5, -6, 7)
        file.header.origin = (100.0, 200.0, 300.0)
        file.set_extended_header(np.zeros(160, dtype="V1"))
    volume = read_volume(tmp_path / "a.mrc")
    np.testing.assert_array_equal(volume.values, VALUES)


def test_a_header_without_map_word_and_machine_stamp_is_read_with_remarks(tmp_path: Path) -> None:
    for name, dtype in (("little", "<f4"), ("big", ">f4")):
        path = patched(mrc(tmp_path / f"{name}.mrc", VALUES.astype(dtype)), (MAP, bytes(4)), (STAMP, bytes(4)))
        volume = read_volume(path)
        np.testing.assert_array_equal(volume.values, VALUES)
        assert len(volume.remarks) == 2 and name in volume.remarks[1]


@pytest.mark.parametrize(("kind", "name"), [(1, "i1"), (2, "i2"), (4, "i4"), (5, "f4"), (9, "f8")])
@pytest.mark.parametrize("order", "<>")
def test_every_type_and_byte_order_of_em_is_read(tmp_path: Path, kind: int, name: str, order: str) -> None:
    """Whatever machine the first byte names: only one order fits the file."""
    for machine in (0, 3, 5, 6):
        path = em(tmp_path / "a.em", VALUES.astype(name), kind, order, machine=machine)
        volume = read_volume(path)
        np.testing.assert_array_equal(volume.values, VALUES)
        assert volume.voxel == pytest.approx(13.68)


@pytest.mark.parametrize("attributes", [{"voxel_size_angstrom": 6.5}, {"element_size_um": [6.5e-4] * 3}, {f"EMAN.apix_{a}": 6.5 for a in "xyz"}])  # fmt: skip
def test_the_volume_of_an_hdf5_file_is_found(tmp_path: Path, attributes: dict[str, object]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["MDF/images/0/image"] = VALUES.astype(np.int16)[None]
        file["table"] = np.zeros((4, 2))
        file["MDF/images/0"].attrs.update(attributes)
    volume = read_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(volume.values, VALUES)
    assert volume.voxel == pytest.approx(6.5)


def test_of_several_volumes_in_hdf5_a_usual_name_decides_or_nothing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["first"], file["second"] = VALUES, VALUES
    with pytest.raises(HollyError, match=r"several volumes \(/first, /second\)"):
        read_volume(tmp_path / "a.h5", 10)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["dataset"] = 2 * VALUES
    np.testing.assert_array_equal(read_volume(tmp_path / "a.h5", 10).values, 2 * VALUES)


@pytest.mark.parametrize("suffix", [".mrc", ".rec", ".map", ".em", ".h5", ".hdf5"])
@pytest.mark.parametrize("values", [VALUES - 7.5, VALUES.astype(np.int64), 400 * VALUES.astype(int) - 9, VALUES > 9, VALUES.astype(np.float64)])  # fmt: skip
def test_a_volume_comes_back_from_every_format_that_is_written(tmp_path: Path, suffix: str, values: np.ndarray) -> None:
    path = tmp_path / f"a{suffix}"
    write_volume(path, values, 13.68)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.values, values.astype(np.float32))
    assert volume.voxel == pytest.approx(13.68, abs=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    if suffix == ".mrc":
        assert mrcfile.validate(path)
        with mrcfile.open(path) as file:
            assert file.header.mx == 7 and file.header.ispg == 1 and file.header.origin.tolist() == (0, 0, 0)
            assert file.header.cella.x == pytest.approx(7 * 13.68)


def test_labels_are_written_as_bytes_that_need_no_sign(tmp_path: Path) -> None:
    for most, mode in ((12, 0), (200, 1), (70000, 2)):
        labels = np.zeros(SHAPE, np.int64)
        labels[0, 0, 0] = most
        write_volume(tmp_path / "labels.mrc", labels, 10)
        with mrcfile.open(tmp_path / "labels.mrc") as file:
            assert file.header.mode == mode and file.data.max() == most


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_volume(tmp_path / f"{name}.mrc", VALUES, 10)
    assert (tmp_path / "a.mrc").read_bytes() == (tmp_path / "b.mrc").read_bytes()


@pytest.mark.parametrize("name", ["a.mrc.gz", "a.map", "a.em.gz"])
def test_what_gzip_has_packed_is_read(tmp_path: Path, name: str) -> None:
    """By the first bytes: a packed file may have lost its suffix."""
    whole = tmp_path / ("whole.em" if ".em" in name else "whole.mrc")
    write_volume(whole, VALUES, 12.5)
    (tmp_path / name).write_bytes(gzip.compress(whole.read_bytes()))
    volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.values, VALUES)
    assert volume.voxel == 12.5


@pytest.mark.parametrize("suffix", [".mrc", ".h5"])
def test_large_files_are_mapped_and_stay_as_they_are(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_module, "MAPPED_BYTES", 2**20)
    monkeypatch.setattr("holly_triton.io.volumes.hdf5.MAPPED_BYTES", 2**20)
    path = tmp_path / f"large{suffix}"
    large = np.random.default_rng(0).normal(size=(64, 128, 128)).astype(np.float32)
    write_volume(path, large, 10)
    before = path.read_bytes()
    tracemalloc.start()
    volume = read_volume(path)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < large.nbytes / 2
    np.testing.assert_array_equal(volume.values, large)
    volume.values[:] = 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("voxel", [0.0, 1.0, 1e-4, 0.01, 5000.0, float("nan"), -3.0])
def test_a_voxel_size_that_no_file_states_is_never_guessed(tmp_path: Path, voxel: float) -> None:
    path = mrc(tmp_path / "a.mrc", voxel=10.0)
    patched(path, (CELL_X, struct.pack("<3f", 7 * voxel, 5 * voxel, 3 * voxel)))
    with pytest.raises(HollyError, match="--voxel-size A"):
        read_volume(path)
    assert read_volume(path, 12.0).voxel == 12


def test_voxels_that_are_no_cubes_are_refused_unless_a_size_is_given(tmp_path: Path) -> None:
    path = mrc(tmp_path / "a.mrc", voxel=(10, 10, 12))
    with pytest.raises(HollyError, match="10 x 10 x 12, in Å; resample it to cubes, or give --voxel-size"):
        read_volume(path)
    volume = read_volume(path, 10)
    assert volume.voxel == 10 and "10 x 10 x 12" in volume.remarks[0]


def test_sides_that_differ_by_rounding_are_those_of_cubes(tmp_path: Path) -> None:
    """As Warp writes them."""
    assert read_volume(mrc(tmp_path / "a.mrc", voxel=(10, 10.005, 9.998))).voxel == pytest.approx(10.001, abs=1e-3)


def test_a_given_size_that_differs_from_the_header_is_said(tmp_path: Path) -> None:
    path = mrc(tmp_path / "a.mrc")
    assert read_volume(path, 10.001).remarks == []
    assert "12 Å, was used, and the header says 10" in read_volume(path, 12).remarks[0]


REFUSED = {
    "truncated": (lambda p: p.write_bytes(mrc(p).read_bytes()[:-9]), "is truncated: its header promises 7 x 5 x 3"),
    "a header alone": (lambda p: p.write_bytes(mrc(p).read_bytes()[:1024]), "is truncated"),
    "half a header": (lambda p: p.write_bytes(mrc(p).read_bytes()[:500]), "an MRC header has 1024 bytes, the file 500"),
    "empty": (lambda p: p.write_bytes(b""), "an MRC header has 1024 bytes, the file 0"),
    "1e9 voxels": (lambda p: patched(mrc(p), (NX, struct.pack("<3i", 1000, 1000, 1000))), "1000 x 1000 x 1000 voxels"),
    "2e28 voxels": (lambda p: patched(mrc(p), (NX, struct.pack("<3i", *[2**31 - 1] * 3))), "voxels, which end at byte"),
    "no voxels": (lambda p: patched(mrc(p), (NZ, bytes(4))), "header is invalid"),
    "an extended header of 2 GB": (lambda p: patched(mrc(p), (NSYMBT, struct.pack("<i", 2**31 - 1))), "is truncated"),
    "a negative extended header": (lambda p: patched(mrc(p), (NSYMBT, struct.pack("<i", -9))), "header is invalid"),
    "complex numbers": (lambda p: mrc(p, VALUES.astype(np.complex64)), "complex64 pixels; save real numbers"),
    "4-bit integers": (lambda p: patched(mrc(p), (MODE, struct.pack("<i", 101))), r"mode 101 \(4-bit integers\)"),
    "a mode that is none": (lambda p: patched(mrc(p), (MODE, struct.pack("<i", 77))), "mode 77"),
    "no finite value": (lambda p: patched(mrc(p), (1024, struct.pack("<f", float("nan")))), "not finite"),
    "text": (lambda p: p.write_text("not a volume " * 200), "a.mrc"),
    "a gzip file cut off": (lambda p: p.write_bytes(gzip.compress(mrc(p).read_bytes())[:-40]), "cannot be read as MRC"),
    "a gzip bomb": (
        lambda p: p.write_bytes(gzip.compress(patched(mrc(p), (NX, struct.pack("<3i", 1000, 1000, 1000))).read_bytes())),
        "is truncated",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_whole_volume_ends_in_one_line(tmp_path: Path, name: str) -> None:
    make, says = REFUSED[name]
    path = tmp_path / "a.mrc"
    make(path)
    tracemalloc.start()
    with pytest.raises(HollyError, match=says) as caught:
        read_volume(path, 10.0)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert str(path) in str(caught.value)


def test_files_of_other_formats_are_refused(tmp_path: Path) -> None:
    for change, says in ((3, b"\x08"), (3, b"\x07"), (4, struct.pack("<i", 10**6))):
        path = patched(em(tmp_path / "a.em", VALUES, 5), (change, says))
        with pytest.raises(HollyError, match=r"a\.em"):
            read_volume(path, 10)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["locs"] = np.zeros((5, 2))
    with pytest.raises(HollyError, match="no data set of three axes"):
        read_volume(tmp_path / "a.h5", 10)
    (tmp_path / "b.h5").write_bytes(b"no HDF5")
    with pytest.raises(HollyError, match="cannot be read as HDF5"):
        read_volume(tmp_path / "b.h5")
    with pytest.raises(HollyError, match=r"there is no such file.*did you mean a\.em"):
        read_volume(tmp_path / "b.em")
    (tmp_path / "a.png").touch()
    with pytest.raises(HollyError, match="is not a volume by its suffix"):
        read_volume(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "values", "voxel", "says"),
    [
        ("a.tif", VALUES, 10, "not a volume by its suffix"),
        ("a.mrc.gz", VALUES, 10, "not a volume by its suffix"),
        ("a.mrc", VALUES[0], 10, "must have three axes"),
        ("a.mrc", VALUES, 0, "above 0"),
        ("no/a.mrc", VALUES, 10, "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path: Path, name: str, values: np.ndarray, voxel: float, says: str) -> None:
    with pytest.raises(HollyError, match=says):
        write_volume(tmp_path / name, values, voxel)
    assert [*tmp_path.iterdir()] == []


def shared(*names: str) -> list[Path]:
    found = [path for name in names for path in sorted(SHARED.glob(name))]
    if not found:
        pytest.skip("the published volumes are not beside this repository")
    return found


def test_published_maps_are_read_with_their_voxel_size() -> None:
    for path in shared("complexes-5A/*.mrc", "complexes-polnet/mrcs_10A/*.mrc", "subtomograms-tiny/*.mrc"):
        volume = read_volume(path)
        assert volume.voxel == (10 if "10A" in path.parts[-2] else 5) and volume.values.std() > 0
    assert read_volume(*shared("mrcfile-maps/EMD-3197.map")).voxel == pytest.approx(11.4)


def test_published_volumes_without_a_voxel_size_are_refused() -> None:
    for path in shared("deepfinder/masks/*.mrc", "pytom/*", "tomotwin/*.mrc"):
        if path.name != "SOURCE.md":
            with pytest.raises(HollyError, match="--voxel-size"):
                read_volume(path)
            assert read_volume(path, 10).values.std() > 0


def test_a_published_crystal_map_has_its_axes_reordered_and_is_no_cube() -> None:
    """EMD-3001: columns are z, rows x, sections y; the library gives 25 x 43 x 73 as stored."""
    (path,) = shared("mrcfile-maps/EMD-3001.map")
    with pytest.raises(HollyError, match="0.45875 at angles of 90, 94.326, 90 degrees, in Å; resample"):
        read_volume(path)
    with mrcfile.open(path, permissive=True) as file:
        np.testing.assert_array_equal(read_raw(path).values, file.data.transpose(2, 0, 1))
