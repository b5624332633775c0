"""The commands of the tutorials and of some how-to pages, word for word and in their order; the long ones made brief.

With HOLLY_TRITON_TUTORIALS=whole, as at night, nothing is made brief.
"""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from holly_triton.cli import main
from holly_triton.geometry import random_rotations
from holly_triton.io.volumes import write_volume
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_files import write_simulation
from holly_triton.tomography.simulate.whole import simulate_subtomograms
from holly_triton.tomography.structures import read_density

DOCS = Path(__file__).resolve().parents[1] / "docs"
WHOLE = os.environ.get("HOLLY_TRITON_TUTORIALS") == "whole"
BRIEF = """
points = 24
checkpoint_every = 5
[schedule]
search_steps = 20
rescue_passes = 0
polish_steps = 4
refine_steps = 2
[search]
candidates = 100
[spatial]
steps = 20
[sparse]
steps = 10
"""
BRIEFEST = """
points = 12
[schedule]
search_steps = 3
rescue_passes = 0
polish_steps = 1
refine_steps = 1
[search]
candidates = 50
"""
"""For processes that wait for each other after each step."""
BRIEF_NETWORK = """
minutes = 1.0
[validation]
times = 1
frames = 8
side_px = 32
final_frames = 20
sparse_frames = 20
"""
BRIEFER = {
    "train": ["--config", "brief.toml"],
    "train --repeats": ["--config", "brief.toml", "--repeats", "2"],
    "simulate": ["--images", "40"],
    "process": ["--quick", "--points", "24"],
    "frames simulate": ["--frames", "80"],
    "frames train": ["--config", "network.toml", "--minutes", "0.02", "--width", "4"],
    "frames undrift": ["--segment", "100"],
    "tomo simulate": ["--quick", "--tomograms", "2"],
    "tomo train": ["--minutes", "0.02", "--width", "4"],
    "tomo match": ["--angle", "90"],
    "tomo simulate --subtomograms": ["--subtomograms", "6"],
    "tomo classify": ["--epochs", "2"],
    "tomo discover": ["--quick", "--average", "1", "--classes", "1", "--most", "10"],
    "tomo average": ["--iterations", "1", "--control", "4", "--box", "250"],
}
"""Options added so that a test takes seconds."""


