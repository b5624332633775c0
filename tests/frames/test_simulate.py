"""Simulated frames: the generator of training, blinking, movies in files, and the command."""

import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner
from scipy.spatial import cKDTree

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.frames.blinking import Blinking, on_frames
from holly_triton.frames.camera import Camera, MappedCamera, PixelMaps, ask_for_camera, camera_preset, read_camera
from holly_triton.frames.config.simulation import FrameSettings, MovieSettings
from holly_triton.frames.movie import HEADER, write_movie
from holly_triton.frames.psf import default_psf, read_psf
from holly_triton.frames.samplers import PoolSampler, RandomSampler
from holly_triton.frames.simulate import draw_batch, vary

Z = (-700.0, 700.0)
PHOTONS = camera_preset("photons")
FIXED = FrameSettings(
    density_least=0.3, density_most=0.3, photons_least=4000.0, photons_most=4000.0, spread_least=0.0, spread_most=0.0,
    background_unit="photons", background_least=20.0, background_most=20.0, background_variation=0.0,
)  # fmt: skip


def truth_of(folder):
    return np.loadtxt(folder / "truth.csv", delimiter=",", skiprows=1, ndmin=2)


def test_a_batch_has_the_photons_and_background_that_are_set(seed):
    batch = draw_batch(
        RandomSampler(Z), default_psf(), PHOTONS, FIXED, 40, (48, 64), torch.Generator().manual_seed(seed)
    )
    assert batch.photons.shape == batch.adu.shape == batch.background.shape == (40, 48, 64)
    assert (batch.background == 20).all() and (batch.emitters.photons == 4000).all()
    light = default_psf().draw(batch.emitters, (48, 64)) + batch.background
    # Poisson: the sum over all pixels has a relative deviation below 0.1 %.
    assert float(batch.photons.sum()) == pytest.approx(float(light.sum()), rel=0.005)
    chi = (batch.photons - light) ** 2 / light
    assert float(chi.mean()) == pytest.approx(1, abs=0.05)


def test_settings_vary_within_their_bounds(seed):
    settings = FrameSettings(photons_least=1000.0, photons_most=10000.0, spread_least=0.0, spread_most=0.0)
    batch = draw_batch(
        RandomSampler(Z), default_psf(), PHOTONS, settings, 200, (24, 24), torch.Generator().manual_seed(seed)
    )
    frame, photons = batch.emitters.frame(), batch.emitters.photons
    assert 1000 <= float(photons.min()) < 1500 and 7000 < float(photons.max()) <= 10000
    first = batch.emitters.offsets[:-1][batch.emitters.counts > 0]
    mean = torch.zeros(200)
    mean[frame[first]] = photons[first]
    lit = mean > 0
    share = batch.background.mean((1, 2))[lit] / mean[lit]
    assert 0.003 < float(share.min()) < 0.008 and 0.013 < float(share.max()) < 0.03
    relative = batch.background.std((1, 2)) / batch.background.mean((1, 2))
    assert 0.05 < float(relative.mean()) < 0.25
    logs = mean[lit].log()
    assert float(logs.mean()) == pytest.approx(np.log(1000 * 10000) / 2, abs=0.2)


def test_a_batch_follows_from_the_generator(seed):
    def draw(number):
        return draw_batch(
            RandomSampler(Z),
            default_psf(),
            camera_preset("challenge"),
            FrameSettings(),
            3,
            (16, 16),
            torch.Generator().manual_seed(number),
        )

    assert torch.equal(draw(seed).adu, draw(seed).adu)
    assert not torch.equal(draw(seed).adu, draw(seed + 1).adu)


@pytest.mark.parametrize("axis", [0, 1])
def test_x_is_the_column_and_y_the_row(axis, seed):
    """An emitter at one place lights the pixel there; exchanging x and y transposes the frame, and mirrors the astigmatism."""
    place = np.array([[1250.0, 3450.0, 0.0]])
    if axis:
        place = place[:, [1, 0, 2]]
    settings = dataclasses.replace(FIXED, photons_least=1e5, photons_most=1e5)
    pool = PoolSampler(place, emitters=60.0)
    shape = (64, 64)
    batch = draw_batch(pool, default_psf(), PHOTONS, settings, 1, shape, torch.Generator().manual_seed(seed))
    row, column = divmod(int(batch.photons[0].argmax()), 64)
    assert (row, column) == ((34, 12) if axis == 0 else (12, 34))
    light = batch.photons[0, row - 8 : row + 9, column - 8 : column + 9] - 20
    steps = torch.arange(-8, 9) + 0.5
    centre = [float((light.sum(side) * steps).sum() / light.sum()) + start for side, start in ((0, column), (1, row))]
    # Of 10^5 photons: 1 nm, and less than that for the light outside the square.
    assert [100 * part for part in centre] == pytest.approx(place[0, :2].tolist(), abs=5)


