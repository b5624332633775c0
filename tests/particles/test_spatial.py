"""3D localisations: the likelihood against its definition, the structure and poses that come of it, and going on with a run."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.geometry import turned
from holly_triton.kernels import pose_scores
from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations
from holly_triton.particles.data.grouping import localisations_from_rows
from holly_triton.particles.run.trainers import make_spatial_trainer, settled
from holly_triton.particles.simulate import Precision, simulate
from holly_triton.particles.spatial import poses
from holly_triton.particles.spatial.config import PoseEffort, Spatial
from holly_triton.particles.spatial.density import look_up
from holly_triton.particles.spatial.mixture import (
    Model,
    Padded,
    Weighed,
    background_share,
    climb,
    expected,
    log_likelihood,
)
from holly_triton.particles.spatial.particles import Particles
from holly_triton.particles.spatial.state import SpatialState
from holly_triton.particles.spatial.train import SpatialTrainer
from holly_triton.validation.alignment import align
from holly_triton.validation.pose_error import find_pose_error

SITES = np.array([[0, 0, 0], [60, 0, 0], [0, 40, 0], [0, 0, 30], [60, 40, 10], [-20, 15, 45]], dtype=float)
"""A structure without symmetry, and unlike its mirror image."""
SITES -= SITES.mean(axis=0)
EFFORT = PoseEffort(candidates=200, few=20, near=8)
BRIEF = Spatial(steps=50, batch=20, search=EFFORT, last=dataclasses.replace(EFFORT, climbs=3, rounds=3))


def some_poses(generator: torch.Generator) -> tuple[Padded, Weighed]:
    """Localisations of three particles, of unequal numbers and precisions, in five weighed poses."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    seed = int(torch.randint(1 << 30, (), generator=generator))
    mask = (torch.rand(3, 11, generator=generator) > 0.3).double()
    data = Padded(normal(3, 11, 3) * 30, 1 + normal(3, 11, 3).square() * 40, mask)
    turns = torch.from_numpy(Rotation.random(5, random_state=seed).as_matrix())
    weight = torch.rand(5, generator=generator, dtype=torch.float64)
    return data, Weighed(torch.tensor([0, 1, 1, 2, 2]), turns, normal(5, 3) * 5, weight)


def dense(points: Tensor, blur: Tensor, share: Tensor, spread: Tensor, data: Padded, poses: Weighed) -> Tensor:
    """The formula of ``mixture``, as it stands, with the covariances of all localisations turned into the cloud's frame."""
    turn = poses.rotation[:, None]
    there = ((data.xyz[poses.particle] - poses.shift[:, None])[..., None, :] @ turn)[..., 0, :]
    covariance = turn.mT @ torch.diag_embed(data.variance[poses.particle] + blur) @ turn
    gaussians = torch.distributions.MultivariateNormal(points, covariance[:, :, None])
    mixed = gaussians.log_prob(there[:, :, None]).logsumexp(-1) - math.log(len(points))
    wide = torch.distributions.MultivariateNormal(torch.zeros(3).double(), spread * torch.eye(3).double())
    density = torch.logaddexp((1 - share).log() + mixed, share.log() + wide.log_prob(there))
    return (density * data.mask[poses.particle]).sum(-1)


