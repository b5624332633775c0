"""The model that ships picks the shipped structures, and is small."""

from pathlib import Path

import numpy as np
import torch

from holly_triton.tomography.config.simulation import TomogramSettings
from holly_triton.tomography.score.evaluate import evaluate
from holly_triton.tomography.segment.model import DEFAULT, SHIPPED, model_path, read_model
from holly_triton.tomography.segment.normalise import Normalisation
from holly_triton.tomography.segment.picking import pick
from holly_triton.tomography.simulate.tomogram import simulate_tomogram


def test_the_shipped_model_is_a_small_file() -> None:
    assert SHIPPED.stat().st_size <= 1.5e6
    assert model_path(DEFAULT) == SHIPPED and model_path(Path("net.pt")) == Path("net.pt")


def test_the_shipped_model_picks_the_shipped_structures() -> None:
    model = read_model(SHIPPED)
    settings = TomogramSettings(size_x=88, size_y=88, size_z=56, particles=4, membranes=1, voxel_size=model.voxel)
    assert set(model.classes) == set(settings.structures.split(","))
    made = simulate_tomogram(settings, torch.Generator().manual_seed(11))
    values = made.volume.numpy()
    found = pick(model, values, Normalisation.of(values, "dark", "t"))
    score = evaluate(found, made.truth)
    assert score.blind.f1 > 0.9 and score.macro["f1"] > 0.8
    assert np.median(score.overall.distance) < 0.5 * model.voxel
