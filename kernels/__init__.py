"""Differentiable drawing of Gaussian point clouds, and the loss that compares the drawing with a picture.

Four operations, in pixels, on ordinary PyTorch tensors with ordinary autograd; each can be used alone:

- ``splat``: a shared 3D cloud under many poses, one Gaussian a point, to pictures
- ``splat_emitters``: ragged lists of 2D emitters, each with its own width and photons, to pictures
- ``normalised_masked_l1``: intensity normalisation, mask and L1 distance
- ``reconstruction_loss``: all of it in one call, with every gradient

``morton_order`` gives the order of points in which large clouds are drawn fastest. On CUDA the kernels are
Triton's, elsewhere they are PyTorch's; ``reference`` holds the dense version of each: plain, slow, and the
specification of the others.
"""

from .frames.emitters import splat_psf
from .frames.mixture import emitter_nll
from .frames.table import PsfTable, psf_table
from .gaussians.emitters import splat_emitters
from .gaussians.fused import reconstruction_loss
from .gaussians.loss import normalised_masked_l1
from .gaussians.points import splat
from .ordering import morton_order

__all__ = [
    "PsfTable",
    "emitter_nll",
    "morton_order",
    "normalised_masked_l1",
    "psf_table",
    "reconstruction_loss",
    "splat",
    "splat_emitters",
    "splat_psf",
]
