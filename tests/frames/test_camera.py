"""Cameras: moments against theory, both directions, maps, and what is refused."""

import numpy as np
import pytest
import tifffile
import torch

from holly_triton.core.errors import HollyError
from holly_triton.frames.camera import Camera, MappedCamera, PixelMaps, camera_preset, read_camera, read_maps

SAMPLES = 200_000


@pytest.mark.parametrize("name", ["photons", "scmos", "challenge"])
@pytest.mark.parametrize("level", [2.0, 100.0])
def test_mean_and_variance_are_those_stated(name, level, seed):
    camera = camera_preset(name)
    expected = torch.full((1, 1, SAMPLES), level)
    adu = camera.record(expected, torch.Generator().manual_seed(seed))
    photons = camera.photons(adu)
    variance = float(camera.variance(expected)[0, 0, 0])
    # Five standard errors of a mean, and of a variance whose kurtosis is at most 9 (a gamma of few electrons).
    assert float(photons.mean()) == pytest.approx(level, abs=5 * (variance / SAMPLES) ** 0.5)
    assert float(adu.mean()) == pytest.approx(float(camera.mean(expected)[0, 0, 0]), rel=0.01)
    assert float(photons.var()) == pytest.approx(variance, rel=5 * (8 / SAMPLES) ** 0.5)
    assert torch.equal(adu, adu.round())


def test_multiplication_is_a_gamma(seed):
    """The third moment separates a gamma from a normal of the same variance: of n electrons, 2 n g cubed and those of n."""
    camera = Camera("emccd", em_gain=300.0, electrons_per_adu=1.0, offset_adu=0.0, saturation_adu=1e6)
    level = 3.0
    electrons = camera.photons(camera.record(torch.full((1, 1, SAMPLES), level), torch.Generator().manual_seed(seed)))
    third = float(((electrons - electrons.mean()) ** 3).mean())
    assert third == pytest.approx(6 * level, rel=0.1)  # of a compound Poisson: n times the third raw moment, 3!
    assert float((electrons < 0.01).float().mean()) == pytest.approx(
        np.exp(-level) + level * np.exp(-level) * 0.01, rel=0.1
    )


@pytest.mark.parametrize("name", ["photons", "scmos", "challenge"])
def test_photons_are_the_inverse_of_the_mean(name):
    camera = camera_preset(name)
    expected = torch.linspace(0, 5000, 60).view(1, 6, 10)
    torch.testing.assert_close(camera.photons(camera.mean(expected)), expected, rtol=1e-5, atol=1e-3)


def test_one_photon_of_the_challenge_is_six_adu():
    assert float(camera_preset("challenge").mean(torch.ones(1))) - float(
        camera_preset("challenge").mean(torch.zeros(1))
    ) == pytest.approx(0.9 * 300 / 45, rel=1e-4)


def test_bright_pixels_saturate(seed):
    camera = Camera("scmos", offset_adu=100.0, saturation_adu=4095.0)
    adu = camera.record(torch.tensor([[[10.0, 1e5]]]), torch.Generator().manual_seed(seed))
    assert adu[0, 0, 1] == 4095
    assert camera.saturated(adu).tolist() == [[[False, True]]]