@pytest.mark.parametrize(
    ("angles", "kept", "wanted"),
    [
        ((0.0, 0.01, 0.02, 0.03), 3, [5, 4, 3]),
        ((0.0, 0.01, 2.0, 2.01), 3, [5, 3, 4]),
        ((0.0, 0.01, 2.0, 2.01), 4, [5, 3, 4, 2]),
        ((0.0, 1.0, 2.0, 3.0), 2, [5, 4]),
    ],
    ids=["all-near", "two-places", "all-of-two-places", "all-apart"],
)
def test_where_all_candidates_are_near_a_chosen_one_the_next_best_is_kept(
    angles: tuple[float, ...], kept: int, wanted: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pose is kept twice."""
    rotation = torch.from_numpy(Rotation.from_rotvec([(0, 0, angle) for angle in angles]).as_matrix())
    monkeypatch.setattr(poses, "looked_up", lambda *_: torch.tensor([[5.0, 4.0, 3.0, 2.0]]))
    found = poses.anywhere([], rotation, [], kept, 0.5, torch.eye(3)[None].double())
    assert found.score.tolist() == [wanted]


@pytest.mark.parametrize("further", [0.0, 70.0, -15.0], ids=["same blur along z", "more", "less"])
def test_the_likelihood_and_its_gradient_are_those_of_covariances_turned_into_the_clouds_frame(
    further: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    data, poses = some_poses(generator)
    points = (torch.randn(7, 3, generator=generator).double() * 30).requires_grad_()
    log_blur = torch.tensor(1.5).double().requires_grad_()
    along = torch.tensor(further).double().requires_grad_()
    logit = torch.tensor(-1.0).double().requires_grad_()
    spread = torch.tensor(900.0).double()
    blur = (2 * log_blur).exp() + torch.stack([0 * along, 0 * along, along])
    each = dense(points, blur, logit.sigmoid(), spread, data, poses)
    gradients = torch.autograd.grad((each * poses.weight).sum(), (points, log_blur, logit, along))
    with torch.no_grad():
        variance = (2 * log_blur).exp()
        model = Model(points, variance, logit.sigmoid(), spread, further=along if further else None)
        torch.testing.assert_close(log_likelihood(model, data, poses), each)
        found = expected(model, data, poses)
        axial = found.log_axial / (2 * variance)
        torch.testing.assert_close((found.points, found.log_blur, found.share, axial), gradients)
        everything = found.background + found.load.sum()
        torch.testing.assert_close(everything, (data.mask[poses.particle] * poses.weight[:, None]).sum())
        torch.testing.assert_close(
            found.background,
            (background_share(model, data, poses) * data.mask[poses.particle] * poses.weight[:, None]).sum(),
        )


def test_climbing_leads_to_the_maximum_of_the_likelihood(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    data, poses = some_poses(generator)
    points = torch.from_numpy(SITES)
    model = Model(points, torch.tensor(9.0).double(), torch.tensor(0.1).double(), torch.tensor(900.0).double())
    turn = torch.from_numpy(Rotation.random(3, random_state=seed).as_matrix())
    xyz = (points @ turn.mT + torch.randn(3, 6, 3, generator=generator).double() * 3).repeat(1, 2, 1)[:, :11]
    data = data._replace(xyz=xyz, mask=torch.ones_like(data.mask))
    near = turned(turn, 0.1 * torch.randn(3, 3, generator=generator).double())
    shift = 4 * torch.randn(3, 3, generator=generator).double()
    pairs = Weighed(torch.arange(3), near, shift, torch.ones(3).double())
    before = log_likelihood(model, data, pairs)
    for _ in range(40):
        spin, move, *_ = climb(model, data, pairs)
        pairs = pairs._replace(rotation=turned(pairs.rotation, spin), shift=pairs.shift + move)
    assert (log_likelihood(model, data, pairs) > before).all()
    spin, move = torch.zeros(3, 3).double().requires_grad_(), torch.zeros(3, 3).double().requires_grad_()
    moved = pairs._replace(rotation=turned(pairs.rotation, spin), shift=pairs.shift + move)
    slopes = torch.autograd.grad(dense(points, *model[1:4], data, moved).sum(), (spin, move))
    # At the maximum nothing is left to gain; where the steps began a turn had a slope of hundreds.
    assert float(slopes[0].abs().max()) < 1.0 and float(slopes[1].abs().max()) < 0.05


def test_looking_up_is_the_exact_likelihood_where_precision_is_the_same_along_every_axis(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    model = Model(torch.from_numpy(SITES).float(), torch.tensor(30.0), torch.tensor(0.1), torch.tensor(900.0))
    xyz = torch.randn(1, 40, 3, generator=generator) * 25
    turn = torch.from_numpy(Rotation.random(9, random_state=seed).as_matrix()).float()
    shift = torch.randn(9, 3, generator=generator) * 5
    (grid,) = look_up(model, 6.0, half_nm=120.0, voxel_nm=1.5)
    looked_up = pose_scores(xyz[0], torch.tensor([0, 40]), turn[None], shift[None], *grid)[0]
    data = Padded(xyz, torch.full((1, 40, 3), 6.0), torch.ones(1, 40))
    same = log_likelihood(model, data, Weighed(torch.zeros(9).long(), turn, shift, torch.ones(9)))
    # Interpolation between voxels of a quarter of the points' sigma: 0.01 for each of 40 localisations.
    torch.testing.assert_close(looked_up, same, atol=0.4, rtol=0)


def made(particles: int = 60, seed: int = 0, **options: object) -> Localisations:
    """Particles of the structure with most of their sites, each seen several times; the precision along z is the worse."""
    settings = {"missing": 0.1, "max_spawn": 4, "spawn_rate": 0.8, "precision": Precision(2.0, 6.0), "shift_nm": 5.0}
    simulation = simulate(
        SITES,
        particles,
        dimensions=3,
        generator=torch.Generator().manual_seed(seed),
        **{**settings, **options},  # type: ignore[arg-type]
    )
    return simulation.localisations


def test_structure_handedness_and_poses_are_found() -> None:
    simulation = simulate(
        SITES, 60, max_spawn=4, spawn_rate=0.8, precision=Precision(2.0, 6.0), shift_nm=5.0, dimensions=3,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    data = simulation.localisations
    trainer = trained(data, Config(points=12, spatial=BRIEF))
    cloud = trainer.state.points.numpy()
    right, mirrored = (align(cloud * [1, 1, z], SITES, handed=True).figures(1.0)["rmsd"] for z in (1, -1))
    assert right < 3.0 < mirrored
    poses = trainer.poses
    error = find_pose_error(
        poses.rotation.numpy(), poses.shift.numpy() + data.centres.numpy(), simulation.rotation.numpy(), simulation.shift.numpy()
    )  # fmt: skip
    assert np.mean(error.angle_deg < 10) >= 0.95 and np.median(error.shift_nm) < 3.0
    assert not error.mirrored
    assert float(poses.entropy.median()) < 0.1  # without a symmetry one orientation alone explains a particle
    chosen, unexplained, _ = trainer.search(Particles.of(made(20, seed=5, missing=0.0)))
    # Particles of the same kind fit as well: within a third of a nat of those that the structure was made from.
    assert float((chosen.loss.log() - poses.loss.log().mean()).mean().abs()) < 0.33
    assert float(unexplained.mean()) < 0.1


def trained(data: Localisations, config: Config) -> SpatialTrainer:
    trainer = make_spatial_trainer(dataclasses.replace(config, device="cpu"), data)
    for _ in trainer.run():
        pass
    return trainer


def test_the_precision_of_each_axis_is_taken_into_account() -> None:
    """Points are where the sites are although localisations scatter three times as far along the microscope's z."""
    data = made(60, precision=Precision(2.0, 12.0), missing=0.0)
    known = trained(data, Config(points=6, spatial=BRIEF))
    unknown = trained(dataclasses.replace(data, precision=None, precision_z=None), Config(points=6, spatial=BRIEF))
    assert known.state.blur_nm() < 3.5 and known.state.axial_blur_nm() == known.state.blur_nm()
    # With one number for all axes it comes to 6.3 nm, and after so few steps neither has reached its value.
    assert 3.5 < unknown.state.blur_nm() < 5.2 and 8.0 < unknown.state.axial_blur_nm() < 14.0
    alike = trained(made(60, precision=None, scatter_nm=3.0), Config(points=6, spatial=BRIEF))
    assert alike.state.axial_blur_nm() == pytest.approx(alike.state.blur_nm(), rel=0.25)
    assert not known.particles.notes and "localisation precision" in unknown.particles.notes[0]
    no_axial = Particles.of(dataclasses.replace(data, precision_z=None))
    assert "along z" in no_axial.notes[0]
    assert torch.equal(no_axial.variance[:, 2], no_axial.variance[:, 0])


def test_a_run_goes_on_from_its_state_as_if_it_had_not_been_stopped() -> None:
    data = dataclasses.replace(made(30), precision_z=None)  # so that the blur along z is fitted
    config = Config(points=8, device="cpu", spatial=dataclasses.replace(BRIEF, steps=6, batch=10))
    whole = trained(data, config)
    half = make_spatial_trainer(config, data)
    for progress in half.run():
        if progress.step == 4:
            break
    payload = half.state.payload()
    again = make_spatial_trainer(config, data, SpatialState.from_payload(payload))
    for _ in again.run():
        pass
    for name in ("points", "log_blur", "log_axial", "background", "rotations", "shifts", "scores", "loss", "entropy"):
        assert torch.equal(getattr(whole.state, name), getattr(again.state, name)), name
    with pytest.raises(HollyError, match="30"):
        make_spatial_trainer(config, made(20), again.state)
    with pytest.raises(ValueError, match="rotations"):
        SpatialState.from_payload({**payload, "rotations": 2 * payload["rotations"]})


def test_localisations_are_drawn_at_random_where_there_are_more_than_are_used() -> None:
    data = made(5)
    particles = Particles.of(data)
    batch = particles.batch(torch.tensor([3, 1]), 7, torch.Generator().manual_seed(1))
    assert batch.padded.xyz.shape == (2, 7, 3) and batch.ragged[0].offsets.tolist() == [0, 7, 14]
    own = {tuple(row) for row in particles.xyz[particles.offsets[3] : particles.offsets[4]].tolist()}
    assert {tuple(row) for row in batch.padded.xyz[0].tolist()} <= own and len(own) > 7
    whole = particles.batch(torch.arange(5), 1000, torch.Generator())
    assert torch.equal(whole.ragged[0].xyz, particles.xyz) and torch.equal(whole.ragged[0].offsets, particles.offsets)


def _with_z(z: str, precision_z: float = 6.0) -> Localisations:
    """Particles whose z is kept, or of another kind; where it is constant, the reader leaves it out."""
    data = made(20, precision=Precision(2.0, precision_z))
    heights = {"as it is": data.xyz[:, 2], "um": data.xyz[:, 2] / 1000, "none": torch.zeros(len(data.xyz))}[z]
    xyz = torch.column_stack([data.xyz[:, :2], heights]).numpy()
    counts = data.counts.numpy()
    return localisations_from_rows(xyz, counts, data.names, source="test", precision_z=np.full(len(xyz), precision_z))


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (_with_z("as it is"), ""),
        (_with_z("none"), "no z, or the same one"),
        (_with_z("um"), "another unit"),
        (_with_z("as it is", precision_z=80.0), "precision along z"),
    ],
    ids=["z of use", "z constant", "z in um", "z of poor precision"],
)
def test_localisations_are_taken_as_3d_where_their_z_is_of_use(data: Localisations, wrong: str) -> None:
    assert settled(Config(data="d"), data).dimensions == (2 if wrong else 3)
    if wrong:
        with pytest.raises(HollyError, match=wrong):
            settled(Config(data="d", dimensions=3), data)


@pytest.mark.parametrize("options", [{"pose": "amortised"}, {"tilt": 0.0}, {"axis": "x"}, {"prune": True}])
def test_options_for_pictures_choose_pictures_and_are_refused_beside_3d(options: dict[str, object]) -> None:
    data = made(10)
    assert settled(Config(data="d", **options), data).dimensions == 2  # type: ignore[arg-type]
    with pytest.raises(HollyError, match="--dimensions 3"):
        settled(Config(data="d", dimensions=3, **options), data)  # type: ignore[arg-type]


def test_a_particle_whose_weights_are_all_small_keeps_its_largest() -> None:
    weight = torch.tensor([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(poses.counting(weight, 0.25), torch.tensor([[0.625, 0.375, 0], [1, 0, 0]]).double())
    assert poses.counting(weight, 1.0).tolist() == [[1, 0, 0], [1, 0, 0]]
    nodes = torch.tensor([[[0.3, 0.2], [0.4, 0.1]]])  # poses and amplitudes
    assert poses.counting(nodes, 0.8).tolist() == [[[0, 0], [1, 0]]]
