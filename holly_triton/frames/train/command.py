"""The command ``frames train``: what it says of a training before and after it."""

from pathlib import Path
from shlex import quote

from holly_triton.core.log import LOG
from holly_triton.core.stop import Stop
from holly_triton.core.training_command import carried_out, ended, resume, start
from holly_triton.core.types import Figures
from holly_triton.frames.config.training import Training
from holly_triton.frames.localise import Model

from .run import Run, carry_out, resume_run, start_run

PREPARING = "simulating validation frames"
THOUSAND = 1000


def start_training(model: Path, settings: Training, *, overwrite: bool) -> int:
    """Train a new model; return the exit code."""
    return start(PREPARING, lambda: start_run(model, settings, overwrite=overwrite), _follow)


def resume_training(model: Path) -> int:
    """Continue what was stopped; a finished model is not changed."""
    return resume(PREPARING, lambda: resume_run(model), _follow)


def _follow(run: Run, stop: Stop) -> int:
    settings, state = run.trainer.settings, run.trainer.state
    network = run.trainer.localiser
    parameters = sum(weights.numel() for weights in network.network.parameters())
    LOG.info(
        "%s: network %s of width %d, %d thousand parameters; %s emitters; steps of %d frames on %s",
        run.model, settings.network.preset, settings.network.features, parameters // THOUSAND, settings.sampling, state.batch,
        run.trainer.stream.device.type,
    )  # fmt: skip
    _summarise(run, carried_out(run, stop, _words, carry_out))
    return ended(run, f"holly-triton frames train {quote(str(run.model))} --resume")


def _words(figures: Figures) -> str:
    return f"Jaccard {figures['jaccard']:.3f}, 3D efficiency {figures['efficiency_3d']:.3f}"


def _summarise(run: Run, model: Model) -> None:
    figures = model.figures
    speed = figures["frames"] / max(figures["seconds"], 1e-9)
    print(
        f"{run.model}: {figures['steps']} steps in {figures['seconds']:.0f} s, {speed:.0f} frames a second. On validation frames: "
        f"Jaccard {figures['jaccard']:.3f}, error {figures['rmse_lateral']:.0f} nm lateral and {figures['rmse_axial']:.0f} nm axial, "
        f"3D efficiency {figures['efficiency_3d']:.3f} (means over sparse, medium and crowded frames); threshold {model.threshold:g}."
    )  # fmt: skip
