"""The whole way from data to structure as four functions, for notebooks and programs: no run folder, no files.

>>> from holly_triton.api import evaluate, open_dataset, reconstruct, render
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holly_triton.particles.cloud.train import Progress
from holly_triton.particles.config import UNIT_NM, Config
from holly_triton.particles.data import Dataset, open_dataset
from holly_triton.particles.run.run import make_trainer
from holly_triton.validation.alignment import align
from holly_triton.view.orientation import upright

__all__ = ["Reconstruction", "evaluate", "open_dataset", "reconstruct", "render"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Reconstruction:
    """What the pictures tell of the structure. The mirror image, in mirrored poses, explains them as well.

    Attributes:
        points: ``[N, 3]`` float64, nm, about their centroid.
        rotation: Of each picture, ``[P, 3, 3]``: a point x of the structure shows at the first two of ``rotation @ x``
            plus ``shift``.
        shift: ``[P, 2]``, nm, from the picture's own centroid.
        loss: Masked L1 that remains of each picture ``[P]``: 0 where it is reproduced exactly, 100 where the structure draws
            nothing in the bright pixels, at most 200.
        blur_nm: How far labels scatter about a point, nm.
        seconds: Of the training.
    """

    points: Array
    rotation: Array
    shift: Array
    loss: Array
    blur_nm: float
    seconds: float


def reconstruct(
    dataset: Dataset, config: Config | None = None, tell: Callable[[Progress], None] | None = None
) -> Reconstruction:
    """Find the structure in a data set's pictures.

    Args:
        dataset: From ``open_dataset``.
        config: Settings; the defaults if not given. Those that say where data lie are not used.
        tell: Called after each step, to show progress.

    Raises:
        HollyError: The device is not there, or a picture holds what can't be used.

    Example:
        >>> import torch
        >>> from holly_triton.particles.config import Config
        >>> from holly_triton.particles.simulate import simulate
        >>> from holly_triton.structures import read_structure
        >>> sites, seed = read_structure("nuclear-pore").points, torch.Generator().manual_seed(0)
        >>> dataset = simulate(sites, 50, generator=seed).localisations
        >>> found = reconstruct(dataset, Config(points=32, seed=1).quick())
        >>> found.points.shape, found.rotation.shape
        ((32, 3), (50, 3, 3))
    """
    trainer = make_trainer(config or Config(), dataset)
    for progress in trainer.run():
        if tell is not None:
            tell(progress)
    state = trainer.state
    points, rotation, shift, loss = (
        tensor.detach().cpu().numpy() for tensor in (state.points, state.rotation, state.shift, state.loss)
    )
    return Reconstruction(points.astype(np.float64), rotation, shift, loss, state.blur_nm(), state.seconds)


def evaluate(points: Array, truth: Array) -> dict[str, Any]:
    """Compare a structure with the truth after the best rotation and shift of the better hand.

    Args:
        points: ``[N, 3]``, nm.
        truth: ``[M, 3]``, nm.

    Returns:
        What ``holly-triton evaluate --json`` prints: ``rmsd`` in nm and more.

    Example:
        >>> import numpy as np
        >>> from holly_triton.structures import read_structure
        >>> truth = read_structure("tripod").points
        >>> round(evaluate(truth * [1, 1, -1] + 5, truth)["rmsd"], 3)
        0.0
    """
    return align(points, truth).figures(UNIT_NM)


def render(points: Array, path: str | Path, truth: Array | None = None) -> Path:
    """Draw a structure from four sides into a PNG; needs pyvista.

    Args:
        points: ``[N, 3]``, nm, blue; turned upright where there is no truth.
        path: Ends in .png.
        truth: ``[M, 3]``, nm, orange; the points are turned into its frame.

    Raises:
        HollyError: Not a .png, or it can't be written.

    Example:
        >>> import tempfile
        >>> from holly_triton.structures import read_structure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     render(read_structure("torus").points, folder + "/torus.png").name
        'torus.png'
    """
    from .view import render_cloud

    path = Path(path)
    if truth is not None:
        render_cloud(align(points, truth).aligned, path, truth=truth)
    else:
        frame, front = upright(points)
        render_cloud(points @ frame, path, front=front)
    return path
