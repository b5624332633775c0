"""The README's commands, as they stand there; the long ones made brief by options that they have for it."""

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

from holly_triton.cli import main
from holly_triton.io.clouds import write_cloud
from holly_triton.particles.simulate import simulate, write_simulation

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BRIEF = """
checkpoint_every = 5
[schedule]
search_steps = 20
rescue_passes = 0
polish_steps = 4
refine_steps = 2
[search]
candidates = 100
"""
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
    "simulate": ["--images", "20"],
    "bench": ["--images", "2", "--size", "32", "--backend", "separable"],
    "frames demo": ["--quick"],
    "frames simulate": ["--frames", "80"],
    "frames train": ["--config", "network.toml", "--minutes", "0.02", "--width", "4"],
    "tomo simulate": ["--quick", "--tomograms", "2"],
    "tomo train": ["--minutes", "0.02", "--width", "4"],
    "tomo match": ["--angle", "90"],
    "tomo simulate --subtomograms": ["--subtomograms", "6"],
    "tomo classify": ["--epochs", "2"],
    "tomo discover": ["--quick", "--average", "1", "--classes", "1", "--most", "10"],
    "tomo average": ["--iterations", "1", "--control", "4", "--box", "250"],
}
"""Options added so that a test takes seconds."""


def said(pattern: str) -> list[str]:
    """Code of the README that starts with a pattern, in order, each once: indented blocks and words in backticks."""
    blocks = re.findall(r"^    (.+)$", README, flags=re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^    .+$", "", README, flags=re.MULTILINE).replace("\n", " "))
    return [code for code in dict.fromkeys(blocks + inline) if re.match(pattern, code)]


def command_lines() -> list[str]:
    """Every ``holly-triton`` command with arguments."""
    parts = [part.strip() for code in said(r".*holly-triton ") for part in code.split("&&")]
    return list(dict.fromkeys(part for part in parts if part.startswith("holly-triton ")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has: a table of localisations, the cloud that it came from."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "brief.toml").write_text(BRIEF)
    (folder / "network.toml").write_text(BRIEF_NETWORK)
    sites = np.random.default_rng(2).normal(size=(15, 3)) * (60, 40, 25)
    write_cloud(folder / "cloud.obj", sites)
    write_cloud(folder / "cloud.ply", sites)
    write_simulation(folder, simulate(sites, 60, generator=torch.Generator().manual_seed(0)))
    (folder / "new.csv").write_bytes((folder / "localisations.csv").read_bytes())
    write_field(folder / "field.csv", sites)
    return folder


def write_field(path: Path, sites: np.ndarray) -> None:
    """Forty particles, each from its own side, in a field of 4 by 2.5 um with a background, as a microscope sees them."""
    rng = np.random.default_rng(3)
    seen = simulate(sites, 40, max_spawn=4, generator=torch.Generator().manual_seed(1)).localisations
    corners = 500 * np.stack(np.divmod(np.arange(40), 5), axis=1) + 250
    particles = seen.xyz.numpy() + np.repeat(corners, seen.counts.numpy(), axis=0)
    background = rng.uniform(0, (4000, 2500), size=(300, 2))
    np.savetxt(path, np.concatenate([particles, background]), delimiter=",", header="x [nm],y [nm]", comments="")


@pytest.mark.parametrize("line", command_lines())
def test_the_commands_work_in_the_order_they_are_told(folder: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "cuda" in line and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    if "reproduce" in line:
        pytest.skip("takes an hour; test_reproduce.py runs it on small clouds")
    if "frames" not in line and "demo" in line:
        pytest.skip(
            "takes a minute; .ci/run gives demo --quick to the wheel without extras, and test_demo.py runs that of tomo"
        )
    words = shlex.split(line)[1:]
    name = " ".join(words[:2]) if words[0] in ("frames", "tomo") else words[0]
    name += " --subtomograms" if "--subtomograms" in words else ""
    briefer = [] if "--resume" in words else BRIEFER.get(name, [])
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYVISTA_OFF_SCREEN", "true")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the processes of --cluster local
    ran = CliRunner().invoke(main, [*words, *briefer])
    assert ran.exit_code == 0, ran.output
    if name == "frames localise":  # what so brief a training finds is too little for what follows
        ran = CliRunner().invoke(main, [*words, "--model", "default", "--overwrite"])
        assert ran.exit_code == 0, ran.output
    if name == "tomo pick":
        shutil.copy("new/truth.star", words[3])


@pytest.mark.parametrize("line", said("torchrun"))
def test_several_processes_work_as_told(folder: Path, line: str) -> None:
    assert "--nproc-per-node 4" in line
    words = shlex.split(line.replace("--nproc-per-node 4", "--standalone --nproc-per-node 2"))[1:]
    command = [sys.executable, "-m", "torch.distributed.run", *words, "--device", "cpu", *BRIEFER["train"]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_test_command_is_what_the_continuous_check_runs() -> None:
    install, test = next(line for line in said("pip install") if "pytest" in line).split(" && ")
    check = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert install.replace("pip install", "pip install --quiet") in check
    assert test in check


@pytest.mark.parametrize("line", said("from holly_triton|import holly_triton"))
def test_the_imports_work(line: str) -> None:
    exec(compile(line, "README.md", "exec"), {})


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)]+)\)", README))
def test_the_links_lead_somewhere(path: str) -> None:
    assert path.startswith("http") or (ROOT / path).is_file()
