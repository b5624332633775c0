"""The command ``train``: progress while it runs, a clean stop at a signal, and a summary at the end."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from shlex import quote

from holly_triton.core.distributed import leads, size, summed, wait
from holly_triton.core.errors import HollyError
from holly_triton.core.jobs import Cluster, run_all
from holly_triton.core.lock import alone
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.core.types import Figures
from holly_triton.core.words import counted
from holly_triton.io.metrics import read_metrics
from holly_triton.particles.config import Config
from holly_triton.report import find_warnings
from holly_triton.report.deformation import explain_deformation
from holly_triton.report.numbers import scatter
from holly_triton.report.warnings import HANDED, ONE_SIDE, SIGMA_IN_SPACE

from .bar import under_bar
from .classes import (
    are_classified,
    classify,
    conclude_classification,
    consensus_of,
    is_classified,
    make_classes,
    open_classification,
    open_structure,
    structures_of,
)
from .classes_results import conclude_classes
from .deformation import conclude_deformation, deform, open_deformation
from .held_out import explain_fit, score_held_out
from .imposed import compare_imposed
from .results import write_results
from .run import Run, carry_out, resume_run, run_config, start_run
from .study import Member, check_begun, conclude_study, is_finished, is_study, make_study, members, open_member


def start_training(config: Config, folder: Path, *, overwrite: bool, cluster: Cluster | None = None) -> int:
    """Run a configuration, or each run of a study, in a new folder; return the exit code."""
    with stoppable() as stop:
        if is_classified(config):
            _check_here(config, cluster)
            make_classes(config, folder, overwrite=overwrite)
            return _follow_classes(config, folder, stop)
        if _is_study(config, cluster):
            if leads():
                make_study(config, folder, overwrite=overwrite)
            wait()  # finished runs in a folder that is to be overwritten are not reused
            return _follow_study(config, folder, stop, cluster)
        say(f"Reading {config.data}")
        with in_parts(1) as begin:
            begin("reading")
            run = start_run(config, folder, overwrite=overwrite)
        _introduce(run)
        return _conclude(run, follow(run, stop))


def resume_training(folder: Path, cluster: Cluster | None = None) -> int:
    """Continue what was stopped; finished runs are not changed."""
    with stoppable() as stop:
        config = run_config(folder)
        if is_classified(config):
            _check_here(config, cluster)
            if is_finished(folder):
                return _say_finished(folder)
            begun = structures_of(config, folder) if are_classified(folder) else []
            check_begun(folder, [consensus_of(config, folder), *begun])
            return _follow_classes(config, folder, stop)
        if _is_study(config, cluster):
            if is_finished(folder):
                return _say_finished(folder)
            check_begun(folder, members(config, folder))
            return _follow_study(config, folder, stop, cluster)
        with in_parts(1) as begin:
            begin("reading")
            run = resume_run(folder)
        if run.finished and is_finished(folder):
            return _say_finished(folder)
        if not run.finished:
            say(f"{folder}: going on {_place(run)}")
        return _conclude(run, follow(run, stop))


def _say_finished(folder: Path) -> int:
    say(f"{folder}: is finished already; see {folder / 'report.html'}")
    return DONE


def _is_study(config: Config, cluster: Cluster | None) -> bool:
    """Whether there are several runs, which a cluster requires."""
    if cluster is not None:
        if not is_study(config):
            raise HollyError(f"{cluster}: is for several runs and this is one; add --repeats K or --half-sets")
        if size() > 1:
            raise HollyError(f"{cluster}: has a process for each run; start this one without torchrun")
        cluster.check()
    return is_study(config)


def _follow_study(config: Config, folder: Path, stop: Stop, cluster: Cluster | None) -> int:
    """Carry out the unfinished runs of a study, then compare all of them."""
    runs = members(config, folder)
    again = f"Go on with: holly-triton train --resume {quote(str(folder))}" + (f" {cluster}" if cluster else "")
    if not _follow_members(runs, stop, open_member, cluster):
        print(f"Stopped. {again}")
        return STOPPED
    failed = [member.folder.name for member in runs if not member.finished]
    if failed:
        raise HollyError(f"{folder}: nothing to compare before {', '.join(failed)} is done. {again}")
    if leads():
        with in_parts(1) as begin:
            begin("comparing the runs")
            findings = conclude_study(config, folder)
        print("\n".join(findings))
    agreed = read_metrics(folder).consensus
    which = (
        "the consensus of the runs" if agreed is None or agreed["is_consensus"] else f"run {agreed['reference']} alone"
    )
    print(f"{folder / 'cloud.ply'}: {which}, in nm. See {folder / 'report.html'}")
    return DONE


def _check_here(config: Config, cluster: Cluster | None) -> None:
    """Refuse several processes for a classification, each stage of which needs the one before."""
    if cluster is not None or size() > 1:
        raise HollyError(f"{config.data}: --structures is for one process here; leave out torchrun and --cluster")


def _follow_classes(config: Config, folder: Path, stop: Stop) -> int:
    """Carry out what is left of the consensus, of the classification and of the run of each structure, then compare these."""
    consensus, told = [consensus_of(config, folder)], set[str]()
    after = 1 + config.structures
    if not (_follow_members(consensus, stop, open_member, after=after, told=told) and _classify(config, folder, stop)):
        return _say_stopped(folder)
    if not _follow_members(structures_of(config, folder), stop, open_structure, before=2, told=told):
        return _say_stopped(folder)
    with in_parts(1) as begin:
        begin("comparing the structures")
        findings = conclude_classes(config, folder)
    print("\n".join(findings))
    print(f"See {folder / 'report.html'}")
    return DONE


def _classify(config: Config, folder: Path, stop: Stop) -> bool:
    """Carry out the classification under a bar; True when it is finished."""
    if are_classified(folder):
        return True
    say(f"{folder}: classifying the particles into {config.structures} structures")
    with alone(folder):
        work = open_classification(config, folder)
        if not under_bar(
            work.trainer.state,
            work.trainer.total_steps,
            lambda callback: classify(work, callback, lambda: stop.asked),
            f"part 2 of {2 + config.structures}",
        ):
            return False
        with in_parts(1) as begin:
            begin("comparing held-out particles with the structures")
            conclude_classification(work)
    return not stop.asked


def _say_stopped(folder: Path) -> int:
    print(f"Stopped. Go on with: holly-triton train --resume {quote(str(folder))}")
    return STOPPED


def _follow_members(
    members: Sequence[Member], stop: Stop, opened: Callable[[Member], Run], cluster: Cluster | None = None,
    *, before: int = 0, after: int = 0, told: set[str] | None = None,
) -> bool:  # fmt: skip
    """Carry out what is left of some runs, one after the other here or all on a cluster; False when stopped before the end.

    The study has so many other parts ``before`` and ``after`` them; notes that it has ``told`` are not said again.
    """
    if cluster is not None:
        work = {member.folder: partial(finish_member, member) for member in members if not member.finished}
        return run_all(work, cluster, finished=is_finished, say=say, should_stop=lambda: stop.asked)
    told = set[str]() if told is None else told
    for number, member in enumerate(members, before + 1):
        if member.finished:
            continue
        say(f"{member.folder}")
        if summed(stop.asked):
            return False
        run = opened(member)
        for note in run.notes:
            if note not in told:  # most are those of the runs before
                say(f"  {note}")
        told.update(run.notes)
        if not follow(run, stop, f"part {number} of {before + len(members) + after}"):
            return False
    return True


def finish_member(member: Member) -> None:
    """Carry out or continue one run of a study: the work of a cluster's job."""
    if not member.finished:
        follow(open_member(member), Stop())


