"""The command ``tomo train``: what it says of a training before and after it."""

import math
from pathlib import Path
from shlex import quote

from holly_triton.core.log import LOG
from holly_triton.core.stop import Stop
from holly_triton.core.training_command import carried_out, ended, resume, start
from holly_triton.core.types import Figures
from holly_triton.core.words import counted
from holly_triton.tomography.config.training import Training
from holly_triton.tomography.segment.model import Model

from .run import Run, carry_out, resume_run, start_run

PREPARING = "reading tomograms"
THOUSAND = 1000


def start_training(model: Path, settings: Training, *, overwrite: bool) -> int:
    """Train a new model; return the exit code."""
    return start(PREPARING, lambda: start_run(model, settings, overwrite=overwrite), _follow)


def resume_training(model: Path) -> int:
    """Continue what was stopped; a finished model is not changed."""
    return resume(PREPARING, lambda: resume_run(model), _follow)


def _follow(run: Run, stop: Stop) -> int:
    settings, trainer, state = run.trainer.settings, run.trainer, run.trainer.state
    kinds = trainer.source.kinds
    parameters = sum(weights.numel() for weights in trainer.network.parameters())
    LOG.info(
        "%s: network %s, %d thousand parameters; targets %s; %d classes: %s; voxels of %.4g Å; steps of %d patches of %d voxels on %s",
        run.model, settings.network.preset, parameters // THOUSAND, settings.targets, len(kinds.classes),
        ", ".join(f"{name} (radius {radius:.0f} Å)" for name, radius in zip(kinds.classes, kinds.radii, strict=True)),
        kinds.voxel, state.batch, trainer.side, trainer.device.type,
    )  # fmt: skip
    _summarise(run, carried_out(run, stop, _words, carry_out))
    return ended(run, f"holly-triton tomo train --resume {quote(str(run.model))}")


def _words(figures: Figures) -> str:
    return f"F1 {figures['f1']:.3f}"


def _summarise(run: Run, model: Model) -> None:
    figures = model.figures
    each = ", ".join(f"{name} {figures.get(f'f1_{name}', math.nan):.2f}" for name in model.classes)
    error = figures["median_error_voxels"]
    off = f"median error {error:.2f} voxels" if math.isfinite(error) else "no particle was found"
    print(
        f"{run.model}: {counted(int(figures['steps']), 'step')} in {figures['seconds']:.0f} s. On validation tomograms, at thresholds chosen on "
        f"them: F1 {figures['f1']:.3f} ({each}); {off}."
    )
