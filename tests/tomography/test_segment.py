"""The networks, what they are trained to answer, and how they go over a tomogram."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from holly_triton.core.errors import HollyError
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.network import Network, Preset
from holly_triton.tomography.config.training import CLIP, LabelNoise, Loss, Patching, Training
from holly_triton.tomography.segment.clusters import mean_shift
from holly_triton.tomography.segment.layers import Residual, SameConvolution, finer
from holly_triton.tomography.segment.model import Model
from holly_triton.tomography.segment.network import AnyNetwork, build
from holly_triton.tomography.segment.normalise import Normalisation
from holly_triton.tomography.segment.picking import Candidates, find_candidates, smoothed, without_excluded
from holly_triton.tomography.segment.tiles import scores, tiles
from holly_triton.tomography.train.loss import segmentation_loss, tversky_indices
from holly_triton.tomography.train.patches import draw_patches
from holly_triton.tomography.train.scenes import Scene
from holly_triton.tomography.train.shapes import average_shapes
from holly_triton.tomography.train.targets import Targets

PRESETS = pytest.mark.parametrize("preset", ["own", "deepfinder"])
PLAIN = Normalisation(0.0, 1.0)


def network(preset: Preset, classes: int = 3, width: int = 4) -> AnyNetwork:
    """A small network whose every layer contributes."""
    torch.manual_seed(0)
    made = build(Network(preset=preset, width=width), classes)
    for layer in made.modules():
        if isinstance(layer, Residual):
            nn.init.normal_(layer.second.weight, std=0.1)
        if isinstance(layer, SameConvolution) and layer.kernel_size == (1, 1, 1):
            nn.init.normal_(layer.weight, std=0.5)
    return made.eval()


def scene(labels: list[int], centres: list[list[float]], side: int = 24, rotations: object = None) -> Scene:
    values = np.zeros((side, side, side), np.float32)
    turned = None if rotations is None else torch.as_tensor(rotations, dtype=torch.float32)
    places = torch.tensor(centres, dtype=torch.float32).reshape(-1, 3)
    return Scene("t", values, PLAIN, torch.tensor(labels, dtype=torch.int64), places, turned)


def test_deepfinder_has_its_published_parameters() -> None:
    assert sum(weights.numel() for weights in build(Network(preset="deepfinder"), 13).parameters()) == 903_357


def test_our_network_is_a_file_of_at_most_a_megabyte_and_a_half() -> None:
    parameters = sum(weights.numel() for weights in build(Network(), 10).parameters())
    assert 4 * parameters < 1.45e6


def test_an_even_kernel_sees_what_comes_after_as_in_keras() -> None:
    layer = SameConvolution(1, 1, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(8.0).view(1, 1, 2, 2, 2))
        layer.bias.zero_()  # type: ignore[union-attr]
    inputs = torch.rand(1, 1, 3, 4, 5)
    output = layer(inputs)[0, 0]
    assert output.shape == (3, 4, 5)
    box = inputs[0, 0, 1:3, 1:3, 1:3]
    torch.testing.assert_close(output[1, 1, 1], (box * torch.arange(8.0).view(2, 2, 2)).sum())
    torch.testing.assert_close(output[2, 3, 4], inputs[0, 0, 2, 3, 4] * 0)


def test_finer_puts_eight_channels_where_their_voxels_are() -> None:
    place = torch.stack(torch.meshgrid(*(torch.arange(6.0),) * 3, indexing="ij")).sum(0)
    coarse = torch.stack([place[z::2, y::2, x::2] for z in (0, 1) for y in (0, 1) for x in (0, 1)])
    torch.testing.assert_close(finer(coarse[None])[0, 0], place)


@PRESETS
def test_an_answer_depends_on_no_more_than_the_stated_reach(preset: Preset) -> None:
    made = network(preset).double()
    size = 2 * made.reach + 12
    inputs = (1 + 0.1 * torch.randn(1, 1, size, 4, 4, dtype=torch.float64)).requires_grad_()
    output, farthest = made(inputs), 0
    for place in range(made.reach + 4, made.reach + 8):
        (gradient,) = torch.autograd.grad(output[0, :, place].square().sum(), inputs, retain_graph=True)
        seen = gradient.abs().sum((0, 1, 3, 4)).nonzero()[:, 0]
        farthest = max(farthest, place - int(seen.min()), int(seen.max()) - place)
    assert made.reach - 8 < farthest <= made.reach


@PRESETS
@pytest.mark.parametrize("averaged", [False, True], ids=["as it stands", "averaged"])
def test_tiles_leave_no_seam(preset: Preset, averaged: bool, seed: int) -> None:
    made = network(preset)
    values = np.random.default_rng(seed).standard_normal((10, 18, 120 if averaged else 190)).astype(np.float32)

    def whole(side: int) -> torch.Tensor:
        answer = torch.full((3, *values.shape), math.nan)
        for tile, shares in scores(made, values, PLAIN, margin=3, side=side, averaged=averaged):
            answer[(slice(None), *tile.seen)] = shares
        return answer

    once = whole(256)
    assert once.isfinite().all() and float(once[0].std()) > 1e-3
    assert len(tiles(values.shape, 96, made, 3)) > 2
    # Convolutions of other sizes sum in another order.
    torch.testing.assert_close(whole(96), once, atol=2e-5, rtol=0)


def test_the_cores_of_tiles_cover_a_tomogram_once() -> None:
    shape = (9, 50, 133)
    counts = np.zeros(shape, int)
    for tile in tiles(shape, 80, network("own"), 5):
        counts[tile.core] += 1
        assert all(read.start % 4 == 0 and read.stop % 4 == 0 for read in tile.read)
    assert (counts == 1).all()


def test_peaks_do_not_depend_on_the_tiles(seed: int) -> None:
    made = network("own")
    values = np.random.default_rng(seed).standard_normal((12, 40, 130)).astype(np.float32)
    training = Training(steps=1)
    model = Model(made, Network(width=4), ("a", "b"), (30.0, 20.0), 10.0, "dark", "heat", (0.0, 0.0), training, {})
    found = [find_candidates(model, values, PLAIN, np.zeros(2), side=side) for side in (256, 92)]
    ordered = [each.taken(np.lexsort((*each.centres.round(2).T, each.labels))) for each in found]
    assert len(ordered[0].labels) > 20
    np.testing.assert_array_equal(ordered[0].labels, ordered[1].labels)
    np.testing.assert_allclose(ordered[0].centres, ordered[1].centres, atol=0.02)
    np.testing.assert_allclose(ordered[0].scores, ordered[1].scores, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 37.0])
@pytest.mark.parametrize("contrast", ["dark", "bright"])
def test_normalisation_ignores_scale_beads_and_borders(scale: float, contrast: str, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal((40, 40, 40))
    values = (5 + noise).astype(np.float32)
    values[:4] = -100.0  # a black border
    values[10:14, 10:14, 10:14] = -1000.0  # a gold bead
    values *= scale
    normal = Normalisation.of(values, contrast, "t")  # type: ignore[arg-type]
    applied = normal.applied(values).numpy()
    sign = -1 if contrast == "dark" else 1
    np.testing.assert_allclose(applied[20:], sign * noise[20:], atol=0.1)
    assert np.abs(applied).max() == CLIP


def test_a_tomogram_without_contrast_is_refused() -> None:
    with pytest.raises(HollyError, match="same value"):
        Normalisation.of(np.zeros((8, 8, 8), np.float32), "dark", "t.mrc")


def test_heat_has_its_maximum_at_the_particle() -> None:
    targets = Targets("heat", torch.tensor([0.0, 4.0, 5.0]))
    labels, shares = targets.draw(scene([1, 2], [[10.3, 11.6, 9.0], [11.0, 11.0, 18.0]]), (2, 3, 1), 20)
    near = shares[4:13, 4:13, 4:12].double()
    places = torch.stack(torch.meshgrid(*map(torch.arange, near.shape), indexing="ij"), -1) + 4.0
    centre = (near[..., None] * places).sum((0, 1, 2)) / near.sum() + torch.tensor([2.0, 3.0, 1.0])
    torch.testing.assert_close(centre, torch.tensor([10.3, 11.6, 9.0]).double(), atol=0.05, rtol=0)
    assert labels[9, 8, 17] == 2 and float(shares[9, 8, 17]) == 1.0
    assert labels[0, 0, 0] == 0 and shares.max() <= 1


def test_later_spheres_lie_over_earlier_ones() -> None:
    targets = Targets("spheres", torch.tensor([0.0, 4.0, 4.0]))
    labels, shares = targets.draw(scene([1, 2], [[10, 10, 10], [10, 10, 13]]), (0, 0, 0), 24)
    assert labels[10, 10, 12] == 2 and labels[10, 10, 6] == 1
    assert int((labels == 2).sum()) == pytest.approx(4 / 3 * math.pi * 4**3, rel=0.06)
    assert torch.equal(shares, (labels > 0).float())


def test_shapes_turn_with_their_particles() -> None:
    shape = torch.zeros(16, 16, 16)
    shape[8, 8, 8:14] = 1  # from the centre along x
    about_z = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    targets = Targets("shapes", torch.tensor([0.0, 3.0]), {1: shape})
    labels, _ = targets.draw(scene([1], [[12.0, 12.0, 12.0]], rotations=[about_z]), (0, 0, 0), 24)
    assert labels.nonzero().tolist() == [[12, y, 12] for y in range(12, 18)]  # x turned to y
    with pytest.raises(HollyError, match="rotation"):
        targets.draw(scene([1], [[12.0, 12.0, 12.0]]), (0, 0, 0), 24)


def test_an_average_shape_is_that_of_the_particles(seed: int) -> None:
    random = np.random.default_rng(seed)
    turns = np.array([[[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.eye(3), [[1, 0, 0], [0, 0, -1], [0, 1, 0]]])
    base = scene([1] * 3, [[15, 15, 15], [15, 45, 15], [45, 20, 40]], 60, turns)
    values = 0.5 * random.standard_normal((60, 60, 60)).astype(np.float32)
    for middle, turn in zip(base.centres.numpy(), turns, strict=True):
        for along in np.linspace(-6, 6, 25):  # a rod along the reference's x
            z, y, x = np.round(middle + (turn @ [along, 0, 0])[::-1]).astype(int)
            values[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] += 1
    filled = Scene("t", values, PLAIN, base.labels, base.centres, base.rotations)
    mask = average_shapes([filled], [3.0])[1]
    extent = [int(np.ptp(np.flatnonzero(mask.numpy().any(axis=other)))) + 1 for other in ((1, 2), (0, 2), (0, 1))]
    assert extent[2] >= 11 and max(extent[:2]) <= 6
    assert float(mask.sum()) == pytest.approx(4 / 3 * math.pi * 3**3, rel=0.15)


def test_patches_are_balanced_repeatable_and_turned_alike(seed: int) -> None:
    many = scene([1] * 30 + [2], [[12.0, 12.0, 12.0]] * 31)
    targets = Targets("spheres", torch.tensor([0.0, 3.0, 3.0]))
    apart = [Scene("t", many.values, PLAIN, many.labels[part], many.centres[part], None) for part in (slice(30), slice(30, 31))]  # fmt: skip
    settings = Patching(jitter=0.125, background=0.0)
    drawn = [draw_patches(apart, targets, settings, 16, 60, np.random.default_rng(seed)) for _ in range(2)]
    assert torch.equal(drawn[0].labels, drawn[1].labels)
    rare = int((drawn[0].labels == 2).flatten(1).any(1).sum())
    assert 15 < rare < 45  # one particle of thirty-one, half of the patches
    # What is bright in the input must be labelled: the volume itself marks the particle.
    values = np.zeros((24, 24, 24), np.float32)
    values[12:15, 12, 12] = 1.0
    marked = Scene("t", values, PLAIN, torch.tensor([1]), torch.tensor([[13.0, 12.0, 12.0]]), None)
    batch = draw_patches([marked], targets, settings, 16, 40, np.random.default_rng(seed))
    assert (batch.labels[batch.inputs[:, 0] > 0] == 1).all()


def test_half_a_turn_of_a_patch_keeps_the_hand() -> None:
    """A turn by 180 degrees about any axis has determinant 1: it flips two axes."""
    from holly_triton.tomography.train.patches import TURNS

    assert sorted(map(len, TURNS)) == [0, 2, 2, 2] and len({*TURNS}) == 4


def test_patches_of_a_tomogram_thinner_than_they_are_hold_all_of_it() -> None:
    values = np.ones((6, 24, 24), np.float32)
    thin = Scene("t", values, PLAIN, torch.tensor([1]), torch.tensor([[3.0, 12.0, 12.0]]), None)
    batch = draw_patches([thin], Targets("heat", torch.tensor([0.0, 3.0])), Patching(), 16, 3, np.random.default_rng(0))
    assert (batch.inputs.sum((1, 3, 4)).sum(1) == 6 * 16 * 16).all() and batch.shares.max() > 0.9


def test_label_noise_is_as_stated(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    clean = scene([1, 2] * 2000, [[12.0, 12.0, 12.0]] * 4000)
    noisy = clean.mislabelled(LabelNoise(shift_a=20.0, swapped=0.3, missing=0.25), 10.0, 3, generator)
    assert len(noisy.labels) == pytest.approx(3000, abs=120)
    assert float((noisy.centres - 12).std()) == pytest.approx(2.0, rel=0.05)
    assert clean.mislabelled(LabelNoise(), 10.0, 3, generator).labels.equal(clean.labels)


def test_particles_outside_of_a_tomogram_are_an_error() -> None:
    truth = ParticleList.of("a", [[50.0, 50.0, 500.0]])
    with pytest.raises(HollyError, match="1 of its 1 particles"):
        Scene.of("t", np.random.default_rng(0).random((10, 10, 10), np.float32), 10.0, truth, ("a",), "dark")


def test_the_tversky_index_by_hand() -> None:
    settings = Loss(alpha=0.3, beta=0.7, epsilon=1e-9)
    predicted = torch.tensor([[0.8, 0.4], [0.2, 0.6]]).view(1, 2, 1, 1, 2)  # background and one class in two voxels
    labels, shares = torch.tensor([0, 1]).view(1, 1, 1, 2), torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    indices = tversky_indices(predicted, labels, shares, settings)
    expected = [0.8 / (0.8 + 0.3 * 0.4 + 0.7 * 0.2), 0.6 / (0.6 + 0.3 * 0.2 + 0.7 * 0.4)]
    torch.testing.assert_close(indices, torch.tensor(expected))


def test_the_tversky_index_of_heat_is_1_where_it_is_met() -> None:
    shares = torch.rand(1, 4, 4, 4)
    predicted = torch.stack([1 - shares, shares], dim=1)
    indices = tversky_indices(predicted, torch.ones(1, 4, 4, 4, dtype=torch.int64), shares, Loss())
    torch.testing.assert_close(indices, torch.ones(2))


def test_a_class_that_a_batch_lacks_has_a_small_gradient() -> None:
    logits = torch.zeros(1, 3, 4, 4, 4, requires_grad=True)
    labels = torch.ones(1, 4, 4, 4, dtype=torch.int64)
    segmentation_loss(
        logits - 20 * torch.eye(3)[2].view(1, 3, 1, 1, 1), labels, labels.float(), Loss()
    ).total.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None and bool(logits.grad.isfinite().all())
    assert float(logits.grad[:, 2].abs().sum()) < 1e-5


def test_smoothing_keeps_the_sum_and_the_centre() -> None:
    volume = torch.zeros(21, 22, 23)
    volume[10, 9, 8] = 1.0
    smooth = smoothed(volume, 1.5)
    assert float(smooth.sum()) == pytest.approx(1.0, abs=1e-5)
    assert np.unravel_index(int(smooth.argmax()), volume.shape) == (10, 9, 8)


def test_of_two_candidates_too_near_the_higher_one_is_kept() -> None:
    found = Candidates(np.array([1, 2, 1]), np.array([[5.0, 5, 5], [5, 5, 7], [5, 5, 30]]), np.array([0.4, 0.9, 0.2]))
    kept = without_excluded(found, np.array([4.0, 4.0]))
    assert kept.labels.tolist() == [2, 1] and kept.scores.tolist() == [0.9, 0.2]


def test_mean_shift_finds_the_particles_of_a_label_volume() -> None:
    pytest.importorskip("sklearn")
    grid = np.stack(np.meshgrid(*(np.arange(30),) * 3, indexing="ij"), -1)
    labels = np.zeros((30, 30, 30), np.uint8)
    for label, place in ((1, (8, 8, 8)), (2, (20, 21, 9))):
        labels[((grid - place) ** 2).sum(-1) <= 16] = label
    found = mean_shift(labels, np.array([4.0, 4.0]))
    order = np.argsort(found.labels)
    np.testing.assert_allclose(found.centres[order], [(8, 8, 8), (20, 21, 9)], atol=0.2)
    np.testing.assert_allclose(found.scores, 1.0, atol=0.1)
    assert len(mean_shift(np.zeros((5, 5, 5), np.uint8), np.array([4.0])).labels) == 0


def test_settings_that_contradict_each_other_are_refused() -> None:
    for wrong in (dict[str, object](), {"steps": 1, "minutes": 1.0}, {"steps": 1, "patches": Patching(side=30)}):
        with pytest.raises(HollyError):
            Training(**wrong)  # type: ignore[arg-type]