def say(sentence: str) -> None:
    """Report progress to the user."""
    LOG.info("%s", sentence)


def _introduce(run: Run) -> None:
    config, plan = run.config, run.trainer.plan
    count = len(run.dataset)
    what = counted(count, run.dataset.noun) + " of 3D localisations" * (config.dimensions == 3)
    for note in run.notes:
        say(f"  {note}")
    say(
        f"{what} of a structure about {2 * run.dataset.radius_nm:.0f} nm across; "
        f"{config.points} points; "
        f"sigma {plan.sigma_start_nm:.0f} to {plan.sigma_end_nm:.1f} nm; on {run.trainer.state.points.device.type}"
    )
    if config.dimensions == 3:
        say(f"  {SIGMA_IN_SPACE}")


def follow(run: Run, stop: Stop, part: str = "") -> bool:
    """Carry a run out under a bar that shows how far it is, and write its results; True when it is finished.

    Args:
        run: The run.
        stop: The signal.
        part: Which of several parts of a study it is, as ``under_bar`` takes it.

    Raises:
        HollyError: Another process is working on it, a file can't be written, or a loss isn't finite.
    """
    with alone(run.folder):
        finished = run.finished or under_bar(
            run.trainer.state,
            run.trainer.plan.total_steps,
            lambda callback: carry_out(run, callback, lambda: stop.asked),
            part,
        )
        deformation = _deform(run, stop, part) if finished and run.config.deformation else None
        finished = finished and run.config.deformation == (deformation is not None)
        held_out = None
        if finished and run.pictures.held_out is not None:
            with in_parts(1) as begin:
                noun = run.dataset.noun
                held = counted(len(run.pictures.held_out), f"held-out {noun}")
                begin(f"searching the poses of {held}, and of as many training {noun}s to compare with")
                held_out = score_held_out(run.pictures, run.trainer)  # on all ranks, each its share
        imposed = None
        if finished and run.config.symmetry is not None:
            with in_parts(1) as begin:
                begin("the same run without the symmetry, to compare held-out particles")
                imposed = compare_imposed(run, lambda: stop.asked)
        if leads() and not run.trainer.state.starts:  # before one is chosen, there is no structure
            write_results(run, held_out, imposed, deformation)
        wait()  # until they are there for all to read
    return finished


