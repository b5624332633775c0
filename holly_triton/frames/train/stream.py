"""The endless stream of training frames: batch i follows from the seed and i alone, so that any step can be repeated."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from holly_triton.frames.camera import AnyCamera
from holly_triton.frames.config import Simulation
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import Psf
from holly_triton.frames.samplers import Sampler
from holly_triton.frames.simulate import draw_batch
