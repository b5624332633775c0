"""Scores of candidate poses: every backend against the oracle, the conventions, and what no case of the harness shows."""

import os
from typing import Any

import pytest
import torch
from torch import Tensor

from holly_triton.geometry import orthonormalised, random_rotations
from holly_triton.harness.cases import make_inputs
from holly_triton.harness.compare import compare
from holly_triton.harness.ops.poses import OPERATIONS, PoseCase
from holly_triton.kernels import pose_scores
from holly_triton.kernels.gaussians import poses

SEED = int(os.environ.get("HOLLY_SEED", "0"))
"""Of every random input here. Set it to draw others; a failure names it."""
EDGES = OPERATIONS["pose_scores"].edges("ieee")
FULL = PoseCase("pose_scores", 37, 5, 12, 10, rotations="own", shift="small", weights="signed", localisations=19)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("case", EDGES, ids=str)
@pytest.mark.parametrize("backend", ["separable", "naive"])
def test_a_backend_agrees_with_the_oracle(case: PoseCase, backend: str, dtype: torch.dtype) -> None:
    comparison = compare(case, backend, make_inputs(case, SEED), dtype=dtype)
    assert not comparison.wrong, (SEED, comparison)


def structure(places: Tensor) -> Tensor:
    """A function that linear interpolation between voxels reproduces, without any symmetry: x y z in the unit of length."""
    x, y, z = places.unbind(-1)
    return 1.0 + 0.3 * x - 0.7 * y + 1.1 * z


def drawn(shape: tuple[int, int, int], voxel: float) -> Tensor:
    """The function on a grid, its origin in the middle."""
    axes = [(torch.arange(size).double() - (size - 1) / 2) * voxel for size in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return structure(torch.stack([x, y, z], -1))


@pytest.mark.parametrize("shape", [(20, 20, 20), (21, 24, 19)])
def test_a_localisation_is_turned_back_and_looked_up_about_the_middle_of_the_grid(shape: tuple[int, int, int]) -> None:
    """Places made by the pose from known places of the structure, against the function itself."""
    generator = torch.Generator().manual_seed(SEED)
    voxel, counts = 3.0, [4, 0, 7]
    offsets = torch.tensor([0, *counts]).cumsum(0)
    rotation = orthonormalised(random_rotations(3, generator).double())
    shift = torch.randn(3, 3, generator=generator).double()
    own = (2 * torch.rand(sum(counts), 3, generator=generator).double() - 1) * 8  # inside the grid
    weights = torch.rand(sum(counts), generator=generator).double()
    wanted = torch.stack([part.sum() for part in (weights * structure(own)).split(counts)])
    particle = torch.repeat_interleave(torch.tensor(counts))
    xyz = (rotation[particle] @ own[..., None])[..., 0] + shift[particle]
    found = pose_scores(
        xyz, offsets, rotation[:, None], shift[:, None], drawn(shape, voxel), voxel, weights=weights
    )  # each particle in its own pose
    torch.testing.assert_close(found[:, 0], wanted, rtol=1e-12, atol=1e-12)


def test_the_true_pose_of_a_cloud_scores_best() -> None:
    generator = torch.Generator().manual_seed(SEED)
    points = torch.tensor([[9.0, 0, 0], [0, 6, 0], [0, 0, -8], [-4, -6, 3], [5, 3, 6]])
    axis = (torch.arange(24) - 11.5) * 2
    gx, gy, gz = (torch.exp(-((axis - points[:, k, None]) ** 2) / 18) for k in range(3))
    log_density = (torch.einsum("nz,ny,nx->zyx", gz, gy, gx) + 1e-2).log()
    rotation = random_rotations(400, generator)
    xyz = points.repeat(20, 1) + torch.randn(100, 3, generator=generator)
    true = torch.tensor([3, 250])
    moved = torch.cat([xyz @ rotation[r].T for r in true])
    scores = pose_scores(moved, torch.tensor([0, 100, 200]), rotation, None, log_density, 2.0)
    assert torch.equal(scores.argmax(1), true)


def test_rotations_of_all_particles_are_those_given_to_each() -> None:
    given = make_inputs(PoseCase("pose_scores", 9, 4, 8, 8, shift="small"), SEED).arguments
    own = given | {"rotation": given["rotation"].expand(4, -1, -1, -1)}
    torch.testing.assert_close(pose_scores(**given), pose_scores(**own))


def test_weights_of_0_leave_out_localisations() -> None:
    given = make_inputs(FULL, SEED).arguments
    kept = torch.rand(len(given["xyz"]), generator=torch.Generator().manual_seed(SEED)) < 0.6
    counts = [int(part.sum()) for part in kept.split(given["offsets"].diff().tolist())]
    few = (
        given
        | {name: given[name][kept] for name in ("xyz", "weights")}
        | {"offsets": torch.tensor([0, *counts]).cumsum(0)}
    )
    torch.testing.assert_close(
        pose_scores(**given | {"weights": given["weights"] * kept}), pose_scores(**few), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("held", [1, 40 * poses.LOOK_UP_VALUES * 8])
def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    given = make_inputs(FULL, SEED).arguments
    whole = pose_scores(**given)
    monkeypatch.setattr(poses, "CHUNK_BYTES", held)
    torch.testing.assert_close(pose_scores(**given), whole, rtol=1e-12, atol=1e-12)


def test_small_particles_share_a_chunk_and_a_large_one_is_split() -> None:
    chunks = poses._chunks([5, 120, 5, 0, 6, 30], 10, 500)
    whole = slice(0, 10)
    assert chunks == [([3, 0, 2, 4], whole), ([5], whole), *(([1], slice(k, k + 4)) for k in (0, 4, 8))]
    assert poses._chunks([4, 3], 0, 500) == [] and poses._chunks([], 10, 500) == []


@pytest.mark.parametrize("inference", [False, True])
def test_threads_make_no_difference_and_are_given_back(monkeypatch: pytest.MonkeyPatch, inference: bool) -> None:
    given = make_inputs(FULL, SEED).arguments
    monkeypatch.setattr(poses, "CHUNK_BYTES", 40 * poses.LOOK_UP_VALUES * 8)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            with torch.inference_mode(inference):
                found.append(pose_scores(**given))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


@pytest.mark.parametrize("name", ["xyz", "rotation", "shift"])
def test_a_nan_is_seen_in_its_own_scores_alone(name: str) -> None:
    given: dict[str, Any] = make_inputs(FULL, SEED).to(torch.float32).arguments
    given[name] = given[name].clone()
    bad = torch.zeros(5, 37, dtype=torch.bool)
    if name == "xyz":
        given[name][int(given["offsets"][1])] = torch.nan
        bad[1] = True
    else:
        given[name][2, 7].view(-1)[0] = torch.nan
        bad[2, 7] = True
    assert torch.equal(pose_scores(**given).isnan(), bad)


def test_gradients_are_refused_unless_they_are_switched_off() -> None:
    given = make_inputs(FULL, SEED).arguments
    leaf = given | {"xyz": given["xyz"].clone().requires_grad_()}
    with pytest.raises(ValueError, match="xyz requires a gradient"):
        pose_scores(**leaf)
    with torch.no_grad():
        assert torch.equal(pose_scores(**leaf), pose_scores(**given))
