"""3D structure from microscopy: camera frames to localisations, localisations to one structure, tomograms to particles.

>>> from holly_triton import open_dataset, reconstruct, evaluate, render
>>> from holly_triton import read_model, simulate_frames, localise_frames, evaluate_localisations
>>> from holly_triton import simulate_tomogram, pick_particles, evaluate_picks
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holly_triton.api import Evaluation, Reconstruction, evaluate, open_dataset, reconstruct, render
    from holly_triton.core.errors import HollyError
    from holly_triton.frames.api import evaluate_localisations, localise_frames, read_model, simulate_frames
    from holly_triton.io.particle_lists.reading import read_particles
    from holly_triton.particles.cloud.train import Progress
    from holly_triton.particles.config import Config
    from holly_triton.particles.simulate import simulate
    from holly_triton.structures import read_structure
    from holly_triton.tomography.api import evaluate_picks, pick_particles, simulate_tomogram
    from holly_triton.tomography.config.simulation import TomogramSettings

    __version__: str

__all__ = [
    "Config",
    "Evaluation",
    "HollyError",
    "Progress",
    "Reconstruction",
    "TomogramSettings",
    "evaluate",
    "evaluate_localisations",
    "evaluate_picks",
    "localise_frames",
    "open_dataset",
    "pick_particles",
    "read_model",
    "read_particles",
    "read_structure",
    "reconstruct",
    "render",
    "simulate",
    "simulate_frames",
    "simulate_tomogram",
]

_HOME = {
    "Config": "particles.config",
    "HollyError": "core.errors",
    "Progress": "particles.cloud.train",
    "TomogramSettings": "tomography.config.simulation",
    "evaluate_localisations": "frames.api",
    "evaluate_picks": "tomography.api",
    "localise_frames": "frames.api",
    "pick_particles": "tomography.api",
    "read_model": "frames.api",
    "read_particles": "io.particle_lists.reading",
    "read_structure": "structures",
    "simulate": "particles.simulate",
    "simulate_frames": "frames.api",
    "simulate_tomogram": "tomography.api",
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