def test_a_window_shows_emitters_through_consecutive_frames(seed):
    settings = dataclasses.replace(FIXED, window=3, on_time=2.0, density_least=0.2, density_most=0.2)
    batch = draw_batch(
        RandomSampler(Z), default_psf(), PHOTONS, settings, 300, (32, 32), torch.Generator().manual_seed(seed)
    )
    assert batch.photons.shape == (300, 3, 32, 32) and batch.background.shape == (300, 32, 32)
    assert batch.emitters.frames == 300
    # As many emitters as without a window are in the middle frame: area with margin 17.64 um2.
    assert len(batch.emitters.xyz) / 300 == pytest.approx(0.2 * 17.64, rel=0.12)
    assert 0 < float(batch.emitters.photons.min()) and float(batch.emitters.photons.max()) <= 4000.1
    middle = default_psf().draw(batch.emitters, (32, 32)) + 20
    chi = ((batch.photons[:, 1] - middle) ** 2 / middle).mean()
    assert float(chi) == pytest.approx(1, abs=0.05)
    light = batch.photons.sum((2, 3)) - 20 * 32 * 32
    assert float(torch.corrcoef(light[:, :2].T)[0, 1]) > 0.3


def test_a_window_needs_an_on_time():
    with pytest.raises(HollyError, match="on_time"):
        draw_batch(
            RandomSampler(Z), default_psf(), PHOTONS, dataclasses.replace(FIXED, window=3), 1, (8, 8), torch.Generator()
        )


def test_a_camera_with_maps_sees_crops_of_its_chip(seed):
    camera = MappedCamera.of_camera(Camera("scmos"), PixelMaps(offset_adu=torch.arange(4096.0).view(64, 64)))
    batch = draw_batch(RandomSampler(Z), default_psf(), camera, FIXED, 6, (16, 16), torch.Generator().manual_seed(seed))
    assert float(batch.photons.mean()) == pytest.approx(
        float((default_psf().draw(batch.emitters, (16, 16)) + 20).mean()), rel=0.02
    )


def test_backgrounds_vary_smoothly(seed):
    background = vary(torch.full((50,), 40.0), (64, 96), 0.2, torch.Generator().manual_seed(seed))
    assert background.shape == (50, 64, 96) and float(background.min()) >= 4
    assert float(background.mean()) == pytest.approx(40, rel=0.02)
    step = background.diff(dim=2).std() / background.std()
    assert 0.05 < float(step) < 0.35
    assert (vary(torch.tensor([3.0]), (4, 4), 0.0, torch.Generator()) == 3).all()


def test_activations_are_shared_among_frames():
    each, frame, share = on_frames(
        torch.tensor([-0.5, 1.25, 2.0, 9.0, -3.0]), torch.tensor([1.0, 2.0, 0.5, 1.0, 1.0]), 4
    )
    assert each.tolist() == [0, 1, 1, 1, 2]
    assert frame.tolist() == [0, 1, 2, 3, 2]
    assert share.tolist() == pytest.approx([0.5, 0.75, 1.0, 0.25, 0.5])


@pytest.mark.parametrize("block", [1, 7, 400])
def test_blinking_is_stationary_and_exponential(block, seed):
    on_time = 2.5
    seen = list(Blinking(30.0, on_time, 10**7).blocks(400, block, torch.Generator().manual_seed(seed)))
    first = np.arange(len(seen)) * block
    site = np.concatenate([part[0] for part in seen])
    frame = np.concatenate([part[1].numpy() + start for part, start in zip(seen, first, strict=True)])
    share = np.concatenate([part[2] for part in seen])
    counts = np.bincount(frame, minlength=400)
    # Counts of neighbouring frames are correlated over 2.5 frames: about 100 independent ones of a deviation of 5.5.
    assert counts.mean() == pytest.approx(30, abs=2)
    assert counts[:20].mean() == pytest.approx(30, abs=6)
    _, which = np.unique(site, return_inverse=True)
    begin, end = np.full(which.max() + 1, 10**6), np.full(which.max() + 1, -1)
    np.minimum.at(begin, which, frame)
    np.maximum.at(end, which, frame)
    whole = (begin > 0) & (end < 399)
    lasts = np.bincount(which, share)[whole]
    assert lasts.mean() == pytest.approx(on_time, rel=0.1)
    assert lasts.std() == pytest.approx(on_time, rel=0.15)


