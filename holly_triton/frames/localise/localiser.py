"""A network together with what its outputs mean: its loss against the truth, and the emitters that they show."""

import torch
from torch import Tensor

from holly_triton.frames.config.network import Network
from holly_triton.frames.config.training import Loss
from holly_triton.frames.detections import Detections
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.loss import Parts, labels_of, mixture_loss
from holly_triton.frames.network import build
from holly_triton.frames.network.inputs import network_inputs, rough_background
from holly_triton.frames.network.outputs import Scales
from holly_triton.frames.phasor import phasor_detections, phasor_loss

from .peaks import mixture_detections
from .tiles import in_tiles


class Localiser:
    """A network of some settings, in the units of a camera and a range of depths."""

    def __init__(self, settings: Network, scales: Scales) -> None:
        self.settings, self.scales = settings, scales
        self.network = build(settings)

    def loss(
        self, photons: Tensor, emitters: Emitters, background: Tensor, settings: Loss, cross_entropy: float
    ) -> Parts:
        """The loss of a batch.

        Args:
            photons: Of T successive frames, ``[B, T, H, W]``; the sides are multiples of the network's stride.
            emitters: Of those in the middle.
            background: Of those in the middle, photons a pixel, ``[B, H, W]``.
            settings: Weights.
            cross_entropy: Weight of the cross-entropy at this step.
        """
        rough = rough_background(_middle(photons))
        output = self.network(network_inputs(photons, rough))
        shape = (photons.shape[2], photons.shape[3])
        labels = labels_of(emitters, rough, self.scales, shape, settings.fewest_photons)
        if self.settings.preset == "luenn-like":
            return phasor_loss(output, labels, self.settings.cells)
        return mixture_loss(output, labels, background, rough, settings, cross_entropy)

    @torch.inference_mode()
    def detect(self, photons: Tensor, lowest: float) -> Detections:
        """Emitters of at least a probability in the middle ones of T successive frames ``[B, T, H, W]``, photons."""
        rough = rough_background(_middle(photons))
        output = in_tiles(self.network, network_inputs(photons, rough))
        if self.settings.preset == "luenn-like":
            return phasor_detections(output, self.scales, self.settings.cells, lowest)
        return mixture_detections(output, rough, self.scales, lowest)


def _middle(photons: Tensor) -> Tensor:
    """The frames ``[B, H, W]`` in the middle of T successive ones."""
    return photons[:, photons.shape[1] // 2]
