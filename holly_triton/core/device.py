"""The device that a setting or an option means."""

import os

import torch

from .errors import HollyError
from .words import counted


def find_device(name: str) -> torch.device:
    """The device that a setting means.

    Raises:
        HollyError: ``cuda`` on a machine without, or with fewer devices than processes.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise HollyError("--device cuda: PyTorch finds no CUDA device here; use --device cpu, or auto")
    cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    if cuda and (processes := int(os.environ.get("LOCAL_WORLD_SIZE", "1"))) > torch.cuda.device_count():
        raise HollyError(
            f"torchrun --nproc-per-node {processes}: PyTorch finds {counted(torch.cuda.device_count(), 'CUDA device')} here; "
            "start no more processes than that, or use --device cpu"
        )
    return torch.device("cuda" if cuda else "cpu")
