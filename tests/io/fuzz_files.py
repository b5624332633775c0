"""A small whole file of every kind that is read, for ``fuzz.py`` to damage, and what reads it."""

import contextlib
import json
import re
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import scipy.io
import tifffile
import torch
from astropy.io import fits
from fuzz_tomography import tomography_files
from PIL import Image

from holly_triton.core.config import read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.io.run_files import read_poses
from holly_triton.io.tables.picasso import write_picasso
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Config
from holly_triton.particles.data import open_dataset
from holly_triton.particles.info import describe
from holly_triton.particles.run import render
from holly_triton.particles.run.checkpoints import load_state, save_state
from holly_triton.report.folder import read_folder


def use_data(path: Path) -> None:
    """All that info and the start of a training ask of a data set."""
    describe(path, pixel_size_nm=100.0)
    data = open_dataset(path, pixel_size_nm=100.0)
    stage = Plan.of(Config(points=4), data).at(0, 1.0)
    data.draw(torch.arange(2), stage.grid, stage.sigma_nm)


def use_refused(path: Path) -> None:
    """A whole file that is refused as it is; damage must not make it worse."""
    with contextlib.suppress(HollyError):
        use_data(path)


def use_field(path: Path) -> None:
    """All that info asks of a field of view without particles."""
    describe(path, pixel_size_nm=100.0)


def use_run(path: Path) -> None:
    read_folder(path.parent)


def use_poses(path: Path) -> None:
    read_poses(path)
    read_folder(path.parent)


def use_checkpoint(path: Path) -> None:
    load_state(path.parent, torch.device("cpu"))


def whole_files(folder: Path) -> Iterator[tuple[str, Path, Callable[[Path], object]]]:
    """A small valid file of every kind, and its reader."""
    rng = np.random.default_rng(0)
    xyz = rng.normal(scale=30, size=(72, 3)).round(2)
    particle = np.repeat(np.arange(9), 8)
    for name, text in _tables(xyz, particle):
        path = _in(folder, name)
        path.write_text(text, encoding="utf-8")
        yield f"table {name}", path, use_data
    for name, path in (*_hdf5(folder, xyz, particle), *_matlab(folder, xyz), *_numpy(folder, xyz, particle)):
        fields, refused = ("DECODE HDF5", "PYME HDF5"), ("SMLM archive, bzip2", "SMLM archive, lzma")
        yield name, path, use_field if name in fields else use_refused if name in refused else use_data
    pictures = rng.poisson(50 * np.exp(-(np.hypot(*np.mgrid[-6:6, -6:6]) ** 2) / 8), size=(9, 12, 12)).astype(np.uint16)
    for name, path in (*_tiff(folder, pictures), *_other_pictures(folder, pictures)):
        yield name, path, use_data
    for suffix in (".png", ".bmp", ".jpg", ".jpeg"):
        path = _in(folder, f"picture{suffix}")
        Image.fromarray(pictures[0].astype(np.uint8)).save(path)
        yield f"picture {suffix}", path, use_refused
    for suffix in (".obj", ".ply", ".xyz", ".csv", ".asc"):
        path = _in(folder, f"cloud{suffix}")
        write_cloud(path, xyz[:12])
        yield f"cloud {suffix}", path, read_cloud
    path = _in(folder, "mesh.ply")
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    vertices = "".join(f"{x} {y} {z}\n" for x, y, z in xyz[:6])
    faces = "element face 2\nproperty list uchar int vertex_indices\n"
    header = f"element vertex 6\n{properties}{faces}end_header\n"
    path.write_text(f"ply\nformat ascii 1.0\n{header}{vertices}3 0 1 2\n3 1 2 3\n")
    yield "cloud mesh", path, read_cloud
    path = _in(folder, "binary.ply")
    header = f"ply\nformat binary_little_endian 1.0\n{header}"
    path.write_bytes(header.encode() + xyz[:6].astype("<f4").tobytes() + struct.pack("<B3iB3i", 3, 0, 1, 2, 3, 1, 2, 3))
    yield "cloud binary mesh", path, read_cloud
    yield from _run_files(folder, xyz)
    (folder / "tomography").mkdir()
    yield from tomography_files(folder / "tomography")


def _in(folder: Path, name: str) -> Path:
    """A file in a folder of its own."""
    place = Path(tempfile.mkdtemp(dir=folder))
    return place / name


