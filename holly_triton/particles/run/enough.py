"""What a number of particles suffices for, by the default settings."""

from holly_triton.particles.config import Config
from holly_triton.particles.data.dataset import FEWEST_PICTURES

from .held_out import held_out_of

DEFAULT = Config()


def enough_to_train(particles: int) -> bool:
    """Whether one structure can be reconstructed from them."""
    return particles >= FEWEST_PICTURES


def enough_to_classify(particles: int, structures: int) -> bool:
    """Whether they can be classified into so many structures."""
    return particles - held_out_of(particles, DEFAULT.held_out) >= structures * DEFAULT.classes.particles


def enough_to_deform(particles: int, held_out: float) -> bool:
    """Whether a deformation can be fitted, where this share of them is held out."""
    return particles - held_out_of(particles, held_out) >= DEFAULT.deforming.particles
