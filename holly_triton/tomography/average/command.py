"""The command ``tomo average``: picks and tomograms to averages, curves, poses and a summary; stoppable and resumable."""

import json
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, replacing
from holly_triton.core.folder import check_free
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.resumption import check_options
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.core.words import counted
from holly_triton.geometry.groups import point_group
from holly_triton.io.volumes.masks import as_mask
from holly_triton.io.volumes.reading import read_volume
from holly_triton.tomography.config.averaging import MASK_RADIUS, SAME_VOXEL, Averaging
from holly_triton.tomography.inspection.values import distinct_values
from holly_triton.tomography.structures import Density, draw_map, read_density

from .fsc import soft_sphere
from .gathering import Gathered, Opened, Source, gather, gather_control, open_source
from .particles import Poses
from .refinement import Plan, State, StoppedError, begin, iterate
from .results import PROGRESS, SUMMARY, WRITTEN, Result, resulting, write_results

HALF_VOXELS = 2.0
"""Resolution at which a given structure is drawn as a reference, voxels."""


class Options(NamedTuple):
    """What the command line gives, beside the picks, the tomograms and the settings."""

    reference: str | None = None
    truth: str | None = None
    mask: Path | None = None
    control: int = 0
    device: str = "auto"
    resume: bool = False
    overwrite: bool = False


class Work(NamedTuple):
    """What is averaged, and how."""

    gathered: Gathered
    plan: Plan
    state: State


def average_files(out: Path, source: Source, settings: Averaging, options: Options) -> int:
    """Average picks; return the exit code.

    Raises:
        HollyError: A file can't be read or written, or the picks, tomograms and options do not fit each other.
    """
    _check_folder(out, options)
    _check_symmetry(settings.symmetry)
    device = find_device(options.device)
    reference = None if options.reference is None else read_density(options.reference)
    truth = None if options.truth is None else read_density(options.truth)
    opened = open_source(source, reference)
    began = time.monotonic()
    with stoppable() as stop:
        with in_parts(1) as start:
            start("cutting out")
            works = _works(source, opened, settings, options, reference, device)
        print(f"{len(works[0].gathered.picks)} particles, boxes of {opened.size} voxels of {works[0].plan.voxel:g} Å")
        key = _key(source, settings, options, works)
        if options.resume:
            works = _resumed(out, works, key)
        _make_place(out, options)
        try:
            _refine(works, out, key, stop)
        except StoppedError:
            done = sum(work.state.iteration for work in works)
            again = f"go on with the same command and --resume ({counted(done, 'iteration')} done and kept)" if _saved(out) else "nothing was kept"  # fmt: skip
            print(f"Stopped; {again}")
            return STOPPED
    results = [resulting(work.gathered, work.plan, work.state, truth) for work in works]
    summary = _summary(source, settings, options, opened, works, results)
    summary["seconds"] = round(time.monotonic() - began, 1)
    write_results(out, results, works[0].plan, summary)
    (out / PROGRESS).unlink(missing_ok=True)
    _say(out, results)
    return DONE


def _check_folder(out: Path, options: Options) -> None:
    if options.resume:
        if not _saved(out) and (out / SUMMARY).is_file():
            raise HollyError(f"{out}: is finished already; to make it again, pass --overwrite in place of --resume")
        if not _saved(out):
            raise HollyError(f"{out}: holds no average that was stopped; leave out --resume")
        return
    if _saved(out) and not options.overwrite:
        raise HollyError(f"{out}: holds an average that was stopped; go on with --resume, or pass --overwrite")
    check_free(out, options.overwrite, "average")