def run(*arguments):
    return CliRunner().invoke(main, ["frames", "simulate", *map(str, arguments)])


def test_the_command_writes_a_movie_with_its_truth(tmp_path, seed):
    out = tmp_path / "movie"
    done = run(
        out,
        "--frames",
        60,
        "--size",
        "48x32",
        "--emitters",
        3,
        "--photons",
        8000,
        "--background",
        10,
        "--seed",
        seed,
        "--spread",
        0,
    )
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == ["frames.tif", "psf.h5", "settings.toml", "truth.csv"]
    frames, truth = tifffile.imread(out / "frames.tif"), truth_of(out)
    assert frames.shape == (60, 32, 48) and frames.dtype == np.uint16
    assert (out / "truth.csv").read_text().splitlines()[0] == HEADER
    number, frame, x, y, z, photons = truth.T
    assert (number == np.arange(1, len(truth) + 1)).all() and (np.diff(frame) >= 0).all()
    assert frame.min() >= 1 and frame.max() <= 60 and len(truth) / 60 == pytest.approx(3, abs=1)
    assert x.min() >= 0 and x.max() < 4800 and y.min() >= 0 and y.max() < 3200 and x.max() > 4000
    assert z.min() >= Z[0] and z.max() <= Z[1] and (photons == 8000).all()
    settings = tomllib.loads((out / "settings.toml").read_text())
    assert settings["field_nm"] == [4800, 3200] and settings["pixel_nm"] == 100
    assert settings["movie"]["emitters"] == 3 and settings["camera"]["kind"] == "photons"
    assert read_psf(out / "psf.h5") == default_psf()
    assert read_camera(str(out / "settings.toml")) == PHOTONS
    # Each emitter is where the truth has it: its light is brighter there than a frame's median.
    bright = frames[frame.astype(int) - 1, (y // 100).astype(int), (x // 100).astype(int)]
    assert np.mean(bright > 5 * np.median(frames)) > 0.95


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--sampling", "structure", "--density", 1, "--on-time", 1.5, "--camera", "challenge"),
        ("--sampling", "mixed", "--structure", "walls", "--camera", "scmos", "--beads", 2, "--step", 200),
    ],
)
def test_the_same_seed_gives_the_same_bytes(tmp_path, options, seed):
    for name, number in (("one", seed), ("two", seed), ("other", seed + 1)):
        done = run(tmp_path / name, "--frames", 12, "--size", 24, "--seed", number, *options)
        assert done.exit_code == 0, done.output
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    assert (tmp_path / "one" / "frames.tif").read_bytes() != (tmp_path / "other" / "frames.tif").read_bytes()


def test_the_pixel_size_is_in_the_file(tmp_path):
    write_movie(
        tmp_path / "m",
        MovieSettings(frames=2, width_px=9, height_px=8),
        dataclasses.replace(default_psf(), pixel_nm=97.5),
        PHOTONS,
    )
    with tifffile.TiffFile(tmp_path / "m" / "frames.tif") as tiff:
        tags = tiff.pages[0].tags
        numerator, denominator = tags["XResolution"].value
        assert tags["ResolutionUnit"].value == 3
        assert 1e7 * denominator / numerator == pytest.approx(97.5, rel=1e-5)


def test_large_movies_are_big_tiffs_and_small_ones_are_not(tmp_path, monkeypatch):
    from holly_triton.frames import tiff_writer

    def kind(name):
        tiff_writer.write_tiff(tmp_path / name, iter(np.zeros((3, 4, 5), np.uint16)), (3, 4, 5), 100.0)
        with tifffile.TiffFile(tmp_path / name) as tiff:
            assert tiff.asarray().shape == (3, 4, 5)
            return tiff.is_bigtiff

    assert not kind("small.tif")
    monkeypatch.setattr(tiff_writer, "CLASSIC_TIFF", 100)
    assert kind("large.tif")


