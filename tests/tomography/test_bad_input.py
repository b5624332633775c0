"""Bad input of the commands of ``tomo``: each ends in one line that names the file, before anything is written, or is doubted."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.geometry.volumes import wedge
from holly_triton.io.particle_lists import ParticleList, read_particles, write_particles
from holly_triton.io.volumes import write_volume
from holly_triton.tomography.average import results
from holly_triton.tomography.structures import draw_map, read_density

VOXEL, SHAPE = 16.0, (36, 60, 60)
PLACES = np.stack(np.meshgrid([14, 30, 46], [14, 30, 46], [18]), -1).reshape(-1, 3)
"""x, y, z of nine particles, voxels."""


def scene() -> np.ndarray:
    """Dark balls in noise, behind a wedge."""
    rng = np.random.default_rng(0)
    z, y, x = np.indices(SHAPE)
    volume = rng.normal(size=SHAPE)
    for place in PLACES:
        volume -= 3.0 * ((x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - place[2]) ** 2 < 25)
    seen = torch.fft.rfftn(torch.from_numpy(volume)) * wedge(SHAPE, (-60, 60))
    return torch.fft.irfftn(seen, s=SHAPE).numpy().astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tomogram, the list of its particles, a template, and a folder to train on."""
    write_volume(tmp_path / "tomogram_1.mrc", scene(), VOXEL)
    picks = ParticleList.of("ball", PLACES * VOXEL, rotations=np.tile(np.eye(3), (9, 1, 1)), tomogram="tomogram_1")
    write_particles(tmp_path / "picks.csv", picks)
    write_particles(tmp_path / "truth.csv", picks)
    monkeypatch.setattr(results, "draw_averages", lambda *_: None)  # surfaces take seconds, and have their own test
    (tmp_path / "templates").mkdir()
    write_volume(
        tmp_path / "templates" / "ball.mrc", draw_map(read_density("sphere"), 21, VOXEL, 2 * VOXEL).numpy(), VOXEL
    )
    return tmp_path


def run(folder: Path, command: str, *more: object) -> Result:
    """A command of ``tomo`` on the tomogram in a folder, with its usual arguments."""
    tomogram = folder / "tomogram_1.mrc"
    given: dict[str, tuple[object, ...]] = {
        "match": (tomogram, folder / "templates" / "ball.mrc", folder / "out.csv", "--angle", 60, "--symmetry", "O"),
        "pick": (tomogram, folder / "out.csv", "--model", "default", "--not-averaged"),
        "average": (folder / "picks.csv", folder / "out", "--tomogram", tomogram, "--box", 256, "--no-align"),
        "render": (tomogram, folder / "picks.csv", folder / "out.png"),
        "train": (
            folder,
            folder / "out.pt",
            "--steps",
            1,
            "--radii",
            "ball=80",
            "--validation",
            folder,
            "--width",
            4,
            "--batch",
            1,
            "--patch",
            16,
        ),
    }
    words = ["tomo", command, *map(str, (*given[command], *more))]
    return CliRunner().invoke(main, words)


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 1, result.output
    line = result.output.strip().splitlines()[-1]  # before it there may be what was remarked on files that were read
    assert "Traceback" not in result.output and all(word in line for word in words), result.output


def nothing_written(folder: Path) -> bool:
    return not [path for path in folder.iterdir() if path.name.startswith("out")]


def header(path: Path, offset: int, packed: bytes) -> None:
    """Other bytes in a file."""
    content = path.read_bytes()
    path.write_bytes(content[:offset] + packed + content[offset + len(packed) :])


def signed_bytes(path: Path, values: np.ndarray) -> None:
    with mrcfile.new(path, values.astype(np.int8), overwrite=True) as file:
        file.voxel_size = VOXEL


