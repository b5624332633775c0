"""``tomo info``: wedge and contrast found in volumes of known ones, masks, labels, bytes, lists, and what it leaves open."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.ndimage import gaussian_filter

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.geometry.volumes import wedge
from holly_triton.io.particle_lists import ParticleList, write_particles
from holly_triton.io.volumes import write_volume
from holly_triton.tomography.classify.set_hdf5 import SetWriter
from holly_triton.tomography.inspection.command import describe
from holly_triton.tomography.inspection.contrast import find_contrast
from holly_triton.tomography.inspection.values import describe_values
from holly_triton.tomography.inspection.wedge import check_wedge, find_wedge

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SHAPE = (48, 80, 80)
VOXEL = 10.0


def tomogram(tilt: tuple[float, float] = (-60, 60), sign: float = -1, noise: float = 0.5, seed: int = 0) -> np.ndarray:
    """Blobs of 4 voxels across in noise, both seen through a wedge."""
    rng = np.random.default_rng(seed)
    blobs = np.zeros(SHAPE)
    blobs[tuple(rng.integers(4, side - 4, 120) for side in SHAPE)] = 1
    blobs = gaussian_filter(blobs, 2)
    volume = torch.from_numpy(sign * blobs / blobs.std() + noise * rng.normal(size=SHAPE))
    seen = torch.fft.rfftn(volume) * wedge(SHAPE, tilt)
    return torch.fft.irfftn(seen, s=SHAPE).numpy().astype(np.float32)


def info(*words: object) -> str:
    done = CliRunner().invoke(main, ["tomo", "info", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("tilt", [(-60, 60), (-40, 62), (-66, 50), (-70, 70)])
def test_the_wedge_is_found_with_the_tilts(tilt: tuple[float, float]) -> None:
    found = find_wedge(tomogram(tilt))
    assert found is not None and found.sure and found.usual
    np.testing.assert_allclose(found.tilt, tilt, atol=2)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1)])
def test_the_wedge_is_found_along_every_axis_and_refused_along_others(axes: tuple[int, int, int]) -> None:
    """``axes`` of a volume with beam z and tilt axis y become z, y, x."""
    turned = tomogram().transpose(axes)
    found = find_wedge(turned)
    assert found is not None and found.sure
    assert (found.beam, found.axis) == ("zyx"[axes.index(0)], "zyx"[axes.index(1)])
    if found.usual:
        assert check_wedge(Path("a.mrc"), turned) == found
    else:
        with pytest.raises(HollyError, match=f"lies along {found.beam}, with the tilt axis {found.axis}"):
            check_wedge(Path("a.mrc"), turned)


@pytest.mark.parametrize("smooth", [0, 1, 2])
def test_what_has_no_wedge_shows_none(smooth: float) -> None:
    """Noise of every colour, and noise that is weaker at high frequencies along z, as after interpolation."""
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=SHAPE)
        for sigma in ((smooth,) * 3, (smooth + 0.5, smooth, smooth)):
            found = find_wedge(gaussian_filter(noise, sigma))
            assert found is not None and not found.sure
            assert check_wedge(Path("a.mrc"), noise) is None


@pytest.mark.parametrize("smooth", [(0.7, 0.7, 0), (0.9, 0.9, 0), (1.2, 1.2, 0), (0, 0, 1), (0, 0, 2)])
def test_a_gradual_fall_of_power_towards_an_axis_is_left_open(tmp_path: Path, smooth: tuple[float, ...]) -> None:
    noise = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), smooth)
    found = find_wedge(noise)
    assert found is not None and not found.sure
    write_volume(tmp_path / "a.mrc", noise, VOXEL)
    assert dict(describe(tmp_path / "a.mrc"))["missing wedge"].startswith(("not sure", "none found"))


def test_thin_and_constant_volumes_have_neither_wedge_nor_contrast() -> None:
    for volume in (np.ones((40, 40, 40)), np.random.default_rng(0).normal(size=(3, 90, 90))):
        assert find_wedge(volume) is None and find_contrast(volume) is None


@pytest.mark.parametrize(("sign", "word"), [(-1, "dark"), (1, "bright")])
@pytest.mark.parametrize("noise", [0, 1, 2])
def test_the_sign_of_the_contrast_is_found(sign: float, word: str, noise: float) -> None:
    found = find_contrast(tomogram(sign=sign, noise=noise))
    assert found is not None and found.sign == word


def test_noise_has_no_sign() -> None:
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=SHAPE)
        for smooth in (0, 1, 2):
            found = find_contrast(gaussian_filter(noise, smooth))
            assert found is not None and found.sign is None, (seed, smooth)


def test_one_particle_in_its_box_has_a_sign() -> None:
    box = np.zeros((40, 40, 40), np.float32)
    box[16:24, 17:23, 16:24] = -1
    found = find_contrast(box)
    assert found is not None and found.sign == "dark"


def test_figures_of_the_values() -> None:
    volume = np.random.default_rng(0).normal(3, 2, size=(40, 50, 60)).astype(np.float32)
    figures = describe_values(volume, volume.dtype)
    for name, value in (
        ("least", volume.min()),
        ("most", volume.max()),
        ("mean", volume.mean()),
        ("median", np.median(volume)),
    ):
        assert getattr(figures, name) == pytest.approx(value, rel=1e-4)
    assert figures.deviation == pytest.approx(volume.std(), rel=1e-4) and figures.counts is None
    volume[0, 0, :3] = np.nan, np.inf, -np.inf
    assert describe_values(volume, volume.dtype).not_finite == 3


def test_bytes_with_the_wrong_sign_are_noticed() -> None:
    """A photograph-like range about 128, kept in unsigned bytes and read as signed ones."""
    right = np.random.default_rng(0).normal(128, 20, size=(20, 20, 20)).clip(0, 255).astype(np.uint8)
    signed = (right.astype(int) - 128).astype(np.float32)
    assert describe_values(right.view(np.int8).astype(np.float32), np.dtype(np.int8)).wrapped
    assert not describe_values(signed, np.dtype(np.int8)).wrapped
    assert not describe_values(right.astype(np.float32), np.dtype(np.uint8)).wrapped


def test_a_tomogram_in_one_screen(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.mrc", tomogram(), VOXEL)
    said = info(tmp_path / "a.mrc")
    assert "80 x 80 x 48 voxels along x, y, z (80 x 80 x 48 nm)" in said and "voxel size     10 Å" in said
    assert "along z, tilt axis y" in said and "dark particles" in said
    assert len(said.splitlines()) < 20


def test_masks_and_labels_are_named(tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, int)
    labels[:4], labels[4:6, 0] = 1, 7
    for name, values, expected in (
        ("mask", np.where(labels > 0, -127, -128), "-128 and -127 are 0 and 1 in IMOD's signed bytes"),
        ("labels", labels, "labels: 3 whole numbers, voxels of each 0: 281440, 1: 25600, 7: 160"),
        ("flat", np.ones(SHAPE), "one value everywhere"),
    ):
        write_volume(tmp_path / f"{name}.mrc", values, VOXEL)
        said = info(tmp_path / f"{name}.mrc")
        assert expected in said and "contrast" not in said


def test_a_header_without_a_usable_voxel_size_is_shown_and_not_refused(tmp_path: Path) -> None:
    for voxel, expected in (
        ((0, 0, 0), "not stated (the header says 0)"),
        ((10, 10, 12), "10 x 10 x 12, in Å: no cubes"),
    ):
        with mrcfile.new(tmp_path / "a.mrc", np.ones(SHAPE, np.float32), overwrite=True) as file:
            file.voxel_size = voxel
        assert expected in info(tmp_path / "a.mrc")
        assert "7 Å as given" in info(tmp_path / "a.mrc", "--voxel-size", 7)


def test_values_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    volume = tomogram()
    volume[0, 0, :5] = np.nan
    with pytest.warns(RuntimeWarning):
        write_volume(tmp_path / "a.mrc", volume, VOXEL)
    assert "5 values are not finite" in info(tmp_path / "a.mrc")
    with pytest.warns(RuntimeWarning):
        write_volume(tmp_path / "b.mrc", np.full(SHAPE, np.nan, np.float32), VOXEL)
    assert "none is a finite number" in info(tmp_path / "b.mrc")


def test_picks_outside_of_the_volume_are_counted(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.mrc", np.zeros(SHAPE), VOXEL)
    inside = ParticleList.of(["70S", "FAS", "70S"], [[10, 10, 10], [790, 790, 470], [0, 0, 0]])
    write_particles(tmp_path / "in.csv", inside)
    assert "3 positions, all of them in the volume" in info(tmp_path / "a.mrc", "--picks", tmp_path / "in.csv")
    write_particles(tmp_path / "unbinned.xml", ParticleList.of("70S", 4 * inside.positions), voxel_size=VOXEL)
    said = info(tmp_path / "a.mrc", "--picks", tmp_path / "unbinned.xml")
    assert "3 positions, 1 outside of the volume" in said and "FAS" not in said
    write_particles(tmp_path / "centred.star", inside, voxel_size=VOXEL, shape=SHAPE, style="relion5")
    assert "all of them in the volume" in info(tmp_path / "a.mrc", "--picks", tmp_path / "centred.star")


def test_a_list_in_one_screen(tmp_path: Path) -> None:
    listed = ParticleList.of(["70S", "FAS"], [[10, 20, 30], [40, 50, 60]], rotations=[np.eye(3)] * 2, scores=[4, 7])
    write_particles(tmp_path / "a.star", listed, voxel_size=2.0)
    said = info(tmp_path / "a.star")
    for part in (
        "2 read, 2 used",
        "2 (70S: 1, FAS: 1)",
        "voxels of 2 Å",
        "x 5 to 20",
        "x 10 to 40",
        "one for each",
        "4 to 7",
    ):
        assert part in said
    write_particles(tmp_path / "a.xml", listed, voxel_size=2.0)
    assert "not stated; give it with --voxel-size A" in info(tmp_path / "a.xml")
    assert "x 10 to 40" in info(tmp_path / "a.xml", "--voxel-size", 2)


def test_an_atomic_model_in_one_screen(tmp_path: Path) -> None:
    pytest.importorskip("gemmi", reason="gemmi reads atomic models")
    line = "ATOM      1  CA  ALA A   1    {:8.3f}   2.000   3.000  1.00 10.00           C\n"
    (tmp_path / "a.pdb").write_text("".join(line.format(x) for x in (1, 11)) + "END\n")
    assert "2 heavy atoms in 1 chain" in info(tmp_path / "a.pdb")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("no.mrc", {}, "there is no such file"),
        ("a.png", {}, "of no known kind by its suffix"),
        ("a.csv", {"picks": "a.csv"}, "is no volume, and --picks are shown over one"),
        ("a.mrc", {"picks": "a.csv"}, "without which picks have no place"),
    ],
)
def test_what_cannot_be_shown_ends_in_one_line(tmp_path: Path, name: str, options: dict, says: str) -> None:
    (tmp_path / "a.png").touch()
    write_particles(tmp_path / "a.csv", ParticleList.of("a", [[1, 2, 3]]))
    mrcfile.new(tmp_path / "a.mrc", np.zeros(SHAPE, np.float32)).close()
    given = {key: tmp_path / value for key, value in options.items()}
    with pytest.raises(HollyError, match=says):
        describe(tmp_path / name, **given)


def published(name: str) -> Path:
    if not (SHARED / name).is_file():
        pytest.skip("the published files are not beside this repository")
    return SHARED / name


def test_the_wedge_of_a_published_subtomogram_is_found() -> None:
    """That of TomoTwin, simulated with tilts to 60 degrees."""
    said = dict(describe(published("tomotwin/model_0_1BXN_1.mrc")))
    assert said["missing wedge"].startswith("along z, tilt axis y, tilts of about -6")
    assert said["voxel size"].startswith("not stated (the header says 0)")


@pytest.mark.parametrize(
    ("name", "row", "part"),
    [
        ("complexes-5A/4v4r.mrc", "contrast", "bright particles"),
        ("complexes-5A/1qvr.mrc", "missing wedge", "none found"),
        ("pytom/human_ribo_21A.em", "contrast", "dark particles"),
        ("pytom/human_ribo_mask_32_8_5.mrc", "missing wedge", "none found"),
        ("subtomograms-tiny/particle_c1_000.mrc", "contrast", "bright particles"),
        ("mrcfile-maps/EMD-3001.map", "voxel size", "no cubes"),
        ("deepfinder/masks/4b4t.mrc", "content", "mask: two values"),
        ("deepfinder/object_list_tomo0.xml", "rows", "2498 read, 2498 used"),
        ("complexes-pdb/4v1w.cif.gz", "content", "32736 heavy atoms in 24 chains"),
    ],
)
def test_published_files_in_one_screen(name: str, row: str, part: str) -> None:
    assert part in dict(describe(published(name)))[row]


def test_what_follows_picks_in_a_density_and_not_in_labels(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.mrc", tomogram(), VOXEL)
    write_volume(tmp_path / "labels.mrc", np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.int8), VOXEL)
    assert "Next: holly-triton tomo pick" in info(tmp_path / "a.mrc")
    assert "Next: " not in info(tmp_path / "labels.mrc")


@pytest.mark.parametrize("words", [["tomo", "info"], ["info"]])
def test_a_set_of_subtomograms_is_taken_for_nothing_else(words: list[str], tmp_path: Path) -> None:
    with SetWriter(tmp_path / "boxes.h5", 8, 10.0) as write:
        turned = np.tile(np.eye(3), (12, 1, 1))
        write.append(np.zeros((12, 8, 8, 8)), labels=["a"] * 12, rotations=turned, positions=np.zeros((12, 3)))
    done = CliRunner().invoke(main, [*words, str(tmp_path / "boxes.h5")])
    assert done.exit_code == 1 and "set of 12 subtomograms" in done.output and "tomo classify" in done.output
