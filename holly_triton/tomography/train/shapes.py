"""Average shapes of the classes, the masks of DeepFinder's targets, from the tomograms that are trained on.

As in Moebel et al. (2018), a mask is the thresholded average of a class: its particles, each turned back by its rotation.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from holly_triton.core.errors import HollyError
from holly_triton.geometry.volumes import centre

from .scenes import Scene

WIDEST = 2.2
"""Half the side of a box over the radius of a sphere of the same volume: complexes are elongated."""
MOST_PARTICLES = 200
"""Of a class that are averaged."""
SMOOTHING_VOXELS = 0.7
"""Standard deviation of the Gaussian that an average is smoothed with."""


def average_shapes(scenes: Sequence[Scene], radii_voxels: Sequence[float]) -> dict[int, Tensor]:
    """A mask ``[n, n, n]`` of 0 and 1 for each class, numbered from 1, of the volume of a sphere of the class's radius.

    Raises:
        HollyError: A tomogram's particles have no rotations.
    """
    return {label: _mask(_average(scenes, label, radius), radius) for label, radius in enumerate(radii_voxels, 1)}


def _average(scenes: Sequence[Scene], label: int, radius: float) -> Tensor:
    """The mean of a class's particles, protein bright, each in the orientation of the reference ``[n, n, n]``."""
    half = math.ceil(WIDEST * radius)
    side = 2 * half
    axis = torch.arange(side) - float(centre(side))
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    reference = torch.stack([x, y, z], dim=-1)
    room = math.ceil(math.sqrt(3) * half) + 1
    total, count = torch.zeros(side, side, side), 0
    for scene in scenes:
        if scene.rotations is None:
            raise HollyError(
                f"{scene.name}: its particles have no rotations, which targets of shapes need; choose --targets heat or spheres"
            )
        for row in (scene.labels == label).nonzero()[: MOST_PARTICLES - count, 0].tolist():
            middle = scene.centres[row].round()
            box = scene.cut(tuple(int(at) - room for at in middle.tolist()), 2 * room + 1)  # type: ignore[arg-type]
            places = reference @ scene.rotations[row].T + (scene.centres[row] - middle).flip(0)
            total += functional.grid_sample(box[None, None], places[None] / room, align_corners=True)[0, 0]
            count += 1
    return total / max(count, 1)


def _mask(average: Tensor, radius: float) -> Tensor:
    """The largest connected part of the densest voxels, without holes."""
    smooth = ndimage.gaussian_filter(average.numpy(), SMOOTHING_VOXELS)
    wanted = min(smooth.size, round(4 / 3 * math.pi * radius**3))
    dense = smooth >= np.partition(smooth.ravel(), -wanted)[-wanted]
    parts, _ = ndimage.label(dense)
    largest = parts == np.bincount(parts[parts > 0]).argmax()
    return torch.from_numpy(ndimage.binary_fill_holes(largest)).float()
