"""Pictures of particles, from localisations or pixels in the formats of the field, with one interface."""

from .dataset import describe, open_dataset
from .interface import Dataset, Drawable
from .localisations import Localisations
from .pictures import Pictures

__all__ = ["Dataset", "Drawable", "Localisations", "Pictures", "describe", "open_dataset"]
