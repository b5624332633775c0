"""A trained classifier in one file: network, classes, box and voxel, temperature, and what it was trained on."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from holly_triton.core.checkpoint import versions
from holly_triton.core.errors import HollyError
from holly_triton.core.model_file import read_model_file, write_model_file
from holly_triton.core.types import Figures
from holly_triton.tomography.config.classification import BATCH, SAME_VOXEL, Training

from .baseline import RifSvm
from .gaussians import Gaussians
from .networks import build, placed
from .sets import SubtomogramSet, standardised

KIND = "holly-triton subtomogram classifier 1"
"""Of the file, with its version."""


@dataclass(frozen=True)
class Model:
    """What classifies subtomograms.

    Attributes:
        network: gives linear activations ``[B, L]`` of standardised volumes ``[B, n, n, n]``.
        classes: names, in the order of the activations.
        size: voxels along a side of the boxes it was trained on.
        voxel: side of their voxels, Å.
        temperature: what the activations are divided by before the softmax.
        training: settings.
        figures: of the training, and on the subtomograms that it was not trained on.
        gaussians: where the classes lie among the activations; None where too few subtomograms showed it.
    """

    network: nn.Module
    classes: tuple[str, ...]
    size: int
    voxel: float
    temperature: float
    training: Training
    figures: Figures
    gaussians: Gaussians | None = None

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        values: Tensor = next(iter(self.network.state_dict().values()))
        return values.device

    @torch.no_grad()
    def linear(self, volumes: Tensor) -> Tensor:
        """Linear activations ``[B, L]``, on the CPU, of volumes ``[B, n, n, n]`` as they are in files."""
        self.network.eval()
        parts = [
            self.network(standardised(part.to(self.device))).float().cpu()
            for part in torch.split(volumes, BATCH[self.device.type])
        ]
        return torch.cat(parts)

    def probabilities(self, linear: Tensor) -> Tensor:
        """Calibrated probabilities of linear activations, of the same shape."""
        return torch.softmax(linear / self.temperature, dim=-1)

    def check_suits(self, subtomograms: SubtomogramSet, name: Path) -> None:
        """Refuse a set of other boxes or voxels.

        Raises:
            HollyError: So it is.
        """
        if abs(subtomograms.voxel / self.voxel - 1) > SAME_VOXEL:
            raise HollyError(
                f"{subtomograms.source}: has voxels of {subtomograms.voxel:g} Å, and {name} was trained on {self.voxel:g} Å; "
                "bin or resample the tomograms to that, or train a model for these voxels"
            )
        if subtomograms.size != self.size:
            raise HollyError(
                f"{subtomograms.source}: has boxes of {subtomograms.size} voxels, and {name} was trained on {self.size}; "
                f"extract boxes of {self.size}, or train a model for these"
            )


def write_model(path: Path, model: Model) -> None:
    """Write a model, whole or not at all.

    Raises:
        HollyError: The file can't be written.
    """
    saved = {
        "format": KIND,
        "versions": versions(),
        "weights": {name: value.cpu() for name, value in model.network.state_dict().items()},
        "classes": list(model.classes),
        "size": model.size,
        "voxel_angstrom": model.voxel,
        "temperature": model.temperature,
        "training": model.training.table(),
        "figures": model.figures,
        "gaussians": None if model.gaussians is None else vars(model.gaussians),
    }  # fmt: skip
    write_model_file(path, saved)


def read_model(path: Path, device: torch.device | None = None) -> Model:
    """Read a model; nothing in the file is executed.

    Raises:
        HollyError: There is no such file, it is no model of this version, or it is damaged.
    """
    model = read_model_file(path, KIND, "tomo classify --train", _restored)
    placed(model.network, device or torch.device("cpu"))
    return model


def digest(path: Path) -> str:
    """What tells one model's file from another."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def parameters(network: nn.Module) -> int:
    """Number of values that are kept, those of the baseline's training features among them."""
    return sum(value.numel() for value in (*network.parameters(), *network.buffers()))


def _restored(path: Path, saved: dict[str, Any]) -> Model:
    training = Training.of(saved["training"], str(path))
    classes, size, weights = tuple(map(str, saved["classes"])), int(saved["size"]), saved["weights"]
    network: nn.Module
    if training.network.name == "rif-svm":
        network = RifSvm(training.invariants, weights["vectors"], weights["labels"])
    else:
        network = build(training.network, size, len(classes))
        network.load_state_dict(weights)
    network.eval()
    voxel, temperature = float(saved["voxel_angstrom"]), float(saved["temperature"])
    gaussians = None if saved.get("gaussians") is None else Gaussians(**saved["gaussians"])
    return Model(network, classes, size, voxel, temperature, training, saved["figures"], gaussians)
