"""3D structure from thousands of 2D super-resolution pictures of one tiny structure."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("holly-triton")
except PackageNotFoundError:  # a bare checkout, never installed
    __version__ = "0+unknown"
