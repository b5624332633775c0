"""The command ``tomo train``: progress while it runs, a clean stop at a signal, and a summary at the end."""

import math
from pathlib import Path
from shlex import quote

from holly_triton.core.lock import alone
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.core.training_bar import under_bar
from holly_triton.core.types import Figures
from holly_triton.core.words import counted
from holly_triton.tomography.config.training import Training
from holly_triton.tomography.segment.model import Model

from .run import Run, carry_out, resume_run, start_run

THOUSAND = 1000


def start_training(model: Path, settings: Training, *, overwrite: bool) -> int:
    """Train a new model; return the exit code."""
    with stoppable() as stop:
        with in_parts(1) as begin:
            begin("reading tomograms")
            run = start_run(model, settings, overwrite=overwrite)
        return _follow(run, stop)


def resume_training(model: Path) -> int:
    """Continue what was stopped; a finished model is not changed."""
    with stoppable() as stop:
        with in_parts(1) as begin:
            begin("reading tomograms")
            run = resume_run(model)
        if run.trainer.done >= 1 and model.exists():
            LOG.info("%s: is finished already", model)
            return DONE
        LOG.info("%s: going on at step %d", model, run.trainer.state.step)
        return _follow(run, stop)


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
    with alone(run.folder):
        model = under_bar(state, _words, lambda callback: carry_out(run, callback, lambda: stop.asked))
    _summarise(run, model)
    if trainer.done < 1:
        print(
            f"Stopped at step {state.step}; {run.model} is of the training so far. Go on with: holly-triton tomo train --resume {quote(str(run.model))}"
        )
        return STOPPED
    return DONE


def _words(figures: Figures) -> str:
    return f"F1 {figures['f1']:.3f}"


def _summarise(run: Run, model: Model) -> None:
    figures, state = model.figures, run.trainer.state
    each = ", ".join(f"{name} {figures.get(f'f1_{name}', math.nan):.2f}" for name in model.classes)
    error = figures["median_error_voxels"]
    off = f"median error {error:.2f} voxels" if math.isfinite(error) else "no particle was found"
    print(
        f"{run.model}: {counted(int(figures['steps']), 'step')} in {figures['seconds']:.0f} s. On validation tomograms, at thresholds chosen on "
        f"them: F1 {figures['f1']:.3f} ({each}); {off}."
    )
    if state.skipped:
        LOG.warning("%d steps were left out, because their gradients were not finite", state.skipped)
