"""A trained localiser in one file: network, PSF, camera, threshold, scales, and what it was trained on."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.checkpoint import versions
from holly_triton.core.model_file import read_model_file, write_model_file
from holly_triton.core.types import Figures
from holly_triton.frames.camera import Camera, MappedCamera, PixelMaps
from holly_triton.frames.config.network import Network
from holly_triton.frames.config.training import Training
from holly_triton.frames.network.outputs import Scales
from holly_triton.frames.psf import Psf, read_psf, write_psf

from .localiser import Localiser
from .scales import SigmaScales

KIND = "holly-triton frames model 1"
"""Of the file, with its version."""


@dataclass(frozen=True)
class Model:
    """What localises emitters in a camera's frames."""

    localiser: Localiser
    psf: Psf
    camera: Camera
    threshold: float
    """Least probability of a localisation."""
    scales: SigmaScales
    training: Training
    """What it was trained on: ranges of densities, photons and background among it."""
    figures: Figures
    """Of the training: steps, seconds; on frames like those of the training: Jaccard index, efficiency and the like."""

    def to(self, device: torch.device) -> "Model":
        """The same model; its network is moved."""
        self.localiser.network.to(device)
        return self


def write_model(path: Path, model: Model) -> None:
    """Write a model, whole or not at all.

    Raises:
        HollyError: The file can't be written.
    """
    saved = {
        "format": KIND,
        "versions": versions(),
        "network": model.localiser.settings.table(),
        "weights": {name: value.cpu() for name, value in model.localiser.network.state_dict().items()},
        "psf": _psf_bytes(model.psf),
        "camera": model.camera.table(),
        "maps": _maps(model.camera),
        "threshold": model.threshold,
        "scales": model.scales.payload(),
        "training": model.training.table(),
        "figures": model.figures,
    }  # fmt: skip
    write_model_file(path, saved)


def read_model(path: Path, device: torch.device | None = None) -> Model:
    """Read a model; nothing in the file is executed.

    Raises:
        HollyError: There is no such file, it is no model of this version, or it is damaged.
    """
    model = read_model_file(path, KIND, "frames train", _restored)
    return model if device is None else model.to(device)


def _restored(path: Path, saved: dict[str, Any]) -> Model:
    psf = _psf_of(saved["psf"])
    localiser = Localiser(Network.of(saved["network"], str(path)), Scales.of(psf.pixel_nm, psf.z_range_nm))
    localiser.network.load_state_dict(saved["weights"])
    localiser.network.eval()
    camera = Camera.of(saved["camera"], str(path))
    if saved["maps"]:
        camera = MappedCamera.of_camera(camera, PixelMaps(**saved["maps"]))
    training = Training.of(saved["training"], str(path))
    scales = SigmaScales.of(saved["scales"])
    return Model(localiser, psf, camera, float(saved["threshold"]), scales, training, saved["figures"])


def _maps(camera: Camera) -> dict[str, Tensor]:
    maps = camera.maps._asdict() if isinstance(camera, MappedCamera) else {}
    return {name: values.cpu() for name, values in maps.items() if values is not None}


def _psf_bytes(psf: Psf) -> Tensor:
    """The file of a PSF as bytes ``[N]`` uint8, so that it has one format, with one version."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "psf.h5"
        write_psf(path, psf)
        return torch.from_numpy(np.frombuffer(path.read_bytes(), np.uint8).copy())


def _psf_of(content: Tensor) -> Psf:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "psf.h5"
        path.write_bytes(content.numpy().tobytes())
        return read_psf(path)