def uneven(path: Path) -> None:
    with mrcfile.open(path, mode="r+") as file:
        file.voxel_size = (16.0, 16.0, 20.0)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-5]), "is truncated"),
    "1e9 voxels promised": (lambda path: header(path, 0, struct.pack("<3i", 1000, 1000, 1000)), "is truncated: its header promises"),
    "anisotropic voxels": (uneven, "16 x 16 x 20, in Å"),
    "no voxel size": (lambda path: write_volume(path, scene(), 1.0), "--voxel-size"),
    "a NaN": (lambda path: header(path, 1024 + 4000, struct.pack("<f", float("nan"))), "not finite"),
    "text": (lambda path: path.write_text("x y z\n" * 300), "tomogram_1.mrc"),
}  # fmt: skip


@pytest.mark.parametrize("command", ["match", "pick", "average", "render", "train"])
@pytest.mark.parametrize("harm", FILES)
def test_a_damaged_tomogram(folder: Path, command: str, harm: str) -> None:
    make, says = FILES[harm]
    make(folder / "tomogram_1.mrc")
    refused(run(folder, command), "tomogram_1.mrc", says)
    assert nothing_written(folder)


@pytest.mark.parametrize("command", ["match", "pick", "average", "train"])
def test_a_mask_is_no_tomogram(folder: Path, command: str) -> None:
    """The mask is IMOD's: 0 and 1 in signed bytes are -128 and -127."""
    labels = np.random.default_rng(1).integers(0, 5, SHAPE)
    mask = np.where(labels > 1, -127, -128)
    for values, says in ((mask, "-128 and -127 alone, as a mask does"), (0 * labels, "the value 0 alone, everywhere")):
        signed_bytes(folder / "tomogram_1.mrc", values)
        refused(run(folder, command), "tomogram_1.mrc", says)
        assert nothing_written(folder)


def test_labels_in_place_of_a_tomogram_are_doubted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    signed_bytes(folder / "tomogram_1.mrc", np.random.default_rng(1).integers(0, 5, SHAPE))
    run(folder, "match")
    assert "5 different values" in caplog.text and "labels" in caplog.text


@pytest.mark.parametrize("command", ["match", "pick", "average", "train"])
def test_a_wedge_along_another_axis(folder: Path, command: str) -> None:
    rng = np.random.default_rng(2)
    seen = torch.fft.rfftn(torch.from_numpy(rng.normal(size=(60,) * 3))) * wedge((60,) * 3, (-60, 60))
    values = torch.fft.irfftn(seen, s=(60,) * 3).numpy().astype(np.float32)
    write_volume(folder / "tomogram_1.mrc", values.transpose(1, 0, 2), VOXEL)
    refused(run(folder, command), "tomogram_1.mrc", "missing wedge lies along y", "rotate")
    assert nothing_written(folder)


@pytest.mark.parametrize(
    ("command", "option", "says"),
    [
        ("match", "--mask", "the value 0 everywhere"),
        ("match", "--template-mask", "the value 0 everywhere"),
        ("average", "--mask", "from 0 to 0"),
    ],
)
def test_a_mask_that_removes_everything(folder: Path, command: str, option: str, says: str) -> None:
    shape = {"--mask": SHAPE, "--template-mask": (21,) * 3}[option] if command == "match" else (16,) * 3
    write_volume(folder / "mask.mrc", np.zeros(shape), VOXEL)
    refused(run(folder, command, option, folder / "mask.mrc"), "mask.mrc", says)
    assert nothing_written(folder)


def test_masks_of_signed_bytes_are_used(folder: Path) -> None:
    """Of IMOD's, 0 and 1 of which are -128 and -127: half of the tomogram, and a ball in the box of an average."""
    inside = np.full(SHAPE, -128)
    inside[:, :, :22] = -127
    signed_bytes(folder / "mask.mrc", inside)
    done = run(folder, "match", "--mask", folder / "mask.mrc")
    assert done.exit_code == 0, done.output
    found = read_particles(folder / "out.csv").positions / VOXEL
    assert len(found) == 3 and found[:, 0].max() < 16
    ball = np.where(((np.indices((16,) * 3) - 8) ** 2).sum(0) < 40, -127, -128)
    signed_bytes(folder / "ball_mask.mrc", ball)
    done = run(folder, "average", "--mask", folder / "ball_mask.mrc")
    assert done.exit_code == 0, done.output


