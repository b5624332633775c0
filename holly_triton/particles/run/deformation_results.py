"""The amplitudes of a deformation against the true ones, of simulated particles."""

import csv
from pathlib import Path

import numpy as np

from holly_triton.core.files import foreign
from holly_triton.core.types import Figures
from holly_triton.io.run_files import read_amplitudes
from holly_triton.particles.data.dataset import TRUE_POSES

from .run import run_config


def score_amplitudes(folder: Path) -> Figures | None:
    """How far the amplitudes of a run agree with the true ones; None where it has none, or these are not known.

    Raises:
        HollyError: A file is damaged.
    """
    found = read_amplitudes(folder)
    if found is None:
        return None
    data = Path(run_config(folder).data)
    known = (data if data.is_dir() else data.parent) / TRUE_POSES
    if not known.is_file():
        return None
    with foreign(known, "true poses"), known.open(newline="", encoding="utf-8") as file:
        true = {row["picture"]: float(row["amplitude_nm"]) for row in csv.DictReader(file) if "amplitude_nm" in row}
    if not {*found.names} <= true.keys():
        return None
    truth = np.array([true[name] for name in found.names])
    slope = np.polyfit(truth, found.amplitude_nm, 1)[0] if np.ptp(truth) > 0 else 0.0
    sign = 1 if slope >= 0 else -1  # which way is positive is a convention
    return {
        "particles": len(truth),
        "correlation": float(abs(np.corrcoef(truth, found.amplitude_nm)[0, 1])) if slope else 0.0,
        "slope": float(abs(slope)),
        "rms_nm": float(
            np.sqrt(np.mean((sign * (found.amplitude_nm - found.amplitude_nm.mean()) - truth + truth.mean()) ** 2))
        ),
        "true_sd_nm": float(truth.std()),
    }


def explain_amplitudes(figures: Figures) -> str:
    """The result of ``score_amplitudes`` in a line."""
    return (
        f"\nThe amplitudes of {figures['particles']} particles correlate with the true ones by {figures['correlation']:.3f}; they differ by "
        f"{figures['rms_nm']:.2g} nm (root mean square), and the true ones have a standard deviation of {figures['true_sd_nm']:.2g} nm."
    )
