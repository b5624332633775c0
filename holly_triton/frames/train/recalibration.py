"""A model's threshold and deviations, chosen anew without training."""

from pathlib import Path

from holly_triton.core.device import find_device
from holly_triton.frames.localise import Model, read_model, write_model

from .stream import Stream
from .validation import recalibrated


def recalibrate(path: Path, out: Path, device: str = "auto") -> Model:
    """Write a model with the network of another one, and with threshold and deviations as its training would choose them now.

    Args:
        path: What ``frames train`` has written; also the one of an older version, whose deviations know no crowds.
        out: Where the other model is written; may be the same file.
        device: As the option ``--device`` takes it.

    Raises:
        HollyError: A file can't be read or written, or the structure of the training is no longer there.
    """
    where = find_device(device)
    model = read_model(path, where)
    again = recalibrated(model, Stream.of(model.training, model.psf, model.camera, where))
    write_model(out, again)
    return again