def commands(page: str) -> list[str]:
    """The lines of a page's blocks of bash."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


TUTORIALS = ("tutorials/particles", "tutorials/frames", "tutorials/tomography")
GIVEN = ("how-to/special-data", "how-to/many-runs", "how-to/other-programs")
"""Pages for a reader who has data: localisations.csv, new.csv and field.csv."""
BOXES = "how-to/subtomograms"
"""For a reader who has a folder of subtomograms, of which some have a class."""
PAGES = (*TUTORIALS, *GIVEN, BOXES)
LINES = [(page, line) for page in PAGES for line in commands(page)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Path]:
    """An empty folder for each tutorial, but for the settings that make commands brief."""
    if not WHOLE:
        request.getfixturevalue("quick_alignment")
        request.getfixturevalue("quick_drawing")
    made = {page: tmp_path_factory.mktemp(Path(page).name) for page in PAGES}
    for page, folder in made.items():
        (folder / "brief.toml").write_text(BRIEF)
        (folder / "network.toml").write_text(BRIEF_NETWORK)
        if page in GIVEN:
            _give(folder)
        if page == BOXES:
            _give_subtomograms(folder / "subtomograms")
    return made


def _give(folder: Path) -> None:
    """A table of localisations, other ones of the same structure, and a whole field in 3D."""
    sites = np.random.default_rng(2).normal(size=(15, 3)) * (60, 40, 25)
    write_simulation(folder, simulate(sites, 60, generator=torch.Generator().manual_seed(0)))
    (folder / "new.csv").write_bytes((folder / "localisations.csv").read_bytes())
    rng = np.random.default_rng(3)
    turned = Rotation.random(40, rng=rng).as_matrix() @ np.repeat(sites, 4, axis=0).T  # [40, 3, 60]
    corners = np.column_stack([500 * np.stack(np.divmod(np.arange(40), 5), axis=1) + 250, np.zeros(40)])
    particles = (turned + corners[:, :, None]).transpose(0, 2, 1).reshape(-1, 3)
    background = rng.uniform((0, 0, -100), (4000, 2500, 100), size=(300, 3))
    field = np.concatenate([particles + rng.normal(size=particles.shape) * 3, background])
    np.savetxt(folder / "field.csv", field, delimiter=",", header="x [nm],y [nm],z [nm]", comments="")


def _give_subtomograms(folder: Path) -> None:
    """Boxes of two structures and of a third one whose class is not stated, in MRC files, and the table of classes."""
    folder.mkdir()
    rows = ["particle,label"]
    for number, structure in enumerate(("ribosome", "groel", "rubisco")):
        generator = torch.Generator().manual_seed(number)
        rotations = random_rotations(12, generator)
        boxes = simulate_subtomograms(
            read_density(structure), rotations, size=20, voxel=18.0, snr=0.5, generator=generator
        )
        for box, values in enumerate(boxes.numpy()):
            name = f"{structure}_{box + 1}.mrc"
            write_volume(folder / name, values, 18.0)
            rows.append(f"{name},{'' if structure == 'rubisco' else structure}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line}" for page, line in LINES])
def test_the_commands_of_the_tutorials_work_in_their_order(
    reader: dict[str, Path], page: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line.startswith("holly-triton ")
    if "slurm" in line:
        pytest.skip("needs Slurm; --cluster local takes the same way")
    words = shlex.split(line)[1:]
    name = " ".join(words[:2]) if words[0] in ("frames", "tomo") else words[0]
    name += "".join(f" {option}" for option in ("--subtomograms", "--repeats") if option in words)
    briefer = [] if WHOLE or "--resume" in words else BRIEFER.get(name, [])
    monkeypatch.chdir(reader[page])
    monkeypatch.setenv("PYVISTA_OFF_SCREEN", "true")
    monkeypatch.setenv("PYTHONPATH", str(DOCS.parent))  # for the processes of --cluster local
    if not WHOLE and "--model" in words and name in ("frames localise", "process"):
        words[words.index("--model") + 1] = "default"  # what so brief a training finds is too little for what follows
    ran = CliRunner().invoke(main, [*words, *briefer])
    assert ran.exit_code == 0, ran.output
    if not WHOLE and name == "tomo pick":
        shutil.copy("new/truth.star", words[3])


def test_a_folder_of_subtomograms_becomes_classes_and_averages_with_their_fsc(reader: dict[str, Path]) -> None:
    """What the page says is there; its commands are tested before."""
    folder = reader[BOXES]
    with (folder / "classes" / "classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36 and {row["class"] for row in rows} <= {"ribosome", "groel"}
    assert {row["trained_on"] for row in rows if row["label"] == ""} == {"0"}
    with (folder / "found" / "clusters.csv").open() as file:
        assert {"novelty", "resolution_angstrom", "consistent"} <= set(next(csv.DictReader(file)))
    averages = list((folder / "found" / "clusters").glob("*/class_1.mrc"))
    assert averages and all((path.parent / "fsc.csv").is_file() for path in averages)
    assert all((folder / "found" / name).is_file() for name in ("gallery.png", "fsc.png", "embedding.png"))


def test_several_processes_work_as_the_page_has_it(reader: dict[str, Path]) -> None:
    page = (DOCS / "how-to" / "many-runs.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^torchrun .+$", page, flags=re.MULTILINE)
    assert "--nproc-per-node 4" in line
    words = shlex.split(line.replace("--nproc-per-node 4", "--standalone --nproc-per-node 2"))[1:]
    words = ["localisations.csv" if word == "particles.hdf5" else word for word in words]
    (reader["how-to/many-runs"] / "briefest.toml").write_text(BRIEFEST)
    command = [sys.executable, "-m", "torch.distributed.run", *words, "--device", "cpu", "--config", "briefest.toml"]
    environment = {**os.environ, "PYTHONPATH": str(DOCS.parent), "OMP_NUM_THREADS": "1"}
    folder = reader["how-to/many-runs"]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_command_of_every_page_exists_with_its_options() -> None:
    """Mkdocs build --strict checks the links; the commands that how-to pages name are checked here."""
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        for line in re.findall(r"^holly-triton (.+)$", text, flags=re.MULTILINE):
            words = shlex.split(line.partition("#")[0])
            command = main
            while words and hasattr(command, "commands") and words[0] in command.commands:
                command = command.commands[words.pop(0)]
            assert command is not main or words[0].startswith("-"), f"{path}: holly-triton {line}"
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            for option in (word.partition("=")[0] for word in words if word.startswith("--")):
                assert option in known | {"--help"}, f"{path}: {option} in holly-triton {line}"