def test_the_same_seed_gives_the_same_frames(seed):
    expected = torch.rand(2, 8, 8) * 50
    one, two = (camera_preset("challenge").record(expected, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(one, two)


def test_maps_act_on_their_own_pixels(seed):
    maps = PixelMaps(torch.tensor([[100.0, 300.0]]), torch.tensor([[0.5, 2.0]]), torch.tensor([[1.0, 20.0]]))
    camera = MappedCamera.of_camera(Camera("scmos", quantum_efficiency=0.8), maps)
    expected = torch.full((SAMPLES // 2, 1, 2), 40.0)
    photons = camera.photons(camera.record(expected, torch.Generator().manual_seed(seed)))
    assert photons.mean(0)[0].tolist() == pytest.approx([40, 40], rel=0.01)
    assert photons.var(0)[0].tolist() == pytest.approx(camera.variance(expected[:1])[0, 0].tolist(), rel=0.03)
    assert camera.table() == Camera("scmos", quantum_efficiency=0.8).table()


def test_crops_see_random_parts_of_the_chip(seed):
    maps = PixelMaps(torch.arange(40.0).view(5, 8), None, None)
    camera = MappedCamera.of_camera(Camera("scmos"), maps)
    parts = camera.seeing(50, (2, 3), torch.Generator().manual_seed(seed)).pixels[0]
    assert parts.shape == (50, 2, 3)
    assert torch.equal(parts - parts[:, :1, :1], (maps.window(0, 0, (2, 3)).offset_adu - 0).expand(50, 2, 3))
    firsts = set(parts[:, 0, 0].int().tolist())
    assert {first % 8 for first in firsts} <= set(range(6)) and {first // 8 for first in firsts} <= set(range(4))
    assert len(firsts) > 10
    assert torch.equal(camera.seeing(3, (5, 8), torch.Generator()).pixels[0], maps.offset_adu)
    with pytest.raises(HollyError, match="larger"):
        camera.seeing(1, (6, 8), torch.Generator())


def test_maps_are_read_in_the_units_of_calibrations(tmp_path):
    tifffile.imwrite(tmp_path / "offset.tif", np.full((4, 6), 98, np.uint16))
    np.save(tmp_path / "gain.npy", np.full((4, 6), 2.0))
    tifffile.imwrite(tmp_path / "variance.tif", np.full((4, 6), 36.0, np.float32))
    (tmp_path / "camera.toml").write_text(
        'kind = "scmos"\nquantum_efficiency = 0.7\noffset_map = "offset.tif"\ngain_map = "gain.npy"\nvariance_map = "variance.tif"\n'
    )
    camera = read_camera(str(tmp_path / "camera.toml"))
    assert isinstance(camera, MappedCamera)
    assert [float(part[2, 3]) for part in camera.maps] == [98.0, 0.5, 3.0]
    assert camera.quantum_efficiency == 0.7


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((3, 3)), "gain of 0"),
        (np.full((3, 3), np.nan), "NaN"),
        (np.ones((2, 3, 3)), "one grey picture"),
        (np.ones((3, 3), complex), "one grey picture"),
    ],
)
def test_impossible_maps_are_refused(tmp_path, values, words):
    np.save(tmp_path / "gain.npy", values)
    with pytest.raises(HollyError, match=words):
        read_maps(gain=tmp_path / "gain.npy")


def test_maps_of_different_sizes_or_without_gain_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 3)))
    np.save(tmp_path / "b.npy", np.ones((3, 4)))
    with pytest.raises(HollyError, match="one size"):
        read_maps(offset=tmp_path / "a.npy", gain=tmp_path / "b.npy")
    with pytest.raises(HollyError, match="map of the gain"):
        read_maps(variance=tmp_path / "a.npy")
    with pytest.raises(HollyError, match="no file"):
        read_maps(offset=tmp_path / "none.npy")


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "scmos", "electrons_per_adu": 0.0},
        {"kind": "emccd", "em_gain": 0.0},
        {"kind": "emccd"},
        {"kind": "scmos", "em_gain": 300.0},
        {"kind": "photons", "read_noise_electrons": 1.0},
        {"kind": "scmos", "quantum_efficiency": 0.0},
        {"kind": "scmos", "quantum_efficiency": 90.0},
        {"kind": "scmos", "offset_adu": 5000.0, "saturation_adu": 4095.0},
        {"kind": "ccd"},
    ],
)
def test_impossible_cameras_are_refused(settings):
    with pytest.raises(HollyError):
        Camera(**settings)


def test_a_camera_is_read_from_a_name_with_changes():
    camera = read_camera("challenge, em_gain=100, clock_induced=0")
    assert (camera.em_gain, camera.clock_induced, camera.electrons_per_adu) == (100, 0, 45)


@pytest.mark.parametrize(
    "text", ["nikon", "scmos,gain=2", "scmos,offset_adu", "scmos,offset_adu=dark", "scmos,electrons_per_adu=0"]
)
def test_an_unknown_camera_is_refused(text):
    with pytest.raises(HollyError):
        read_camera(text)


def test_a_camera_is_read_back_from_the_settings_of_a_simulation(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('frames = 3\n[camera]\nkind = "emccd"\nem_gain = 200.0\n')
    assert read_camera(str(path)) == Camera("emccd", em_gain=200.0)
    path.write_text("frames = 3\n")
    with pytest.raises(HollyError, match="kind"):
        read_camera(str(path))