def test_blocks_do_not_grow_with_the_movie(tmp_path, monkeypatch):
    """Memory is that of a block: none has more frames than its pixels allow, and each is drawn when it is asked for."""
    from holly_triton.frames import movie

    monkeypatch.setattr(movie, "BLOCK_PIXELS", 5 * 16 * 16)
    seen = []
    draw = type(default_psf()).draw
    monkeypatch.setattr(
        type(default_psf()),
        "draw",
        lambda self, emitters, shape: seen.append(emitters.frames) or draw(self, emitters, shape),
    )
    write_movie(tmp_path / "m", MovieSettings(frames=23, width_px=16, height_px=16), default_psf(), PHOTONS)
    assert seen == [5, 5, 5, 5, 3]
    assert tifffile.imread(tmp_path / "m" / "frames.tif").shape == (23, 16, 16)


def test_positions_of_a_truth_stay_in_place(tmp_path, seed):
    path = tmp_path / "truth.csv"
    sites = np.random.default_rng(seed).random((40, 3)) * [3200, 3200, 1200] - [0, 0, 600]
    sites[0] = 9000, 100, 0
    path.write_text(HEADER + " \n" + "".join(f"{i},1,{x:.3f},{y:.3f},{z:.3f},1\n" for i, (x, y, z) in enumerate(sites)))
    done = run(
        tmp_path / "m", "--frames", 50, "--size", 32, "--sampling", "structure", "--structure", path, "--emitters", 4
    )
    assert done.exit_code == 0, done.output
    assert "1 of 40 positions" in done.output
    truth = truth_of(tmp_path / "m")
    assert cKDTree(sites).query(truth[:, 2:5])[0].max() < 0.01
    assert len(truth) / 50 == pytest.approx(4, abs=1.2)


def test_a_structure_stays_for_the_whole_movie(tmp_path, seed):
    run(
        tmp_path / "m",
        "--frames",
        80,
        "--sampling",
        "structure",
        "--structure",
        "walls",
        "--emitters",
        20,
        "--seed",
        seed,
    )
    truth = truth_of(tmp_path / "m")
    cells = [np.unique(truth[truth[:, 1] % 2 == part][:, 2:4] // 200, axis=0) for part in (0, 1)]
    shared = len(set(map(tuple, cells[0])) & set(map(tuple, cells[1])))
    assert shared > 0.7 * len(cells[0]) and len(cells[0]) < 300


def test_blinking_emitters_stay_on_for_several_frames(tmp_path, seed):
    run(tmp_path / "m", "--frames", 200, "--size", 32, "--emitters", 5, "--on-time", 3, "--spread", 0, "--seed", seed)
    truth = truth_of(tmp_path / "m")
    assert len(truth) / 200 == pytest.approx(5, abs=1.5)
    _, times = np.unique(truth[:, 2:5], axis=0, return_counts=True)
    assert times.mean() == pytest.approx(4, rel=0.2)  # of an on-time of 3, which is seen in 1 + 3 frames
    assert truth[:, 5].max() <= 5000.001 and truth[:, 5].min() < 1500


def test_beads_go_through_focus(tmp_path, seed):
    done = run(tmp_path / "m", "--frames", 1, "--beads", 5, "--step", 100, "--seed", seed)
    assert done.exit_code == 0, done.output
    beads = tifffile.imread(tmp_path / "m" / "beads.tif").astype(float)
    assert beads.shape == (15, 120, 80)
    light = beads - np.median(beads, axis=(1, 2), keepdims=True)
    assert light.sum((1, 2)) == pytest.approx(5 * 30000, rel=0.2)
    widths = []
    for plane in (0, 14):
        square = np.clip(light[plane, :40, :40], 30, None) - 30
        columns, rows = square.sum(0), square.sum(1)
        widths.append([np.sqrt(np.cov(np.arange(40), aweights=part)) for part in (columns, rows)])
    assert widths[0][1] > 1.3 * widths[0][0] and widths[1][0] > 1.3 * widths[1][1]  # z > 0 is wider along x


def test_saturation_is_said(tmp_path):
    done = run(
        tmp_path / "m",
        "--frames",
        2,
        "--size",
        16,
        "--emitters",
        5,
        "--photons",
        1e6,
        "--camera",
        "photons,saturation_adu=200",
    )
    assert "saturated" in done.output
    assert tifffile.imread(tmp_path / "m" / "frames.tif").max() == 200


def test_an_existing_folder_is_kept_unless_it_is_to_be_overwritten(tmp_path):
    out = tmp_path / "movie"
    run(out, "--frames", 2, "--size", 8)
    before = (out / "frames.tif").read_bytes()
    (out / "mine.txt").write_text("kept")
    refused = run(out, "--frames", 2, "--size", 8, "--seed", 5)
    assert refused.exit_code == 1 and (out / "frames.tif").read_bytes() == before
    assert run(out, "--frames", 2, "--size", 8, "--seed", 5, "--overwrite").exit_code == 0
    assert (out / "frames.tif").read_bytes() != before and (out / "mine.txt").exists()
    assert run(tmp_path / "movie" / "mine.txt").exit_code == 1


def test_a_movie_that_fails_does_not_replace_another(tmp_path):
    out = tmp_path / "movie"
    run(out, "--frames", 2, "--size", 8)
    before = (out / "frames.tif").read_bytes()
    assert run(out, "--overwrite", "--sampling", "structure", "--structure", "spaghetti").exit_code == 1
    assert (out / "frames.tif").read_bytes() == before and (out / "settings.toml").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--density", 1, "--emitters", 3), 2),
        (("--beads", 3), 2),
        (("--size", "0"), 2),
        (("--size", "3x4x5"), 2),
        (("--photons", 0), 2),
        (("--camera", "nikon"), 1),
        (("--camera", "emccd"), 1),
        (("--camera", "scmos,electrons_per_adu=0"), 1),
        (("--camera", "scmos,saturation_adu=1000000"), 1),
        (("--structure", "walls"), 1),
        (("--sampling", "mixed", "--on-time", 2), 1),
        (("--sampling", "structure", "--structure", "nothing.ply"), 1),
        (("--psf", "nothing.h5"), 1),
        (("--beads", 3, "--step", 1000), 1),
    ],
)
def test_wrong_options_end_in_one_line(tmp_path, options, code):
    done = run(tmp_path / "m", "--frames", 2, *options)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "m" / "frames.tif").exists()