def test_contrast_that_is_not_the_stated_one_is_doubted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for command in ("match", "average", "train"):
        assert run(folder, command, "--overwrite").exit_code == 0 and "--contrast" not in caplog.text
        caplog.clear()
        assert run(folder, command, "--contrast", "bright", "--overwrite").exit_code == 0
        assert "--contrast dark" in caplog.text
        caplog.clear()


def test_templates_that_do_not_fit(folder: Path) -> None:
    template = folder / "templates" / "ball.mrc"
    refused(run(folder, "match", "--template-voxel-size", 120), "ball", "never fits", "voxel size")
    write_volume(template, -np.ones((9, 9, 9)), VOXEL)
    refused(run(folder, "match"), "ball", "positive")
    empty = folder / "empty.pdb"
    empty.write_text("HEADER    NOTHING\n")
    atom = "ATOM      1  CA  ALA A   1      {:8.3f}   1.000   1.000  0.00  0.00           C\n"
    (folder / "ghost.pdb").write_text(atom.format(1) + atom.format(2))
    for model, says in (("empty.pdb", "holds no atoms"), ("ghost.pdb", "occupancy 0")):
        given = (folder / "tomogram_1.mrc", folder / model, folder / "out.csv")
        refused(CliRunner().invoke(main, ["tomo", "match", *map(str, given)]), model, says)
        simulated = ["tomo", "simulate", str(folder / "out"), "--structures", str(folder / model)]
        refused(CliRunner().invoke(main, simulated), model, says)
    assert nothing_written(folder)


def test_the_mirrored_hand_is_said(folder: Path) -> None:
    done = run(folder, "match", "--mirror")
    assert done.exit_code == 0 and "hand has the higher scores" in done.output


def test_picks_outside_are_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    picks = read_particles(folder / "picks.csv")
    picks.positions[:2] += 5000
    write_particles(folder / "picks.csv", picks)
    done = run(folder, "average")
    assert done.exit_code == 0 and "2 of 9 picks are too near to an edge" in caplog.text
    assert "2 of 9 picks lie outside" in run(folder, "render").output
    write_particles(folder / "truth.csv", picks)
    refused(run(folder, "train"), "tomogram_1", "2 of its 9 particles")
    picks.positions[:] += 5000
    write_particles(folder / "picks.csv", picks)
    refused(run(folder, "average", "--overwrite"), "0 of 9 picks have a box", "tomo info")


def test_picks_of_another_tomogram_are_drawn_with_a_note(folder: Path) -> None:
    assert "tomogram_2" not in run(folder, "render").output
    picks = read_particles(folder / "picks.csv")
    write_particles(folder / "picks.csv", ParticleList.of("ball", picks.positions, tomogram="tomogram_2"))
    done = run(folder, "render", "--overwrite")
    assert done.exit_code == 0 and "is of the tomogram tomogram_2" in done.output


def test_a_folder_is_no_volume(folder: Path) -> None:
    (folder / "tomogram_1.mrc").unlink()
    (folder / "tomogram_1.mrc").mkdir()
    refused(run(folder, "match"), "tomogram_1.mrc: is a folder; give a volume")


def test_rows_of_a_star_are_counted_in_and_out(folder: Path) -> None:
    head = "data_\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnCoordinateZ #3\n"
    rows = "".join(f"{x} {y} {z}\n" for x, y, z in PLACES)
    (folder / "picks.star").write_text(head + rows + "nan 3 4\n<NA> 3 4\n")
    shown = CliRunner().invoke(main, ["tomo", "info", str(folder / "picks.star"), "--voxel-size", "16"])
    assert "11 read, 9 used" in shown.output, shown.output
    (folder / "picks.star").write_text(head.replace("Z #3", "W #3") + rows)
    lacking = CliRunner().invoke(main, ["tomo", "info", str(folder / "picks.star")])
    refused(lacking, "picks.star", "lacks rlnCoordinateZ")


