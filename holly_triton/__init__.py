"""3D structure from thousands of 2D super-resolution pictures of one tiny structure."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    __version__ = version("holly-triton")
except PackageNotFoundError:  # a bare checkout, never installed
    __version__ = "0+unknown"

_here = Path(__file__).parent
if (_here / "kernels").is_file():  # a checkout whose links are text files, as git writes them on Windows
    __path__.append(str(_here.parent))
