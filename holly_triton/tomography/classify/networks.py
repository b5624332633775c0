"""Our own network, and the choice among all of them."""

import torch
from torch import Tensor, nn

from holly_triton.tomography.config.classification import Network

from .published import Dsrf3D, Inception3D


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.path = nn.Sequential(Convolution(width, width, 3), nn.ReLU(), Convolution(width, width, 3))

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape."""
        changed: Tensor = nn.functional.relu(features + self.path(features))
        return changed


class Convolution(nn.Sequential):
    """A convolution and the normalisation of its features over the batch; boxes hold one particle each, so that batches are alike."""

    def __init__(self, before: int, after: int, side: int, *, stride: int = 1) -> None:
        layer = nn.Conv3d(before, after, side, stride=stride, padding=side // 2, bias=False)
        super().__init__(layer, nn.BatchNorm3d(after))


class OwnNetwork(nn.Module):
    """Three strided convolutions with a residual block after each of the last two, and the mean over what is left of the box.

    The first layer halves the resolution, the mean replaces the large dense layer, and the number of features doubles where
    the number of voxels falls to an eighth. With a width of 16, 28 x 28 x 28 voxels take 47 million multiply-adds, where
    Inception3D takes 270 million.

    Args:
        width: Features of the first layer.
        classes: Number of them.
        dropped: Share of the last layer's inputs that are dropped in training.
    """

    def __init__(self, width: int, classes: int, dropped: float) -> None:
        super().__init__()
        self.features = nn.Sequential(
            Convolution(1, width, 5, stride=2), nn.ReLU(),
            Convolution(width, 2 * width, 3, stride=2), nn.ReLU(), Residual(2 * width),
            Convolution(2 * width, 4 * width, 3, stride=2), nn.ReLU(), Residual(4 * width),
        )  # fmt: skip
        self.last = nn.Sequential(nn.Dropout(dropped), nn.Linear(4 * width, classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, volumes: Tensor) -> Tensor:
        """Linear activations ``[B, classes]`` of standardised volumes ``[B, n, n, n]``."""
        linear: Tensor = self.last(self.features(volumes[:, None]).mean(dim=(2, 3, 4)))
        return linear


def build(settings: Network, size: int, classes: int) -> nn.Module:
    """A network at the start of its training, which gives linear activations ``[B, classes]`` of volumes ``[B, n, n, n]``."""
    if settings.name == "inception3d":
        return Inception3D(size, classes, settings.dropped)
    if settings.name == "dsrf3d":
        return Dsrf3D(size, classes, settings.dropped)
    return OwnNetwork(settings.width, classes, settings.dropped)


def placed(network: nn.Module, device: torch.device) -> nn.Module:
    """The network itself, on a device; on the CPU the features of a voxel lie together, with which its convolutions are faster."""
    layout = torch.channels_last_3d if device.type == "cpu" else torch.preserve_format
    return network.to(device, memory_format=layout)  # type: ignore[call-overload,no-any-return]