def test_without_a_camera_one_is_asked_for():
    with pytest.raises(HollyError, match="--camera"):
        ask_for_camera(None, Path("movie.tif"))
    assert ask_for_camera("photons", Path("movie.tif")) == PHOTONS


@pytest.mark.parametrize("side", [16, 24])
def test_the_maps_of_a_camera_are_beside_its_movie(side, tmp_path, seed):
    """Those of the part of the chip that the movie shows, so that the settings alone convert it to photons."""
    rng = np.random.default_rng(seed)
    maps = {
        "offset": rng.uniform(50, 400, (24, 24)),
        "gain": rng.uniform(1, 3, (24, 24)),
        "variance": rng.uniform(1, 9, (24, 24)),
    }
    names = []
    for name, values in maps.items():
        np.save(tmp_path / f"{name}.npy", values)
        names.append(f"{name}_map={tmp_path / f'{name}.npy'}")
    size = f"{side}x{side}"
    result = run(
        tmp_path / "m", "--frames", 60, "--size", size, "--density", 0.001, "--background-variation", 0, "--seed", seed,
        "--camera", ",".join(["scmos", "quantum_efficiency=1", *names]),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    camera = read_camera(str(tmp_path / "m" / "settings.toml"))
    assert isinstance(camera, MappedCamera)
    assert camera.maps.shape == (side, side)
    photons = camera.photons(torch.from_numpy(tifffile.imread(tmp_path / "m" / "frames.tif").astype(np.float32)))
    # Means of 60 numbers about 50 photons with a standard deviation of 8; offsets of other pixels would be far off.
    assert float((photons.mean(0) - 50).abs().max()) < 6
    if side == 24:
        for mine, theirs in zip(
            camera.maps, (maps["offset"], 1 / maps["gain"], maps["variance"] ** 0.5 / maps["gain"]), strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_more_emitters_than_the_largest_density_has_are_refused_and_a_number_that_fits_is_named(tmp_path):
    settings = MovieSettings(frames=1, width_px=16, height_px=16, density=None, emitters=1e6)
    with pytest.raises(HollyError, match="give 256 at most"):
        write_movie(tmp_path / "out", settings, default_psf(), camera_preset("photons"))
    assert not (tmp_path / "out").exists()
    settings = dataclasses.replace(settings, emitters=256)
    assert write_movie(tmp_path / "out", settings, default_psf(), camera_preset("photons")).emitters > 200
