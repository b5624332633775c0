"""Pictures of particles: localisations or pixels, from the formats of the field, behind one interface."""

from .dataset import Dataset, Drawable, describe, open_dataset
from .localisations import Localisations
from .pictures import Pictures

__all__ = ["Dataset", "Drawable", "Localisations", "Pictures", "describe", "open_dataset"]