def _deform(run: Run, stop: Stop, part: str) -> Figures | None:
    """Fit the deformation of a run whose steps are done; None when stopped before the end."""
    trainer = open_deformation(run)
    if trainer.state.step:
        say(f"{run.folder}: going on at step {trainer.state.step} of the fit of the deformation")
    if not under_bar(
        trainer.state, trainer.total_steps, lambda callback: deform(run, trainer, callback, lambda: stop.asked), part
    ):
        return None
    with in_parts(1) as begin:
        begin("comparing held-out particles with the deformation")
        return conclude_deformation(run, trainer)


def _handedness(config: Config) -> str:
    if config.dimensions == 3:
        return HANDED
    return ONE_SIDE if config.tilt == 0 else "The mirror image, cloud_mirror.ply, fits the pictures equally well."


def _where(run: Run) -> str:
    """At which step a run stopped, and what is in its folder."""
    cloud, see = run.folder / "cloud.ply", f"see {run.folder / 'report.html'}"
    if run.finished:
        return f"in the fit of the deformation; the structure is in {cloud}, {see}"
    if run.trainer.state.starts:
        return f"{_place(run)}, before one was chosen: there is no structure yet"
    return f"{_place(run)} of {run.trainer.plan.total_steps}; the structure so far is in {cloud}, {see}"


def _place(run: Run) -> str:
    """Where in its steps a run is."""
    state = run.trainer.state
    if state.starts:
        return f"in random start {len(state.starts)}"
    return f"at step {state.step}" if state.step else "from the start"


def _conclude(run: Run, finished: bool) -> int:
    folder, state = run.folder, run.trainer.state
    if not finished:
        print(f"Stopped {_where(run)}. Go on with: holly-triton train --resume {quote(str(folder))}")
        return STOPPED
    metrics = read_metrics(folder)
    axial = metrics.axial_blur_nm
    along = "" if axial is None else f", along the microscope's z {scatter(axial, metrics.sigma_nm)} nm"
    seconds = state.seconds + (metrics.deformation or {}).get("seconds", 0.0)
    print(
        f"{folder / 'cloud.ply'}: {counted(len(state.points), 'point')} in nm, after {seconds:.0f} s; label scatter (s.d.) "
        f"{scatter(state.blur_nm(), metrics.sigma_nm)} nm{along}."
    )
    print(" ".join(metrics.findings or ()))
    if metrics.deformation is not None:
        print(explain_deformation(metrics.deformation))
    if metrics.held_out is not None:
        print(explain_fit(metrics.held_out, "held-out", run.config.dimensions, by_label=metrics.labels is not None))
    for warning in find_warnings(folder):
        print(f"Warning: {warning}")
    if run.config.views == "random":
        print(f"If the particles were registered, compare with them: holly-triton evaluate {quote(str(folder))}")
    print(f"{_handedness(run.config)} See {folder / 'report.html'}")
    return DONE
