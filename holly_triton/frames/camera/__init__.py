"""The camera: from expected photons to the numbers it stores, and back."""

from .maps import MappedCamera, PixelMaps, read_maps
from .model import Camera, camera_preset
from .named import MapFiles, ask_for_camera, read_camera, stated_camera, write_maps

__all__ = [
    "Camera",
    "MapFiles",
    "MappedCamera",
    "PixelMaps",
    "ask_for_camera",
    "camera_preset",
    "read_camera",
    "read_maps",
    "stated_camera",
    "write_maps",
]
