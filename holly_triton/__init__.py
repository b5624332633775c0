"""3D structure from thousands of 2D super-resolution pictures of one tiny structure.

>>> from holly_triton import open_dataset, reconstruct, evaluate, render
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holly_triton.api import Evaluation, Reconstruction, evaluate, open_dataset, reconstruct, render
    from holly_triton.core.errors import HollyError
    from holly_triton.particles.cloud.train import Progress
    from holly_triton.particles.config import Config
    from holly_triton.particles.simulate import simulate
    from holly_triton.structures import read_structure

    __version__: str

__all__ = [
    "Config",
    "Evaluation",
    "HollyError",
    "Progress",
    "Reconstruction",
    "evaluate",
    "open_dataset",
    "read_structure",
    "reconstruct",
    "render",
    "simulate",
]

_HOME = {
    "Config": "particles.config",
    "HollyError": "core.errors",
    "Progress": "particles.cloud.train",
    "read_structure": "structures",
    "simulate": "particles.simulate",
}
"""Where a public name lives, if not in ``api``. They are imported on first use: PyTorch takes seconds."""

_here = Path(__file__).parent
if (_here / "kernels").is_file():  # a checkout whose links are text files, as git writes them on Windows
    __path__.append(str(_here.parent))


def __getattr__(name: str) -> Any:
    if name == "__version__":
        found: Any = _version()
    elif name in __all__:
        found = getattr(import_module(f"{__name__}.{_HOME.get(name, 'api')}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("holly-triton")
    except PackageNotFoundError:  # a bare checkout, never installed
        return "0+unknown"
