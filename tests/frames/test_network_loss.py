"""The losses, and the detections in outputs that are known: what is labelled is found again, axis by axis."""

import math

import pytest
import torch
from torch import Tensor

from holly_triton.frames.config.training import Loss
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.localise.peaks import mixture_detections
from holly_triton.frames.loss import Labels, labels_of, mixture_loss
from holly_triton.frames.network.outputs import Scales, log_photons
from holly_triton.frames.phasor import phasor_detections, phasor_label, phasor_loss

SCALES = Scales(100.0, 50.0, 700.0)
SHAPE = (20, 28)
ROUGH = torch.tensor([40.0, 60.0])
BACKGROUND = torch.tensor([50.0, 45.0])[:, None, None].expand(2, *SHAPE)


def emitters() -> Emitters:
    """Seven, in two frames, of which one is outside and one too dim."""
    xyz = [
        [312, 1204, -250],
        [2350, 480, 600],
        [1011, 999, 0],
        [-40, 300, 0],
        [700, 1500, -640],
        [1950, 1810, 333],
        [505, 505, 9],
    ]
    photons = torch.tensor([900.0, 4000, 12000, 5000, 20000, 2500, 20])
    return Emitters(torch.tensor(xyz, dtype=torch.float32), photons, torch.tensor([0, 4, 7]))


def labels() -> Labels:
    return labels_of(emitters(), ROUGH, SCALES, SHAPE, fewest_photons=100.0)


def sought() -> Emitters:
    every = emitters()
    return every.take((every.xyz[:, 0] >= 0) & (every.photons >= 100))


def perfect(truth: Emitters) -> Tensor:
    """Outputs that a perfect network gives, sure to 0.1 pixels."""
    output = torch.zeros(2, 10, *SHAPE)
    output[:, 0], output[:, 5:9], output[:, 9] = -12, 0.1, BACKGROUND / ROUGH[:, None, None]
    frame, cell = truth.frame(), (truth.xyz[:, :2] / 100).long()
    output[frame, 0, cell[:, 1], cell[:, 0]] = 12
    output[frame, 1:3, cell[:, 1], cell[:, 0]] = truth.xyz[:, :2] / 100 - cell - 0.5
    output[frame, 3, cell[:, 1], cell[:, 0]] = (truth.xyz[:, 2] - 50) / 700
    output[frame, 4, cell[:, 1], cell[:, 0]] = log_photons(truth.photons, ROUGH[frame])
    return output


def loss(output: Tensor, settings: Loss | None = None) -> float:
    return float(mixture_loss(output, labels(), BACKGROUND, ROUGH, settings or Loss(), 1.0).total)


def test_emitters_outside_and_dim_ones_are_not_labelled() -> None:
    assert labels().offsets.tolist() == [0, 3, 5]
    assert labels().column.tolist() == [3, 23, 10, 7, 19]
    assert labels().row.tolist() == [12, 4, 9, 15, 18]


@pytest.mark.parametrize("channel", range(10))
def test_every_output_that_is_wrong_costs(channel: int) -> None:
    right = perfect(sought())
    wrong = right.clone()
    wrong[:, channel] += 4.0 if channel == 0 else 0.3
    assert loss(wrong) > loss(right)


def test_missing_and_inventing_an_emitter_costs() -> None:
    right = perfect(sought())
    missed, invented = right.clone(), right.clone()
    missed[0, 0, 12, 3], invented[1, 0, 2, 2] = -12, 12
    assert min(loss(missed), loss(invented)) > loss(right) + 1


def test_a_frame_without_emitters_has_a_finite_loss() -> None:
    none = Labels(*(part[:0] for part in labels()[:4]), torch.zeros(3, dtype=torch.long))
    output = perfect(sought()).requires_grad_()
    total = mixture_loss(output, none, BACKGROUND, ROUGH, Loss(), 1.0).total
    total.backward()
    assert total.isfinite() and output.grad is not None and output.grad.isfinite().all()


