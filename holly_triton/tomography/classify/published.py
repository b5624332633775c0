"""The two networks of Xu et al. 2017 (section 2.2, figure 1), layer by layer as in the code of the same authors (AITom).

At 40 x 40 x 40 voxels and 23 classes Inception3D has 18.2 million parameters and DSRF3D 33.2 million. Nearly all of them
are in the first dense layer, so that both take boxes of one size only.
"""

from torch import Tensor, cat, nn
from torch.nn import functional


class Inception3D(nn.Module):
    """One inception module: four branches at half of the resolution.

    Args:
        size: Voxels along a side.
        classes: Number of them.
        dropped: Share of the last layer's inputs that are dropped in training.
    """

    def __init__(self, size: int, classes: int, dropped: float) -> None:
        super().__init__()
        self.first = nn.Conv3d(1, 32, 5)
        self.one = nn.Conv3d(32, 32, 1)
        self.three = nn.Sequential(nn.Conv3d(32, 32, 1), nn.ReLU(), nn.Conv3d(32, 64, 3, padding=1))
        self.five = nn.Sequential(nn.Conv3d(32, 16, 1), nn.ReLU(), nn.Conv3d(16, 32, 5, padding=2))
        self.pooled = nn.Conv3d(32, 32, 1)
        self.dropout = nn.Dropout(dropped)
        side = -(-(size - 4) // 2) - 1
        self.last = nn.Linear((32 + 64 + 32 + 32) * side**3, classes)
        start(self)

    def forward(self, volumes: Tensor) -> Tensor:
        """Linear activations ``[B, classes]`` of standardised volumes ``[B, n, n, n]``."""
        features = functional.max_pool3d(functional.relu(self.first(volumes[:, None])), 2, ceil_mode=True)
        # Keras pads a window of two at the end; all values are at least 0 here, so that 0 is no larger than any of them.
        widest = functional.max_pool3d(functional.pad(features, (0, 1, 0, 1, 0, 1)), 2, stride=1)
        branches = (self.one(features), self.three(features), self.five(features), self.pooled(widest))
        joined = functional.relu(cat(branches, dim=1))
        linear: Tensor = self.last(self.dropout(functional.avg_pool3d(joined, 2, stride=1).flatten(1)))
        return linear


class Dsrf3D(nn.Module):
    """Four convolutions of small receptive fields, and three dense layers; arguments as for ``Inception3D``."""

    def __init__(self, size: int, classes: int, dropped: float) -> None:
        super().__init__()

        def block(before: int, after: int) -> list[nn.Module]:
            convolutions = [nn.Conv3d(before, after, 3, padding=1), nn.Conv3d(after, after, 3, padding=1)]
            return [convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU(), nn.MaxPool3d(2)]

        self.convolutions = nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten())
        dense = [nn.Linear(64 * (size // 4) ** 3, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU()]
        self.dense = nn.Sequential(*dense, nn.Dropout(dropped), nn.Linear(512, classes))
        start(self)

    def forward(self, volumes: Tensor) -> Tensor:
        """Linear activations ``[B, classes]`` of standardised volumes ``[B, n, n, n]``."""
        linear: Tensor = self.dense(self.convolutions(volumes[:, None]))
        return linear


def start(network: nn.Module) -> None:
    """Keras's first values: uniform weights of Glorot & Bengio 2010, and biases of 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
