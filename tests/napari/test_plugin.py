"""The plugin for napari: its manifest, its readers, and the function of its widget; no window is opened."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io.clouds import write_cloud
from holly_triton.io.particle_lists import read_particles
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.particle_lists.writing import write_particles
from holly_triton.io.tables.picasso import write_picasso
from holly_triton.io.volumes.writing import write_volume
from holly_triton.napari import picking
from holly_triton.napari.layers import LayerData
from holly_triton.napari.readers import find_reader
from holly_triton.tomography.segment.command import Options

MANIFEST = Path(picking.__file__).with_name("napari.yaml")
VOXEL = 13.1
PLACES = np.array([[131.0, 262.0, 393.0], [13.1, 26.2, 39.3]])
"""x, y, z in Å."""


def layer_of(path: Path) -> LayerData:
    read = find_reader(str(path))
    assert read is not None
    (layer,) = read(str(path))
    return layer


def in_nm(layer: LayerData) -> np.ndarray:
    """World coordinates of points, x, y, z."""
    data, meta, kind = layer
    assert kind == "points"
    return (data * np.broadcast_to(meta.get("scale", 1.0), data.shape[1]))[:, ::-1]


@pytest.mark.filterwarnings("ignore")  # of pydantic, about npe2
def test_the_manifest_is_valid_and_napari_finds_its_readers(tmp_path: Path) -> None:
    npe2 = pytest.importorskip("npe2", reason="npe2 reads the manifest as napari does")
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert {command.id for command in manifest.contributions.commands} == {"holly-triton.read", "holly-triton.pick"}
    write_cloud(tmp_path / "cloud.ply", np.random.default_rng(0).normal(size=(9, 3)))
    manager = npe2.PluginManager.instance()
    manager.register(manifest)
    try:
        (layer,) = npe2.read([str(tmp_path / "cloud.ply")], stack=False, plugin_name="holly-triton")
    finally:
        manager.unregister("holly-triton")
    assert layer[2] == "points" and layer[0].shape == (9, 3)


@pytest.mark.filterwarnings("ignore")  # napari's own
def test_napari_takes_every_layer(tmp_path: Path) -> None:
    made = pytest.importorskip("napari.layers", reason="napari, which is no dependency, makes the layers").Layer.create
    write_volume(tmp_path / "a.mrc", np.random.default_rng(0).normal(size=(9, 9, 9)).astype(np.float32), VOXEL)
    write_particles(tmp_path / "picks.star", ParticleList.of("groel", PLACES, tomogram="a"), voxel_size=VOXEL)
    write_cloud(tmp_path / "c.ply", np.random.default_rng(0).normal(size=(9, 3)))
    write_picasso(tmp_path / "l.hdf5", np.ones((5, 2)), pixel_nm=100.0, precision_nm=np.full(5, 8.0))
    for name in ("a.mrc", "picks.star", "c.ply", "l.hdf5"):
        layer = made(*layer_of(tmp_path / name))
        assert {str(unit) for unit in layer.units} == {"nanometer"}


def test_a_tomogram_is_an_image_in_nm(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    write_volume(tmp_path / "a.mrc", values, VOXEL)
    data, meta, kind = layer_of(tmp_path / "a.mrc")
    assert kind == "image" and np.array_equal(data, values)
    assert meta["scale"] == pytest.approx(3 * (1.31,))
    assert meta["contrast_limits"][0] < meta["contrast_limits"][1]


@pytest.mark.parametrize("suffix", [".star", ".csv", ".tbl"])
def test_picks_lie_over_their_tomogram_which_gives_the_voxel_size(suffix: str, tmp_path: Path) -> None:
    write_volume(tmp_path / "a.mrc", np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32), VOXEL)
    given = ParticleList.of(["ribosome", "groel"], PLACES, scores=[0.9, 0.8], tomogram="a")
    write_particles(tmp_path / f"picks{suffix}", given, voxel_size=VOXEL, shape=(40, 40, 40))
    layer = layer_of(tmp_path / f"picks{suffix}")
    assert in_nm(layer) == pytest.approx(PLACES / 10)
    assert layer[0][:, ::-1] == pytest.approx(PLACES / VOXEL)
    assert len(set(layer[1]["features"]["class"])) == 2
    assert len(set(layer[1]["border_color"])) == 2


def test_what_napari_saves_of_picks_is_read_again(tmp_path: Path) -> None:
    """A points layer is written by napari with its coordinates as axis-0, axis-1, axis-2."""
    write_volume(tmp_path / "a.mrc", np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32), VOXEL)
    write_particles(tmp_path / "picks.star", ParticleList.of("groel", PLACES, tomogram="a"), voxel_size=VOXEL)
    data, _, _ = layer_of(tmp_path / "picks.star")
    rows = "".join(f"{place},{z},{y},{x}\n" for place, (z, y, x) in enumerate(data))
    (tmp_path / "saved.csv").write_text("index,axis-0,axis-1,axis-2\n" + rows)
    with pytest.raises(HollyError, match="same folder"):  # it names no tomogram
        layer_of(tmp_path / "saved.csv")
    assert read_particles(tmp_path / "saved.csv", voxel_size=VOXEL).positions == pytest.approx(PLACES)


def test_localisations_are_points_with_their_photons_and_precision(tmp_path: Path) -> None:
    places = np.random.default_rng(1).uniform(0, 5000, size=(20, 2))
    write_picasso(tmp_path / "a.hdf5", places, pixel_nm=100.0, precision_nm=np.full(20, 8.0))
    layer = layer_of(tmp_path / "a.hdf5")
    assert in_nm(layer) == pytest.approx(places, abs=0.01)
    assert layer[1]["size"] == pytest.approx(np.full(20, 16.0), abs=0.01)
    rows = "".join(f"{x},{y},1000\n" for x, y in places)
    (tmp_path / "b.csv").write_text("x [nm],y [nm],intensity [photon]\n" + rows)
    layer = layer_of(tmp_path / "b.csv")
    assert in_nm(layer) == pytest.approx(places)
    assert set(layer[1]["features"]["photons"]) == {1000}


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".xyz"])
def test_a_cloud_is_points_in_3d(suffix: str, tmp_path: Path) -> None:
    points = np.random.default_rng(2).normal(size=(30, 3)) * 50
    write_cloud(tmp_path / f"cloud{suffix}", points)
    assert in_nm(layer_of(tmp_path / f"cloud{suffix}")) == pytest.approx(points, abs=1e-5)


def test_several_files_are_several_layers(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.ply", "b.ply")]
    for path in paths:
        write_cloud(path, np.random.default_rng(0).normal(size=(9, 3)))
    read = find_reader(paths)
    assert read is not None and [meta["name"] for _, meta, _ in read(paths)] == ["a.ply", "b.ply"]


def test_what_is_not_known_is_left_to_others_and_damage_is_named(tmp_path: Path) -> None:
    assert find_reader("picture.jpeg") is None and find_reader(["a.ply", "b.jpeg"]) is None
    (tmp_path / "a.mrc").write_bytes(b"not a volume")
    with pytest.raises(HollyError, match="a.mrc"):
        layer_of(tmp_path / "a.mrc")


def test_the_widget_picks_what_the_command_picks(tmp_path: Path) -> None:
    """With the model that ships, in noise of its voxel size: whatever is found lies in the tomogram."""
    values = np.random.default_rng(3).normal(size=(16, 24, 24)).astype(np.float32)
    write_volume(tmp_path / "a.mrc", values, 16.0)
    data, meta, kind = picking.picks_of(tmp_path / "a.mrc", Path("default"), Options(averaged=False, threshold=0.01))
    assert kind == "points" and meta["scale"] == pytest.approx(3 * (1.6,))
    assert len(data) and (data > -0.5).all() and (data < np.array(values.shape)).all()


def test_the_widget_starts_a_worker_for_the_file_of_the_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for napari's decorator, which needs Qt."""
    given: list[object] = []

    def thread_worker(work: Callable[..., LayerData], **options: object) -> Callable[..., str]:
        return lambda *arguments: given.extend([work, *arguments]) or "worker"

    monkeypatch.setitem(__import__("sys").modules, "napari.qt.threading", SimpleNamespace(thread_worker=thread_worker))
    layer = SimpleNamespace(name="a", source=SimpleNamespace(path=str(tmp_path / "a.mrc")))
    assert picking.pick_particles(layer, threshold=0.4) == "worker"
    assert given == [picking.picks_of, tmp_path / "a.mrc", Path("default"), Options(threshold=0.4, averaged=False)]
    layer.source.path = None
    with pytest.raises(HollyError, match="from its file"):
        picking.pick_particles(layer)
