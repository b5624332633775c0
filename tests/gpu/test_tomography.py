"""Networks over tomograms on a GPU: the same answers as on a CPU within bfloat16, and a training that resumes on it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from holly_triton.core.config import write_config
from holly_triton.tomography.config.network import Network, Preset
from holly_triton.tomography.config.simulation import SimulationSettings, TomogramSettings
from holly_triton.tomography.config.training import Patching, Renewal, Training
from holly_triton.tomography.segment.model import read_model
from holly_triton.tomography.segment.network import build
from holly_triton.tomography.segment.normalise import Normalisation
from holly_triton.tomography.segment.tiles import scores
from holly_triton.tomography.train import carry_out, resume_run, start_run


@pytest.mark.parametrize("preset", ["own", "deepfinder"])
def test_a_gpu_answers_as_a_cpu_does(preset: Preset) -> None:
    torch.manual_seed(0)
    network = build(Network(preset=preset), 5).eval()
    values = np.random.default_rng(0).standard_normal((40, 60, 70)).astype(np.float32)
    answers = []
    for device in ("cpu", "cuda"):
        network.to(device)
        (answer,) = scores(network, values, Normalisation(0.0, 1.0), averaged=True)
        answers.append(answer.shares.cpu())
    torch.testing.assert_close(answers[1], answers[0], atol=0.02, rtol=0)


def test_a_training_on_a_gpu_stops_and_goes_on(tmp_path: Path) -> None:
    simulation = TomogramSettings(structures="sphere:3,disc:3", size_x=48, size_y=48, size_z=32, voxel_size=20.0, membranes=0, path="whole", snr=1.0)  # fmt: skip
    write_config(tmp_path / "simulation.toml", SimulationSettings(tomogram=simulation))
    settings = Training(
        data=str(tmp_path / "simulation.toml"), steps=6, batch=4, device="cuda", patches=Patching(side=32),
        renewal=Renewal(first=1, validation=1),
    )  # fmt: skip
    losses: list[float] = []
    run = start_run(tmp_path / "net.pt", settings)
    carry_out(run, lambda step: losses.append(float(step.figures["loss"])), lambda: len(losses) == 3)
    carry_out(resume_run(tmp_path / "net.pt"), lambda step: losses.append(float(step.figures["loss"])), lambda: False)
    assert len(losses) == 6 and np.isfinite(losses).all()
    model = read_model(tmp_path / "net.pt", torch.device("cuda"))
    assert next(model.network.parameters()).is_cuda
