"""The network of DeepFinder (Moebel et al. 2018 and 2021), layer by layer: 903,357 parameters for 12 classes and background."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import SameConvolution, doubled


class DeepFinder(nn.Module):
    """A U-Net of w, 3/2 w and 2 w features on three levels, without normalisation; published with w = 32."""

    stride = 4
    reach = 36
    """Voxels about one on which its outputs depend, up to a multiple of the stride: a voxel's answer depends on 64 along
    each axis, of which as many as 34 lie on one side, for the kernels of 2 see only what comes after."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.floats = 5 * width + 2 * classes
        """Numbers a voxel that inference holds at once, about."""
        high, mid, low = width, 3 * width // 2, 2 * width
        self.high = _rectified(1, high, high)
        self.mid = _rectified(high, mid, mid)
        self.low = _rectified(mid, low, low, low, low)
        self.narrow = SameConvolution(low, low, 2)
        self.middle = _rectified(low + mid, mid, mid)
        self.narrower = SameConvolution(mid, mid, 2)
        self.top = _rectified(mid + high, high, high)
        self.last = SameConvolution(high, classes, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):  # as Keras starts them
                nn.init.xavier_uniform_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``[B, classes, Z, Y, X]`` of normalised voxels ``[B, 1, Z, Y, X]``, whose sides are multiples of the stride."""
        high = self.high(inputs)
        mid = self.mid(functional.max_pool3d(high, 2))
        low = self.low(functional.max_pool3d(mid, 2))
        up = functional.relu(self.narrow(doubled(low)))
        up = self.middle(torch.cat([up, mid], dim=1))
        up = functional.relu(self.narrower(doubled(up)))
        logits: Tensor = self.last(self.top(torch.cat([up, high], dim=1)))
        return logits


def _rectified(*widths: int) -> nn.Sequential:
    def layers() -> Iterator[nn.Module]:
        for before, after in zip(widths, widths[1:], strict=False):
            yield SameConvolution(before, after)
            yield nn.ReLU(inplace=True)

    return nn.Sequential(*layers())
