"""The command ``frames train``: progress while it runs, a clean stop at a signal, and a summary at the end."""

from pathlib import Path
from shlex import quote

from holly_triton.core.lock import alone
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.core.training_bar import under_bar
from holly_triton.core.types import Figures
from holly_triton.frames.config.training import Training
from holly_triton.frames.localise import Model

from .run import Run, carry_out, resume_run, start_run

THOUSAND = 1000


def start_training(model: Path, settings: Training, *, overwrite: bool) -> int:
    """Train a new model; return the exit code."""
    with stoppable() as stop:
        with in_parts(1) as begin:
            begin("simulating validation frames")
            run = start_run(model, settings, overwrite=overwrite)
        return _follow(run, stop)


def resume_training(model: Path) -> int:
    """Continue what was stopped; a finished model is not changed."""
    with stoppable() as stop:
        with in_parts(1) as begin:
            begin("simulating validation frames")
            run = resume_run(model)
        if run.trainer.done >= 1 and model.exists():
            LOG.info("%s: is finished already", model)
            return DONE
        LOG.info("%s: going on at step %d", model, run.trainer.state.step)
        return _follow(run, stop)


def _follow(run: Run, stop: Stop) -> int:
    settings, state = run.trainer.settings, run.trainer.state
    network = run.trainer.localiser
    parameters = sum(weights.numel() for weights in network.network.parameters())
    LOG.info(
        "%s: network %s of width %d, %d thousand parameters; %s emitters; steps of %d frames on %s",
        run.model, settings.network.preset, settings.network.features, parameters // THOUSAND, settings.sampling, state.batch,
        run.trainer.stream.device.type,
    )  # fmt: skip
    with alone(run.folder):
        model = under_bar(state, _words, lambda callback: carry_out(run, callback, lambda: stop.asked))
    _summarise(run, model)
    if run.trainer.done < 1:
        print(
            f"Stopped at step {state.step}; {run.model} is of the training so far. Go on with: holly-triton frames train {quote(str(run.model))} --resume"
        )
        return STOPPED
    return DONE


def _words(figures: Figures) -> str:
    return f"Jaccard {figures['jaccard']:.3f}, 3D efficiency {figures['efficiency_3d']:.3f}"


def _summarise(run: Run, model: Model) -> None:
    figures, state = model.figures, run.trainer.state
    speed = figures["frames"] / max(figures["seconds"], 1e-9)
    print(
        f"{run.model}: {figures['steps']} steps in {figures['seconds']:.0f} s, {speed:.0f} frames a second. On validation frames: "
        f"Jaccard {figures['jaccard']:.3f}, error {figures['rmse_lateral']:.0f} nm lateral and {figures['rmse_axial']:.0f} nm axial, "
        f"3D efficiency {figures['efficiency_3d']:.3f} (means over sparse, medium and crowded frames); threshold {model.threshold:g}."
    )  # fmt: skip
    if state.skipped:
        LOG.warning("%d steps were left out, because their gradients were not finite", state.skipped)
