"""Differentiable drawing of Gaussian point clouds and camera frames, and the comparison of pictures and volumes with data.

Nine operations, in pixels or voxels, on ordinary PyTorch tensors with ordinary autograd; each can be used alone:

- ``splat``: a shared 3D cloud under many poses, one Gaussian a point, to pictures
- ``splat_emitters``: ragged lists of 2D emitters, each with its own width and photons, to pictures
- ``normalised_masked_l1``: intensity normalisation, mask and L1 distance
- ``reconstruction_loss``: all of it in one call, with every gradient
- ``reconstruction_divergence``: the same for the Kullback-Leibler divergence, with the loss beside it
- ``pose_scores``: particles of 3D localisations compared with a log-density under many poses
- ``splat_psf``: ragged lists of 3D emitters, with a tabulated PSF (``psf_table``), to camera frames
- ``emitter_nll``: the likelihood of true emitters under the output of a localisation network, with its gradient
- ``fourier_correlation``: particles in volumes compared with a reference (``fourier_reference``) under many rotations and shifts

``morton_order`` gives the order of points in which large clouds are drawn fastest. On CUDA the kernels are
Triton's, elsewhere they are PyTorch's; ``reference`` holds the dense version of each: plain, slow, and the
specification of the others.
"""

from .frames.emitters import splat_psf
from .frames.mixture import emitter_nll
from .frames.table import PsfTable, psf_table
from .gaussians.divergence import reconstruction_divergence
from .gaussians.emitters import splat_emitters
from .gaussians.fused import reconstruction_loss
from .gaussians.loss import normalised_masked_l1
from .gaussians.points import splat
from .gaussians.poses import pose_scores
from .ordering import morton_order
from .volumes.correlation import fourier_correlation
from .volumes.spectrum import FourierReference, fourier_reference

__all__ = [
    "FourierReference",
    "PsfTable",
    "emitter_nll",
    "fourier_correlation",
    "fourier_reference",
    "morton_order",
    "normalised_masked_l1",
    "pose_scores",
    "psf_table",
    "reconstruction_divergence",
    "reconstruction_loss",
    "splat",
    "splat_emitters",
    "splat_psf",
]