def test_a_model_of_another_voxel_size(folder: Path) -> None:
    write_volume(folder / "tomogram_1.mrc", scene(), 40.0)
    refused(run(folder, "pick"), "its voxels are 40 Å", "trained for 16 Å", "--voxel-size")


def test_a_tomogram_of_a_few_sections(folder: Path) -> None:
    thin = scene()[15:22]
    write_volume(folder / "tomogram_1.mrc", thin, VOXEL)
    places = (PLACES - [0, 0, 15]) * VOXEL
    for name in ("picks.csv", "truth.csv"):
        write_particles(folder / name, ParticleList.of("ball", places, tomogram="tomogram_1"))
    assert run(folder, "pick").exit_code == 0
    assert run(folder, "match", "--overwrite").exit_code == 0
    assert run(folder, "render").exit_code == 0
    trained = run(folder, "train", "--overwrite", "--patch", 32)
    assert trained.exit_code == 0, trained.output
    refused(run(folder, "average"), "0 of 9 picks have a box", "--box")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder in which nothing can be made."""
    if os.geteuid():
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o500)
        return folder
    folder = Path("/proc/self")
    if not folder.is_dir():
        pytest.skip("the superuser can write everywhere here")
    return folder


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize(
    "command", ["pick", "match", "average", "combine", "evaluate", "render", "simulate", "train", "demo"]
)
def test_a_place_without_permission_is_refused_before_the_work(closed: Path, tmp_path: Path, command: str, below: bool) -> None:  # fmt: skip
    """The input is absent, which shows that it was not looked at."""
    absent = tmp_path / "absent"
    place = closed / "below" if below else closed
    listed = {
        "pick": (absent, place / "a.csv", "--model", absent), "match": (absent, absent, place / "a.csv"),
        "average": (absent, place / "a", "--tomogram", absent), "combine": (absent, absent, place / "a.csv"),
        "evaluate": (absent, "--truth", absent, "--out", place / "a"), "render": (absent, absent, place / "a.png"),
        "simulate": (place / "a", "--structures", absent), "train": (absent, place / "a.pt"), "demo": ("--out", place / "a"),
    }  # fmt: skip
    refused(CliRunner().invoke(main, ["tomo", command, *map(str, listed[command])]), str(place))


def test_an_average_is_replaced_only_by_another_and_foreign_volumes_stay(folder: Path) -> None:
    assert run(folder, "average").exit_code == 0
    before = (folder / "out" / "average.mrc").read_bytes()
    (folder / "out" / "mine.mrc").write_bytes(b"mine")
    assert run(folder, "average", "--overwrite", "--box", 2000).exit_code == 1
    assert (folder / "out" / "average.mrc").read_bytes() == before
    assert run(folder, "average", "--overwrite", "--box", 288).exit_code == 0
    assert (folder / "out" / "average.mrc").read_bytes() != before
    assert (folder / "out" / "mine.mrc").read_bytes() == b"mine"


def test_pictures_are_not_replaced_unasked(folder: Path) -> None:
    page, truth = folder / "out.html", folder / "truth.csv"
    given = ["tomo", "render", *map(str, (folder / "tomogram_1.mrc", folder / "picks.csv", page, "--truth", truth))]
    for taken in ("out.html", "out.png", "out_confusion.png"):
        (folder / taken).write_text("mine")
        refused(CliRunner().invoke(main, given), taken, "--overwrite")
        assert (folder / taken).read_text() == "mine"
        (folder / taken).unlink()
    (folder / "out.png").write_text("mine")
    assert CliRunner().invoke(main, [*given, "--overwrite"]).exit_code == 0
    assert "a mark without a dot of its class" in page.read_text(encoding="utf-8")
    assert (folder / "out.png").read_bytes()[:4] == b"\x89PNG"