def _make_place(out: Path, options: Options) -> None:
    """The folder, without what an earlier average left; only now, when all that was given has turned out to be usable."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in () if options.resume else WRITTEN:
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise HollyError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error


def _saved(out: Path) -> bool:
    return (out / PROGRESS).is_file()


def _check_symmetry(name: str) -> None:
    try:
        point_group(name)
    except ValueError as error:
        raise HollyError(f"--symmetry: {error}") from None


def _works(
    source: Source, opened: Opened, settings: Averaging, options: Options, reference: Density | None, device: torch.device
) -> list[Work]:  # fmt: skip
    """The picks and, where asked for, the control, each before its first iteration."""
    gathered = [gather(source, opened, device)]
    generator = torch.Generator().manual_seed(settings.seed)
    if options.control:
        gathered.append(gather_control(source, opened, options.control, device, generator))
    voxel = opened.voxel * source.binning
    mask = _mask(options.mask, opened.size, voxel).to(device)
    start = None if reference is None else drawn(reference, opened.size, voxel).to(device)
    works: list[Work] = []
    for some in gathered:
        rotation = some.rotation
        if not settings.align and rotation is None and not works:
            raise HollyError(f"{source.picks}: holds no rotations to average at; leave out --no-align")
        poses = None if rotation is None else Poses.of(rotation, some.remainder)
        plan = Plan(settings, mask, start, rotation is not None, some.particles.imaging)
        if works:  # a control has no rotations of its own, and goes through as many iterations
            plan = plan._replace(settings=_as_many(settings, works[0].plan))
        works.append(Work(some, plan, begin(some.particles, plan, poses, some.remainder, generator)))
    return works


def _as_many(settings: Averaging, plan: Plan) -> Averaging:
    return Averaging(**{**settings.table(), "iterations": max(1, plan.iterations), "align": plan.settings.align})


def drawn(density: Density, size: int, voxel: float) -> Tensor:
    """A structure as a reference ``[n, n, n]``."""
    return draw_map(density, size, voxel, HALF_VOXELS * voxel)


def _mask(path: Path | None, size: int, voxel: float) -> Tensor:
    if path is None:
        return soft_sphere(size)
    volume = read_volume(path, None)
    if volume.values.shape != (size, size, size) or abs(volume.voxel / voxel - 1) > SAME_VOXEL:
        raise HollyError(
            f"{path}: has {' x '.join(map(str, volume.values.shape))} voxels of {volume.voxel:g} Å; a mask here has {size} x {size} x "
            f"{size} of {voxel:g} Å"
        )
    few = distinct_values(volume.values)
    if few is not None and len(few) == 2:  # such as 0 and 1 in IMOD's signed bytes, or 0 and 255
        return torch.from_numpy(as_mask(path, volume.values)).float()
    values = torch.from_numpy(np.array(volume.values, dtype=np.float32))
    if not (float(values.min()) >= 0 and 0 < float(values.max()) <= 1):
        raise HollyError(f"{path}: has values from {float(values.min()):g} to {float(values.max()):g}; a mask has 0 outside and 1 inside")  # fmt: skip
    return values


def _refine(works: list[Work], out: Path, key: dict[str, Any], stop: Stop) -> None:
    """All iterations of all, each saved as it ends; the list has the state that was saved last, also after a stop."""
    parts = sum(work.plan.iterations - work.state.iteration for work in works)
    with in_parts(max(1, parts)) as next_part:
        for number, work in enumerate(works):
            what = "control, iteration" if number else "iteration"
            while work.state.iteration < work.plan.iterations:
                next_part(f"{what} {work.state.iteration + 1} of {work.plan.iterations}")
                state = iterate(work.gathered.particles, work.plan, work.state, lambda: stop.asked)
                work = works[number] = work._replace(state=state)
                _save(out, works, key)
                LOG.info("%s %d of %d: the halves agree %s", what.capitalize(), state.iteration, work.plan.iterations, _to(state.history[-1]))  # fmt: skip


def _key(source: Source, settings: Averaging, options: Options, works: list[Work]) -> dict[str, Any]:
    """What has to be the same for an average to be resumed."""
    given = {
        **source._asdict(), "picks": str(source.picks), "tomograms": [str(path) for path in source.tomograms],
        "optics": None if source.optics is None else source.optics.table(), "settings": settings.table(),
        "reference": options.reference, "control": options.control, "particles": [len(work.gathered.picks) for work in works],
    }  # fmt: skip
    kept: dict[str, Any] = json.loads(json.dumps(given))  # as it is read again
    return kept


def _save(out: Path, works: list[Work], key: dict[str, Any]) -> None:
    states = [
        {
            "half": work.state.half.cpu(), "rotation": work.state.poses.rotation.cpu(), "shift": work.state.poses.shift.cpu(),
            "score": work.state.poses.score.cpu(), "correlation": work.state.correlation.cpu(), "highest": work.state.highest,
            "iteration": work.state.iteration, "history": list(work.state.history),
        }
        for work in works
    ]  # fmt: skip
    with replacing(out / PROGRESS) as partial:
        torch.save({"key": key, "states": states}, partial)


def _resumed(out: Path, works: list[Work], key: dict[str, Any]) -> list[Work]:
    path = out / PROGRESS
    with foreign(path, "an average that was stopped"):
        saved: dict[str, Any] = torch.load(path, weights_only=True)
        states = [_state(one, work.state.half.device) for one, work in zip(saved["states"], works, strict=False)]
    check_options(out, saved["key"], key)
    return [work._replace(state=state) for work, state in zip(works, states, strict=True)]


def _state(saved: dict[str, Any], device: torch.device) -> State:
    tensors = {name: value.to(device) for name, value in saved.items() if isinstance(value, Tensor)}
    poses = Poses(tensors["rotation"], tensors["shift"], tensors["score"])
    return State(
        tensors["half"], poses, saved["highest"], tensors["correlation"], saved["iteration"], tuple(saved["history"])
    )


def _summary(
    source: Source, settings: Averaging, options: Options, opened: Opened, works: list[Work], results: list[Result]
) -> dict[str, Any]:  # fmt: skip
    """What ``summary.json`` holds, without the times."""
    main, plan = works[0], works[0].plan
    side = opened.size * plan.voxel
    mask: dict[str, Any] = {"kind": "sphere", "radius_angstrom": MASK_RADIUS * side}
    return {
        "particles": len(main.gathered.picks), "class": source.name or main.gathered.picks.classes[0],
        "outside": main.gathered.outside, "voxel_angstrom": plan.voxel, "binning": source.binning,
        "box_voxels": opened.size, "box_angstrom": side, "symmetry": settings.symmetry, "tilt_deg": list(source.tilt),
        "optics": None if source.optics is None else source.optics.table(), "contrast": source.contrast,
        "reference": options.reference, "aligned": settings.align, "iterations": main.state.iteration,
        "history_angstrom": list(main.state.history), "criterion": 0.143,
        "mask": mask if options.mask is None else {"kind": "file", "file": str(options.mask)},
        **results[0].figures, "seed": settings.seed,
        "control": None if len(works) == 1 else {"particles": len(works[1].gathered.picks), **results[1].figures},
    }  # fmt: skip


def _say(out: Path, results: list[Result]) -> None:
    main = results[0].figures
    print(f"{out}: {_agreement(main)} (FSC 0.143)")
    truth = main["truth_angstrom"]
    if truth is not None:
        print(f"The average agrees with the truth {_to(truth, main['finest_angstrom'])} (FSC 0.5)")
    if len(results) > 1:
        print(f"Control, random positions treated alike: {_agreement(results[1].figures)}")
        if main["reference_angstrom"] is not None and math.isfinite(results[1].figures["resolution_angstrom"]):
            print("Detail no finer than that may come from the first reference, which both halves share")


def _agreement(figures: dict[str, Any]) -> str:
    return f"the halves agree {_to(figures['resolution_angstrom'], figures['finest_angstrom'])}"


def _to(detail: float, finest: float = 0.0) -> str:
    limited = ", the limit of the voxels" if detail <= finest else ""
    return f"to {detail:.1f} Å{limited}" if math.isfinite(detail) else "in no detail"
