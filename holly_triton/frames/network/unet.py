"""Our own network: a U-Net (Ronneberger 2015) at the resolution of the camera, without normalisation.

Batch normalisation would make the answer for one frame depend on the others, and break at densities other than those it
was trained at. Offsets within a pixel make finer grids needless: at width 24 a frame of 64 x 64 pixels costs 0.25 GMAC,
where the networks that answer on a fourfold grid take 24 or more.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .inputs import CHANNELS
from .layers import Convolution, doubled, inverse_softplus, seen_together, start
from .outputs import OUTPUTS, SIGMA, bounded_below, joined

FIRST_LOGIT = -4.0
"""Before training, an emitter is in 2 % of the pixels."""
FIRST_SCALE = 0.1
"""Of the last layer's weights: training starts from the same answer for every pixel."""
FIRST_SIGMA = (0.0, 0.0, 0.0, -0.5)
"""Raw widths of x, y, z and log photons, before training: 0.7 pixels, 0.7 half ranges, 0.5."""
FIRST_BACKGROUND = 1.0
"""Background over the rough one, before training."""


class UNet(nn.Module):
    """Three levels of w, 2 w and 4 w features; a receptive field of 59 pixels."""

    stride, cells = 4, 1
    reach = 32
    """Pixels about one that its outputs depend on, with what the stride adds."""

    def __init__(self, width: int, frames_at_once: int) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(Convolution(CHANNELS, w), Convolution(w, w))
        self.fuse = Convolution(frames_at_once * w, w) if frames_at_once > 1 else nn.Identity()
        self.down = nn.Sequential(
            nn.Conv2d(w, 2 * w, 2, stride=2), Convolution(2 * w, 2 * w), Convolution(2 * w, 2 * w)
        )
        self.bottom = nn.Sequential(
            nn.Conv2d(2 * w, 4 * w, 2, stride=2), Convolution(4 * w, 4 * w), Convolution(4 * w, 4 * w, dilation=2)
        )
        self.narrow = Convolution(4 * w, 2 * w, 1)
        self.middle = nn.Sequential(Convolution(4 * w, 2 * w), Convolution(2 * w, 2 * w))
        self.narrower = Convolution(2 * w, w, 1)
        self.top = nn.Sequential(Convolution(2 * w, w), Convolution(w, w))
        self.head = nn.Sequential(Convolution(w, 2 * w), nn.Conv2d(2 * w, OUTPUTS, 1))
        start(self)
        self._start_last(self.head[-1])
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[B, 10, H, W]`` of frames ``[B, T, 3, H, W]`` whose sides are multiples of the stride."""
        fine = self.fuse(seen_together(self.stem, inputs))
        coarse = self.down(fine)
        coarse = self.middle(torch.cat([coarse, self.narrow(doubled(self.bottom(coarse)))], dim=1))
        fine = self.top(torch.cat([fine, self.narrower(doubled(coarse))], dim=1))
        logit, mean, sigma, background = self.head(fine).split((1, 4, 4, 1), dim=1)
        return joined(logit, mean, bounded_below(sigma), functional.softplus(background))

    @staticmethod
    @torch.no_grad()
    def _start_last(last: nn.Module) -> None:
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        last.weight *= FIRST_SCALE
        last.bias[0] = FIRST_LOGIT
        last.bias[SIGMA] = last.bias.new_tensor(FIRST_SIGMA)
        last.bias[9] = inverse_softplus(FIRST_BACKGROUND)
