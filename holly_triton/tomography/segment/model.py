"""A trained network in one file: what it labels, at which voxel and contrast, the thresholds, and what it was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from holly_triton.core.checkpoint import versions
from holly_triton.core.model_file import read_model_file, write_model_file
from holly_triton.core.types import Figures
from holly_triton.tomography.config.network import Network
from holly_triton.tomography.config.training import Contrast, Target, Training

from .network import AnyNetwork, build

KIND = "holly-triton tomography model 1"
"""Of the file, with its version."""
DEFAULT = Path("default")
"""The model that ships, as ``--model`` names it."""
SHIPPED = Path(__file__).parents[1] / "weights" / "default.pt"


@dataclass(frozen=True)
class Model:
    """What picks macromolecules in tomograms.

    Attributes:
        network: its first class is the background, the others are ``classes``.
        settings: of the network.
        classes: names.
        radii: of the classes, Å.
        voxel: side of a voxel of the tomograms it was trained on, Å.
        contrast: of these, ``dark`` or ``bright`` protein.
        targets: what the network was trained to answer: ``heat``, ``spheres`` or ``shapes``.
        thresholds: least score of a pick, for each class.
        training: settings.
        figures: of the training: steps, seconds; on the validation tomograms: F1 overall and of each class.
    """

    network: AnyNetwork
    settings: Network
    classes: tuple[str, ...]
    radii: tuple[float, ...]
    voxel: float
    contrast: Contrast
    targets: Target
    thresholds: tuple[float, ...]
    training: Training
    figures: Figures


def write_model(path: Path, model: Model) -> None:
    """Write a model, whole or not at all.

    Raises:
        HollyError: The file can't be written.
    """
    saved = {
        "format": KIND,
        "versions": versions(),
        "network": model.settings.table(),
        "weights": {name: value.cpu() for name, value in model.network.state_dict().items()},
        "classes": list(model.classes),
        "radii_angstrom": list(model.radii),
        "voxel_angstrom": model.voxel,
        "contrast": model.contrast,
        "targets": model.targets,
        "thresholds": list(model.thresholds),
        "training": model.training.table(),
        "figures": model.figures,
    }  # fmt: skip
    write_model_file(path, saved)


def model_path(given: Path) -> Path:
    """The file of the model that a person asks for: the shipped one by its name, unless a file is called so."""
    return SHIPPED if given == DEFAULT and not given.is_file() else given


def read_model(path: Path, device: torch.device | None = None) -> Model:
    """Read a model; nothing in the file is executed.

    Raises:
        HollyError: There is no such file, it is no model of this version, or it is damaged.
    """
    model = read_model_file(path, KIND, "tomo train", _restored)
    model.network.to(device or torch.device("cpu"))
    return model


def _restored(path: Path, saved: dict[str, Any]) -> Model:
    settings = Network.of(saved["network"], str(path))
    network = build(settings, 1 + len(saved["classes"]))
    network.load_state_dict(saved["weights"])
    network.eval()
    training = Training.of(saved["training"], str(path))
    return Model(
        network=network,
        settings=settings,
        classes=tuple(map(str, saved["classes"])),
        radii=tuple(map(float, saved["radii_angstrom"])),
        voxel=float(saved["voxel_angstrom"]),
        contrast=training.contrast if saved["contrast"] not in ("dark", "bright") else saved["contrast"],
        targets=training.targets,
        thresholds=tuple(map(float, saved["thresholds"])),
        training=training,
        figures=saved["figures"],
    )