def _tables(xyz: np.ndarray, particle: np.ndarray) -> Iterator[tuple[str, str]]:
    rows = [(x, y, z, 5.0, p) for (x, y, z), p in zip(xyz.tolist(), particle.tolist(), strict=True)]

    def lines(separator: str = ",", point: str = ".") -> str:
        return "".join(separator.join(map(str, row)).replace(".", point) + "\n" for row in rows)

    yield "thunderstorm.csv", '"x [nm]","y [nm]","z [nm]","uncertainty [nm]","group"\n' + lines()
    yield "semicolons.csv", "x (um);y (um);z (um);precision;particle\n" + lines(";", ",")
    yield "comment.txt", "# x y z precision particle\n" + lines(" ")
    yield "tabs.tsv", "x_nm\ty_nm\tz_nm\tphotons\tcluster\n" + lines("\t")
    fields = ("Position-0-0", "Position-1-0", "Position-2-0", "uncertainty", "particle")
    markup = "".join(f'<field identifier="{name}" unit="nanometer" />' for name in fields)
    yield "rapidstorm.txt", f"# <localizations>{markup}</localizations>\n" + lines(" ")


def _columns(xyz: np.ndarray, particle: np.ndarray) -> np.ndarray:
    kinds = [("x", "f4"), ("y", "f4"), ("z", "f4"), ("lpx", "f4"), ("lpy", "f4"), ("photons", "f4"), ("group", "i4")]
    table = np.ones(len(xyz), dtype=kinds)
    table["x"], table["y"], table["z"], table["group"] = *xyz.T, particle
    return table


def _hdf5(folder: Path, xyz: np.ndarray, particle: np.ndarray) -> Iterator[tuple[str, Path]]:
    path = _in(folder, "picasso.hdf5")
    write_picasso(path, xyz, pixel_nm=100.0, group=particle, photons=np.ones(len(xyz)))
    yield "Picasso HDF5", path
    path = _in(folder, "packed.hdf5")
    with h5py.File(path, "w") as file:
        file.create_dataset("locs", data=_columns(xyz, particle), chunks=(16,), compression="gzip", shuffle=True)
        file["metadata"] = '[{"Pixelsize": 130}]'
    yield "Picasso HDF5, packed", path
    path = _in(folder, "decode.h5")
    with h5py.File(path, "w") as file:
        file["data/xyz"], file["data/phot"], file["data/xyz_sig"] = xyz, np.ones(len(xyz)), np.ones((len(xyz), 3))
        file.create_group("meta").attrs.update({"xy_unit": "px", "px_size": (100.0, 110.0)})
    yield "DECODE HDF5", path
    yield from _programs(folder, xyz, particle)
    path = _in(folder, "table.h5")
    with h5py.File(path, "w") as file:
        file["inner/table"] = _columns(xyz, particle)
    yield "HDF5 table", path


def _programs(folder: Path, xyz: np.ndarray, particle: np.ndarray) -> Iterator[tuple[str, Path]]:
    path = _in(folder, "storm.hdf5")
    with h5py.File(path, "w") as file:
        file.attrs.update({"sa_type": "x", "pixel_size": 100.0})
        for frame, part in enumerate(np.split(xyz, 3)):
            group = file.create_group(f"fr_{frame}")
            group.attrs["dx"] = 0.5
            group["x"], group["y"], group["z"], group["particle"] = *part.T, np.split(particle, 3)[frame]
    yield "storm-analysis HDF5", path
    fit = np.zeros(
        72, [("tIndex", "i4"), ("fitResults", [("x0", "f4"), ("y0", "f4")]), ("fitError", [("x0", "f4"), ("y0", "f4")])]
    )
    fit["fitResults"]["x0"], fit["fitResults"]["y0"] = xyz[:, 0], xyz[:, 1]
    path = _in(folder, "pyme.h5")
    with h5py.File(path, "w") as file:
        file["FitResults"] = fit
    yield "PYME HDF5", path
    path = _in(folder, "pandas.h5")
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group.attrs.update({"pandas_type": np.bytes_("frame_table")})
        rows = np.zeros(72, [("values_block_0", "f8", (2,)), ("particle", "i4")])
        rows["values_block_0"], rows["particle"] = xyz[:, :2], particle
        group["table"] = rows
        group["table"].attrs["values_block_0_kind"] = np.bytes_("(lp0\nVx\np1\naVy\np2\na.")
    yield "pandas HDF5", path
    path = _in(folder, "groups.h5")
    with h5py.File(path, "w") as file:
        file["run/pos"], file["run/group"], file["beads/pos"], file["run/pixel_size_nm"] = xyz, particle, xyz[:9], 100.0
    yield "HDF5 of groups", path


