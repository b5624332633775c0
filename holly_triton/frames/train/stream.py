"""The endless stream of training frames: batch i follows from the seed and i alone, so that any step can be repeated."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from holly_triton.frames.camera import Camera
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import Psf

from .standin import RandomSampler, draw_batch
