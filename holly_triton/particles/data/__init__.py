"""Pictures of particles, from localisations or pixels in the formats of the field, with one interface."""

from .dataset import open_dataset
from .interface import Dataset, Drawable
from .localisations import Localisations
from .pictures import Pictures

__all__ = ["Dataset", "Drawable", "Localisations", "Pictures", "open_dataset"]
