"""Volumes: tomograms, subtomograms, maps and masks, in the files of electron microscopy."""

from .masks import as_mask
from .reading import read_raw, read_volume
from .volume import Volume
from .writing import write_volume

__all__ = ["Volume", "as_mask", "read_raw", "read_volume", "write_volume"]
