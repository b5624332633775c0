"""The bar of a run: its stage, its steps, its loss and its sigma; without a terminal, a few lines about them."""

from collections.abc import Callable

from rich.progress import BarColumn, Progress, TextColumn

from holly_triton.core.console import console
from holly_triton.core.log import LOG
from holly_triton.core.progress import Pace, watched
from holly_triton.particles.classes.state import ClassState
from holly_triton.particles.cloud.train import Progress as Step
from holly_triton.particles.deformation.state import DeformationState
from holly_triton.particles.state import State

STAGES = {
    "starts": "choosing a start",
    "search": "searching poses",
    "rescue": "searching poorly fitted poses again",
    "train": "training",
    "polish": "polishing",
    "sharpen": "fitting the finest detail",
    "refine": "refining poses",
    "separate": "fitting each channel",
    "number": "choosing the number of points",
    "poses": "searching all poses",
    "classify": "classifying particles",
    "compare": "comparing all particles",
    "deform": "fitting the deformation",
    "amplitudes": "fitting all amplitudes",
}
REPORTS = 5
"""Lines about the progress of a run where there is no terminal for a bar."""
WIDE = 120
"""Columns of a terminal where loss and sigma have room in the bar; on a narrower one all else would be cut."""


def under_bar(
    state: State | ClassState | DeformationState,
    total: int,
    work: Callable[[Callable[[Step], None]], bool],
    part: str = "",
) -> bool:
    """Carry out work that reports each of its steps; its result.

    Args:
        state: Of the work.
        total: Its steps.
        work: Calls what it is given after every step.
        part: Which of several parts of a study it is, ``part 2 of 4``; the time left is that of the part.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=8), TextColumn("{task.completed}/{task.total}"),
        *[TextColumn("loss {task.fields[loss]:.4g}  sigma {task.fields[sigma]:.1f} nm")] * (console.width >= WIDE),
        TextColumn("{task.fields[left]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not watched()) as bar:
        task = bar.add_task(
            "starting", total=total, completed=state.step, loss=float("nan"), sigma=float("nan"), left=part
        )
        pace, last = Pace(), state.step

        def callback(step: Step) -> None:
            nonlocal pace, last
            if step.step > last + 1:  # steps were left out, which took no time
                pace = Pace()
            last = step.step
            left = "" if step.stage == "starts" else pace.left(state.seconds, step.step, total)
            left = f"{left} in {part}" if left and part else left or part
            stage = STAGES[step.stage]
            bar.update(task, completed=step.step, description=stage, loss=step.loss, sigma=step.sigma_nm, left=left)
            if (
                not console.is_terminal
                and step.step
                and REPORTS * step.step // total > REPORTS * (step.step - 1) // total
            ):
                said = f"{stage}: step {step.step} of {total}, loss {step.loss:.4g}, sigma {step.sigma_nm:.1f} nm"
                LOG.info("%s", f"{said}, {state.seconds:.0f} s{left and ', '}{left}")

        return work(callback)