def test_x_and_y_are_treated_alike() -> None:
    """A frame on its side, with x and y of the outputs and of the emitters exchanged, has the same loss."""
    output = perfect(sought()) + 0.2 * torch.rand(2, 10, *SHAPE, generator=torch.Generator().manual_seed(3))
    aside = output.transpose(2, 3)[:, [0, 2, 1, 3, 4, 6, 5, 7, 8, 9]]
    every = emitters()
    turned = Emitters(every.xyz[:, [1, 0, 2]], every.photons, every.offsets)
    turned_labels = labels_of(turned, ROUGH, SCALES, (SHAPE[1], SHAPE[0]), 100.0)
    other = mixture_loss(aside, turned_labels, BACKGROUND.transpose(1, 2), ROUGH, Loss(), 1.0)
    assert float(other.total) == pytest.approx(loss(output), rel=1e-5)


def test_perfect_outputs_are_read_as_the_emitters() -> None:
    truth = sought()
    found = mixture_detections(perfect(truth), ROUGH, SCALES, 0.3)
    place = [int(((truth.xyz - xyz) ** 2).sum(1).argmin()) for xyz in found.xyz]
    assert sorted(place) == list(range(5))
    torch.testing.assert_close(found.xyz, truth.xyz[place], rtol=1e-4, atol=0.01)
    torch.testing.assert_close(found.photons, truth.photons[place])
    torch.testing.assert_close(found.frame, truth.frame()[place])
    torch.testing.assert_close(found.background, torch.tensor([50.0, 45.0])[found.frame])
    torch.testing.assert_close(found.sigma, torch.tensor([10.0, 10.0, 70.0, 0.1]).expand(5, 4))
    assert found.probability.min() > 0.99


def test_an_emitter_between_two_pixels_is_one_detection() -> None:
    output = perfect(sought().take(torch.zeros(5, dtype=torch.bool)))
    output[0, 0, 7, 8:10] = torch.tensor([0.1, 0.0])  # a half each
    output[0, 1, 7, 8:10] = torch.tensor([0.5, -0.5])
    found = mixture_detections(output, ROUGH, SCALES, 0.3)
    assert found.xyz.tolist() == [[900.0, 750.0, 50.0]]
    assert float(found.probability) == pytest.approx(1, abs=0.05)


def test_two_sure_pixels_side_by_side_are_two_emitters_unless_they_mean_the_same_one() -> None:
    output = perfect(sought().take(torch.zeros(5, dtype=torch.bool)))
    output[1, 0, 7, 8:11] = torch.tensor([4.0, 3.0, 2.0])
    output[1, 1, 7, 8:11] = torch.tensor(
        [0.0, 0.4, -1.45]
    )  # the third repeats the first but for 50 nm, within its width
    output[1, 5:7, 7, 10] = 1.0
    found = mixture_detections(output, ROUGH, SCALES, 0.3)
    assert sorted(found.xyz[:, 0].tolist()) == pytest.approx([850, 990])
    apart = output.clone()
    apart[1, 3, 7, 10] = 1.0  # at another depth
    assert len(mixture_detections(apart, ROUGH, SCALES, 0.3).frame) == 3


@pytest.mark.parametrize("cells", [2, 4])
def test_a_phasor_label_is_read_as_the_emitters(cells: int) -> None:
    truth = sought()
    label = phasor_label(labels(), SHAPE, cells)
    assert label.shape == (2, 2, cells * SHAPE[0], cells * SHAPE[1])
    found = phasor_detections(label, SCALES, cells, 0.5)
    place = [int(((truth.xyz - xyz) ** 2).sum(1).argmin()) for xyz in found.xyz]
    assert sorted(place) == list(range(5))
    torch.testing.assert_close(found.frame, truth.frame()[place])
    # A parabola through the logarithm of a Gaussian has its very vertex.
    assert (found.xyz - truth.xyz[place]).abs().max() < 0.5
    assert found.photons.isnan().all() and found.probability.min() > 0.8


def test_the_phasor_loss_is_least_at_the_label() -> None:
    label = phasor_label(labels(), SHAPE, 2)
    assert float(phasor_loss(label, labels(), 2).total) == 0
    assert float(phasor_loss(torch.zeros_like(label), labels(), 2).total) > 1
    depth = torch.atan2(label[0, 1], label[0, 0])[label[0].norm(dim=0) > 0.5]
    assert depth.min() >= 0 and depth.max() <= math.pi