def _minflux(xyz: np.ndarray, particle: np.ndarray) -> np.ndarray:
    kinds = [
        ("vld", "?"),
        ("fnl", "?"),
        ("tid", "i4"),
        ("itr", "i4"),
        ("loc", "f8", (3,)),
        ("efo", "f4"),
        ("group", "i4"),
    ]
    rows = np.zeros(72, kinds)
    rows["vld"], rows["fnl"], rows["tid"], rows["loc"], rows["group"] = True, True, particle, xyz * 1e-9, particle
    return rows


def _matlab(folder: Path, xyz: np.ndarray) -> Iterator[tuple[str, Path]]:
    cells = np.empty((1, 9), dtype=object)
    cells[0, :] = [{"points": part, "sigma": np.ones((8, 1))} for part in np.split(xyz, 9)]
    columns = {"x": xyz[:, :1], "y": xyz[:, 1:2], "particle": np.repeat(np.arange(9.0), 8)[:, None]}
    for name, value, packed in (("cells", cells, False), ("columns", columns, False), ("packed", cells, True)):
        path = _in(folder, f"{name}.mat")
        scipy.io.savemat(path, {"particles": value}, do_compression=packed)
        path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + path.read_bytes()[116:])  # without the time
        yield f"MATLAB {name}", path
    path = _in(folder, "matlab73.mat")
    with h5py.File(path, "w") as file:
        references = np.empty((9, 1), dtype=h5py.ref_dtype)
        for number, part in enumerate(np.split(xyz, 9)):
            file[f"#refs#/p{number}"] = part.T
            references[number, 0] = file[f"#refs#/p{number}"].ref
        file.create_dataset("particles", data=references, dtype=h5py.ref_dtype)
        file["particles"].attrs["MATLAB_class"] = np.bytes_("cell")
    yield "MATLAB 7.3", path
    path = _in(folder, "nested73.mat")
    with h5py.File(path, "w") as file:
        item = file.create_dataset("#refs#/0", data=xyz[:8].T)
        for level in range(1, 4):
            references = np.array([[item.ref] * 3], dtype=h5py.ref_dtype)
            item = file.create_dataset(f"#refs#/{level}", data=references, dtype=h5py.ref_dtype)
            item.attrs["MATLAB_class"] = np.bytes_("cell")
        struct = file.create_group("data")
        struct["cells"], struct["again"] = item, struct
        for name, column in {
            "x": xyz[:, :1],
            "y": xyz[:, 1:2],
            "particle": np.repeat(np.arange(9.0), 8)[:, None],
        }.items():
            struct[name] = column.T
    yield "MATLAB 7.3, nested references", path


