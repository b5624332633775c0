"""The command ``frames train``: progress while it runs, a clean stop at a signal, and a summary at the end."""

import time
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from holly_triton.core.lock import alone
from holly_triton.core.log import LOG
from holly_triton.core.progress import console, in_parts, watched
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.frames.config import Training
from holly_triton.frames.localise import Model

from .run import Run, carry_out, resume_run, start_run
from .trainer import Step

SECONDS_BETWEEN_LINES = 60.0
"""Of the words that replace a bar where there is no terminal."""
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
        model = _step_under_bar(run, stop)
    _summarise(run, model)
    if run.trainer.done < 1:
        print(
            f"Stopped at step {state.step}; {run.model} is of the training so far. Go on with: holly-triton frames train {run.model} --resume"
        )
        return STOPPED
    return DONE


def _step_under_bar(run: Run, stop: Stop) -> Model:
    columns = (
        TextColumn("training"), BarColumn(), TextColumn("{task.percentage:.0f} %  step {task.fields[step]}"),
        TextColumn("{task.fields[figures]}"), TimeElapsedColumn(),
    )  # fmt: skip
    state, said, shown = run.trainer.state, time.monotonic(), len(run.trainer.state.history)
    with Progress(*columns, console=console, disable=not watched()) as bar:
        task = bar.add_task("training", total=1.0, step=state.step, figures="")

        def callback(step: Step) -> None:
            nonlocal said, shown
            figures = ""
            if state.history:
                last = state.history[-1]
                figures = f"Jaccard {last['jaccard']:.3f}, 3D efficiency {last['efficiency_3d']:.3f}"
            bar.update(task, completed=step.done, step=step.step, figures=figures)
            if not console.is_terminal and (
                len(state.history) > shown or time.monotonic() - said > SECONDS_BETWEEN_LINES
            ):
                said, shown = time.monotonic(), len(state.history)
                loss = float(step.figures["loss"])
                LOG.info(
                    "%3.0f %%: step %d, loss %.3f, %s", 100 * step.done, step.step, loss, figures or "not yet validated"
                )

        return carry_out(run, callback, lambda: stop.asked)


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
