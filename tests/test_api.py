"""The examples of the Python interface do what they say."""

import csv
import dataclasses
import doctest
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import holly_triton
from holly_triton import Config, Reconstruction, api, reconstruct, simulate
from holly_triton.frames import api as frames_api
from holly_triton.tomography import api as tomography_api


@pytest.mark.parametrize(
    ("module", "fewest"), [(api, 12), (frames_api, 10), (tomography_api, 9)], ids=["particles", "frames", "tomography"]
)
def test_the_examples_hold(module, fewest):
    found = doctest.testmod(module)
    assert found.attempted >= fewest
    assert found.failed == 0


def test_the_page_of_the_reference_has_every_public_name() -> None:
    page = (Path(__file__).parents[1] / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    lacking = [name for name in holly_triton.__all__ if f".{name}\n" not in page and f"`{name}`" not in page]
    assert lacking == []


@pytest.fixture(scope="module", params=[2, 3])
def found(request: pytest.FixtureRequest) -> Reconstruction:
    """A brief reconstruction from pictures, and one from 3D localisations."""
    sites = np.random.default_rng(5).normal(size=(12, 3)) * (60, 40, 25)
    made = simulate(sites, 40, dimensions=request.param, shift_nm=20.0, generator=torch.Generator().manual_seed(0))
    brief = Config(device="cpu", points=12, choose_points=False).quick()
    brief = dataclasses.replace(brief, schedule=dataclasses.replace(brief.schedule, search_steps=5, polish_steps=2))
    brief = dataclasses.replace(brief, spatial=dataclasses.replace(brief.spatial, steps=5))
    return reconstruct(made.localisations, brief)


def test_the_mirrored_pose_puts_mirrored_points_onto_mirrored_positions(found: Reconstruction) -> None:
    def placed(one: Reconstruction) -> np.ndarray:
        turned = np.einsum("pij,nj->pni", one.rotation, one.points)
        return turned[..., : one.shift.shape[1]] + one.shift[:, None]

    dimensions = found.shift.shape[1]
    assert np.abs(found.shift[:, -1]).max() > 1
    # float32 of positions of some 100 nm
    np.testing.assert_allclose(placed(found.mirror()), placed(found) * [1, 1, -1][:dimensions], atol=1e-3)
    assert np.linalg.det(found.mirror().rotation) == pytest.approx(1.0, abs=1e-4)


def test_what_is_saved_has_the_columns_that_train_writes(found: Reconstruction, tmp_path: Path) -> None:
    folder, in_space = found.save(tmp_path / "run"), found.shift.shape[1] == 3
    with (folder / "poses.csv").open() as file:
        columns = next(csv.reader(file))
    known = ["tz_nm", "sigma_nm", "loss", "entropy"] if in_space else ["sigma_nm", "loss"]
    assert columns == ["picture", "rx", "ry", "rz", "tx_nm", "ty_nm", *known]
    assert json.loads((folder / "metrics.json").read_text())["dimensions"] == found.shift.shape[1]
