"""The classical fit: precision at the Cramér-Rao bound, honest deviations, and frames that are no pleasure to fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.frames.bound import cramer_rao
from holly_triton.frames.camera import Camera, MappedCamera, PixelMaps, camera_preset
from holly_triton.frames.config.fitting import Fitting
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.fit import RoundPsf, fit_frames, polish
from holly_triton.frames.localisations import localisations
from holly_triton.frames.psf import GaussianPsf, HuangCurve, Psf, default_psf
from holly_triton.frames.simulate import vary

PSF, IDEAL = default_psf(), camera_preset("photons")
SIDE = 32


def one_a_frame(seed: int, count: int, photons: float, reach: float = 600.0) -> Emitters:
    rng = np.random.default_rng(seed)
    xyz = np.column_stack([rng.uniform(1200, 2000, (count, 2)), rng.uniform(-reach, reach, count)])
    return Emitters.of(torch.tensor(xyz).float(), torch.full((count,), photons), torch.ones(count, dtype=torch.long))


def recorded(
    emitters: Emitters, background: float, camera: Camera, seed: int, side: int = SIDE, psf: Psf = PSF
) -> Tensor:
    expected = psf.draw(emitters, (side, side)) + background
    return camera.photons(camera.record(expected, torch.Generator().manual_seed(seed)))


def at(*places: tuple[float, float, float], photons: float = 5000.0) -> Emitters:
    """Emitters of one frame."""
    return Emitters(torch.tensor(places), torch.full((len(places),), photons), torch.tensor([0, len(places)]))


def positions(table: Array) -> Array:
    return np.stack([table[axis] for axis in "xyz"], axis=1)


def sigmas(table: Array) -> Array:
    return np.stack([table[f"sigma_{axis}"] for axis in "xyz"], axis=1)


@pytest.mark.parametrize(
    ("camera", "photons"),
    [
        (IDEAL, 1000.0), (IDEAL, 20000.0), (camera_preset("challenge"), 5000.0), (camera_preset("scmos"), 5000.0),
    ],
    ids=["dim", "bright", "emccd", "scmos"],
)  # fmt: skip
def test_isolated_emitters_are_found_at_the_bound(camera: Camera, photons: float, seed: int) -> None:
    emitters, background = one_a_frame(seed, 300, photons), photons / 100
    table = fit_frames(recorded(emitters, background, camera, seed), PSF, camera).table
    assert table["frame"].tolist() == list(range(1, 301))
    errors = positions(table) - emitters.xyz.numpy()
    levels = torch.full((300,), background)
    bound = cramer_rao(emitters, levels, PSF, camera, (SIDE, SIDE), multi=False).numpy()[:, :3]
    # The region leaves out some light; the standard error of these ratios is 4 %.
    assert np.sqrt(((errors / bound) ** 2).mean(axis=0)) == pytest.approx([1.05, 1.05, 1.12], abs=0.18)
    assert (errors / sigmas(table)).std(axis=0) == pytest.approx(1, abs=0.15)
    assert np.median(table["photons"]) == pytest.approx(photons, rel=0.02)
    assert np.median(table["misfit"]) == pytest.approx(1, abs=0.05)


def test_maps_of_a_chip_are_used(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.where(torch.rand(SIDE, SIDE, generator=generator) < 0.05, 25.0, 1.5)
    offset = 90 + 20 * torch.rand(SIDE, SIDE, generator=generator)
    plain = camera_preset("scmos")
    camera = MappedCamera.of_camera(plain, PixelMaps(offset, None, noise))
    emitters = one_a_frame(seed, 200, 2000.0, 400.0)
    frames = recorded(emitters, 10.0, camera, seed)
    table = fit_frames(frames, PSF, camera).table
    near = np.abs(positions(table) - emitters.xyz.numpy()[table["frame"] - 1]).max(axis=1) < 400
    assert near.sum() > 190
    assert (~near).sum() < 10
    pulls = ((positions(table) - emitters.xyz.numpy()[table["frame"] - 1]) / sigmas(table))[near]
    assert pulls.std(axis=0) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("z", [-500.0, -250.0, 250.0, 500.0])
def test_the_side_of_the_focus_is_found(z: float, seed: int) -> None:
    table = fit_frames(recorded(at((1630.0, 1580.0, z)), 50.0, IDEAL, seed), PSF, IDEAL).table
    assert len(table) == 1
    assert table["z"][0] == pytest.approx(z, abs=80)


def test_axes_are_not_exchanged(seed: int) -> None:
    frame = recorded(at((1000.0, 2140.0, 300.0)), 50.0, IDEAL, seed)
    assert positions(fit_frames(frame, PSF, IDEAL).table)[0] == pytest.approx([1000, 2140, 300], abs=70)
    turned = fit_frames(frame.mT.contiguous(), PSF, IDEAL).table
    # The PSF with x and y exchanged is that of the opposite depth.
    assert positions(turned)[0] == pytest.approx([2140, 1000, -300], abs=70)


@pytest.mark.parametrize("place", [(220.0, 1600.0, 100.0), (1600.0, 2980.0, -200.0), (250.0, 250.0, 0.0)])
def test_an_emitter_at_the_border_is_fitted_with_what_is_there(place: tuple[float, float, float], seed: int) -> None:
    table = fit_frames(recorded(at(place), 50.0, IDEAL, seed), PSF, IDEAL).table
    assert len(table) == 1
    assert (np.abs(positions(table)[0] - place) < 4 * sigmas(table)[0]).all()


@pytest.mark.parametrize("passes", [1, 2, 3])
@pytest.mark.parametrize("apart", [0.0, 100.0, 450.0, 800.0])
def test_two_close_emitters(apart: float, passes: int, seed: int) -> None:
    pair = at((1300.0, 1600.0, 0.0), (1300.0 + apart, 1600.0, 100.0), photons=10000.0)
    table = fit_frames(recorded(pair, 50.0, IDEAL, seed), PSF, IDEAL, Fitting(passes=passes)).table
    assert np.isfinite(positions(table)).all()
    if apart == 800 and passes > 1:  # each with the light of the other taken into account
        found = positions(table)[np.argsort(table["x"])]
        assert np.abs(found[:, :2] - pair.xyz.numpy()[:, :2]).max() < 40


def test_a_spot_that_one_emitter_does_not_explain_is_left_out(seed: int) -> None:
    pair = at((1500.0, 1600.0, -300.0), (1730.0, 1700.0, 300.0), photons=10000.0)
    found = fit_frames(recorded(pair, 50.0, IDEAL, seed), PSF, IDEAL, Fitting(passes=1))
    assert len(found.table) == 0
    assert found.unlike > 0


def test_empty_frames_give_no_localisations(seed: int) -> None:
    nothing = Emitters(torch.zeros(0, 3), torch.zeros(0), torch.zeros(101, dtype=torch.long))
    for camera in (IDEAL, camera_preset("scmos"), camera_preset("challenge")):
        assert len(fit_frames(recorded(nothing, 20.0, camera, seed), PSF, camera).table) <= 1
    assert len(fit_frames(torch.zeros(3, SIDE, SIDE), PSF, IDEAL).table) == 0


def test_saturated_pixels_do_not_take_part(seed: int) -> None:
    camera = replace(camera_preset("scmos"), saturation_adu=1200.0)
    emitters = one_a_frame(seed, 60, 20000.0, 100.0)
    frames = recorded(emitters, 20.0, camera, seed)
    assert bool((frames >= camera.photons(torch.tensor(1200.0))).any())
    table = fit_frames(frames, PSF, camera).table
    assert len(table) > 55
    assert np.median(table["photons"]) == pytest.approx(20000, rel=0.03)
    assert len(fit_frames(torch.full((2, SIDE, SIDE), 1e6), PSF, camera).table) == 0


def test_in_2d_the_width_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    xyz = np.column_stack([rng.uniform(1200, 2000, (150, 2)), rng.uniform(120, 250, 150)])
    psf = RoundPsf(130.0, 100.0)
    emitters = Emitters.of(torch.tensor(xyz).float(), torch.full((150,), 3000.0), torch.ones(150, dtype=torch.long))
    table = fit_frames(recorded(emitters, 20.0, IDEAL, seed, psf=psf), psf, IDEAL).table
    assert len(table) == 150
    assert np.isnan(table["z"]).all()
    assert np.sqrt(np.mean((table["width"] - xyz[:, 2]) ** 2)) < 8
    pulls = np.stack([(table[axis] - xyz[:, index]) / table[f"sigma_{axis}"] for index, axis in enumerate("xy")])
    assert pulls.std() == pytest.approx(1, abs=0.15)


def test_derivatives_of_the_round_psf_are_its_differences() -> None:
    psf, place = RoundPsf(130.0, 100.0), torch.tensor([[760.0, 710.0, 180.0]], dtype=torch.float64)
    slopes = psf.patches(place, 15)[1][0]
    for axis in range(3):
        step = torch.zeros_like(place)
        step[0, axis] = 0.01
        difference = (psf.patches(place + step, 15)[0] - psf.patches(place - step, 15)[0])[0] / 0.02
        torch.testing.assert_close(slopes[axis], difference, rtol=1e-4, atol=1e-9)


def detections(emitters: Emitters, deviations: Array, seed: int, factor: float = 2.0) -> Array:
    """As a network gives them: further off than the bound, and open about it."""
    rng = np.random.default_rng(seed)
    table = localisations(len(emitters.xyz))
    table["frame"] = emitters.frame().numpy() + 1
    for index, axis in enumerate("xyz"):
        table[f"sigma_{axis}"] = factor * deviations[:, index]
        table[axis] = emitters.xyz.numpy()[:, index] + table[f"sigma_{axis}"] * rng.standard_normal(len(table))
    table["photons"] = emitters.photons.numpy() * rng.normal(1, 0.08, len(table))
    table["sigma_photons"], table["background"] = 0.08 * table["photons"], 50.0
    return table


def test_isolated_detections_are_polished_to_the_bound(seed: int) -> None:
    emitters = one_a_frame(seed, 400, 5000.0)
    bound = cramer_rao(emitters, torch.full((400,), 50.0), PSF, IDEAL, (SIDE, SIDE), multi=False).numpy()[:, :3]
    table = detections(emitters, bound, seed)
    done = polish(recorded(emitters, 50.0, IDEAL, seed), table, PSF, IDEAL)
    assert (done["x"] != table["x"]).mean() > 0.98
    errors = positions(done) - emitters.xyz.numpy()
    assert np.sqrt(((errors / bound) ** 2).mean(axis=0)) == pytest.approx(1, abs=0.15)
    assert (errors / sigmas(done)).std(axis=0) == pytest.approx(1, abs=0.15)
    # A detection at the wrong depth, which its deviations do not admit, is put right.
    wrong = table.copy()
    wrong["z"] *= -1
    assert (
        np.median(
            np.abs(polish(recorded(emitters, 50.0, IDEAL, seed), wrong, PSF, IDEAL)["z"] - emitters.xyz[:, 2].numpy())
        )
        < 20
    )


def unevenly_recorded(emitters: Emitters, variation: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    background = vary(torch.full((len(emitters.offsets) - 1,), 50.0), (SIDE, SIDE), variation, generator)
    expected = PSF.draw(emitters, (SIDE, SIDE)) + background
    return IDEAL.photons(IDEAL.record(expected, generator))


def test_in_an_uneven_background_deviations_grow_and_a_network_is_not_polished(seed: int) -> None:
    """A fit has no way to know a background that varies as a spot does: its errors are then 1.7 times those of an even one."""
    emitters = one_a_frame(seed, 400, 5000.0)
    bound = cramer_rao(emitters, torch.full((400,), 50.0), PSF, IDEAL, (SIDE, SIDE), multi=False).numpy()[:, :3]
    table = detections(emitters, bound, seed)
    shares = []
    for variation in (0.05, 0.2):
        frames = unevenly_recorded(emitters, variation, seed)
        fitted = fit_frames(frames, PSF, IDEAL).table
        single = fitted[np.isin(fitted["frame"], np.flatnonzero(np.bincount(fitted["frame"]) == 1))]
        assert len(single) > 200
        pull = (positions(single) - emitters.xyz.numpy()[single["frame"] - 1]) / sigmas(single)
        spread = np.median(np.abs(pull), axis=0) / 0.6745
        assert ((spread > 0.65) & (spread < 1.25)).all()
        shares.append(float((polish(frames, table, PSF, IDEAL)["x"] != table["x"]).mean()))
    assert shares[0] > 0.9 and shares[1] < 0.2


def test_crowded_detections_are_left_as_they_are(seed: int) -> None:
    pair = at((1500.0, 1600.0, -300.0), (1800.0, 1700.0, 300.0))
    table = detections(pair, np.full((2, 3), 10.0), seed)
    frame = recorded(pair, 50.0, IDEAL, seed)
    assert polish(frame, table, PSF, IDEAL).tobytes() == table.tobytes()
    # Nor is one of the two polished where the other was missed.
    assert polish(frame, table[:1], PSF, IDEAL).tobytes() == table[:1].tobytes()
    assert len(polish(frame, table[:0], PSF, IDEAL)) == 0


def test_without_astigmatism_nothing_breaks(seed: int) -> None:
    curve = HuangCurve(130.0, 0.0, 400.0)
    psf = GaussianPsf(curve, curve)
    assert len(fit_frames(recorded(at((1600.0, 1600.0, 200.0)), 50.0, IDEAL, seed, psf=psf), psf, IDEAL).table) == 1