def _numpy(folder: Path, xyz: np.ndarray, particle: np.ndarray) -> Iterator[tuple[str, Path]]:
    minflux = _minflux(xyz, particle)
    for name, array in (
        ("particles", xyz.reshape(9, 8, 3)), ("columns", _columns(xyz, particle)), ("minflux", minflux),
    ):  # fmt: skip
        path = _in(folder, f"{name}.npy")
        np.save(path, array)
        yield f"NumPy {name}", path
    path = _in(folder, "archive.npz")
    np.savez(path, xyz=xyz, offsets=np.arange(0, 73, 8), photons=np.ones(72))
    yield "NumPy archive", path
    path = _in(folder, "packed.npz")
    np.savez_compressed(path, x=xyz[:, 0], y=xyz[:, 1], particle=particle)
    yield "NumPy archive, packed", path
    path = _in(folder, "archive.smlm")
    layout = {"type": "table", "mode": "binary", "headers": ["x", "y", "particle"], "dtype": ["float32"] * 3}
    manifest = {
        "formats": {"table": {**layout, "units": ["nm", "nm", ""]}},
        "files": [{"name": "table.bin", "format": "table", "type": "table"}],
    }
    table = np.column_stack([xyz[:, :2], particle]).astype("<f4").tobytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("manifest.json", json.dumps(manifest).encode()), ("table.bin", table)):
            archive.writestr(zipfile.ZipInfo(name), content)
    yield "SMLM archive", path
    for kind, packing in (("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        path = _in(folder, f"{kind}.smlm")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo("manifest.json"), json.dumps(manifest))
            archive.writestr(zipfile.ZipInfo("table.bin"), table, packing)
            archive.writestr(zipfile.ZipInfo("zeros.bin"), bytes(2**24), packing)
        yield f"SMLM archive, {kind}", path
    path = _in(folder, "minflux.json")
    names = minflux.dtype.names or ()
    path.write_text(json.dumps([{name: row[name].tolist() for name in names} for row in minflux]))
    yield "JSON", path


def _tiff(folder: Path, pictures: np.ndarray) -> Iterator[tuple[str, Path]]:
    scale = {"resolution": (10.0, 10.0), "metadata": {"axes": "TYX", "unit": "micron"}}
    ome = {"axes": "TYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}
    for name, options in {
        "plain": {"photometric": "minisblack"},
        "ImageJ": {"imagej": True, **scale},
        "OME": {"ome": True, "metadata": ome},
        "big, packed": {"bigtiff": True, "compression": "zlib"},
        "tiles": {"tile": (16, 16)},
    }.items():
        path = _in(folder, "stack.ome.tif" if name == "OME" else "stack.tif")
        tifffile.imwrite(path, pictures, **options)  # type: ignore[arg-type]
        path.write_bytes(re.sub(rb"urn:uuid:[0-9a-f-]{36}", b"urn:uuid:" + b"0" * 36, path.read_bytes()))
        yield f"TIFF {name}", path


def _other_pictures(folder: Path, pictures: np.ndarray) -> Iterator[tuple[str, Path]]:
    path = _in(folder, "stack.fits")
    fits.PrimaryHDU(pictures).writeto(path)
    yield "FITS", path
    path = _in(folder, "extensions.fit")
    fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(picture.astype("f4")) for picture in pictures)]).writeto(path)
    yield "FITS extensions", path
    path = _in(folder, "packed.fts")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pictures.astype("i4"))]).writeto(path)
    yield "FITS packed", path
    for suffix in (".mrc", ".mrcs"):
        path = _in(folder, f"stack{suffix}")
        with mrcfile.new(path, pictures) as file:
            file.set_image_stack()
            file.voxel_size = 50.0
            file.header.label[0] = b""  # without the time
        yield f"MRC {suffix}", path


def _run_files(folder: Path, xyz: np.ndarray) -> Iterator[tuple[str, Path, Callable[[Path], object]]]:
    path = _in(folder, "config.toml")
    write_config(path, Config(data="/data", points=20))
    yield "config.toml", path, lambda path: (read_config(path, Config), read_folder(path.parent))
    path = _in(folder, "metrics.json")
    (path.parent / "repeat-1").mkdir()
    history = [{"step": 1, "loss": 3.0, "sigma_nm": 4.0}]
    figures = {"finished": True, "consensus": {"reference": 1}, "symmetry": [], "history": history, "findings": ["a"]}
    path.write_text(json.dumps(figures))
    yield "metrics.json", path, use_run
    path = _in(folder, "poses.csv")
    rows = "".join(f"{number},{x},{y},{z},1.5,2.5,3,4\n" for number, (x, y, z) in enumerate(xyz[:12] / 30))
    path.write_text("picture,rx,ry,rz,tx_nm,ty_nm,sigma_nm,loss\n" + rows)
    yield "poses.csv", path, use_poses
    path = _in(folder, "spread.csv")
    write_cloud(path.parent / "cloud.ply", xyz[:12])
    path.write_text("x,y,z,spread\n" + "".join(f"{x},{y},{z},2\n" for x, y, z in xyz[:12]))
    yield "spread.csv", path, use_run
    (_in(folder, "") / "pictures").mkdir()
    path = _in(folder, "x").parent / "pictures" / "reprojections.npz"
    path.parent.mkdir()
    drawn = np.ones((2, 8, 8), np.float32)
    np.savez(path, inputs=drawn, reprojections=drawn, names=np.array(["a", "b"]), pixel_nm=3.0)
    yield "reprojections.npz", path, lambda path: read_folder(path.parents[1])
    path = _in(folder, "growth.npz")
    np.savez(path, step=np.arange(3), sigma_nm=np.ones(3), points=np.ones((3, 5, 3)))
    yield "growth.npz", path, render._read_growth
    path = _in(folder, "last.pt")
    plan = Plan(Config(), 9, 30.0, 100.0, 1.0)
    save_state(path.parent, TrainingState.fresh(plan, 20, torch.Generator().manual_seed(0)))
    yield "checkpoint", path, use_checkpoint
