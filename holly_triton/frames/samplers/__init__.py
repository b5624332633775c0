"""Where emitters lie: complete spatial randomness, structures, and mixtures and controls of them."""

from .microtubules import MicrotubuleSampler
from .named import make_sampler
from .random import EqualCountSampler, MixedSampler, RandomSampler
from .sampler import Sampler
from .structures import PoolSampler, StructureSampler

__all__ = [
    "EqualCountSampler",
    "MicrotubuleSampler",
    "MixedSampler",
    "PoolSampler",
    "RandomSampler",
    "Sampler",
    "StructureSampler",
    "make_sampler",
]
