"""Several runs of the same data, or of two halves of the particles: their consensus and their agreement.

A study's folder holds a run folder for each of its members, and in itself what they have in common: the consensus
as cloud.ply, spread.csv (the positional error of each of its points between members), metrics.json and report.html.
Where no two members agree there is no consensus: cloud.ply is then that of the reference run, there is no spread.csv, and
metrics.json (``consensus.is_consensus``) and the report say so.
"""

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from holly_triton.core.config import write_config
from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.folder import make_folder
from holly_triton.geometry import mirror
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.io.metrics import METRICS, Metrics, read_metrics, write_metrics
from holly_triton.io.run_files import read_run_channels, unfinished
from holly_triton.particles.config import Config, Part
from holly_triton.report import REPORT
from holly_triton.report.agreement import explain_consensus, explain_resolution
from holly_triton.validation import angular_order, consensus, fsc

from .results import draw_cloud, report_run
from .run import WRITTEN, Run, absolute, bound, check_place, open_whole, pictures_of, resume_run, run_config, start_run
from .trainers import settled


@dataclasses.dataclass(frozen=True)
class Member:
    """One run of a study."""

    folder: Path
    config: Config

    @property
    def finished(self) -> bool:
        """Whether its results are written."""
        return is_finished(self.folder)


def is_finished(folder: Path) -> bool:
    """Whether the results of a finished run, or the consensus of a study, are written: the report is the last of them."""
    if not all((folder / name).is_file() for name in (REPORT, METRICS)):
        return False
    with suppress(HollyError):  # a damaged file; going on with the run writes it again
        return read_metrics(folder).finished is True
    return False


def is_study(config: Config) -> bool:
    """Whether a configuration is for several runs."""
    return config.repeats > 1 or config.half_sets


def members(config: Config, folder: Path) -> list[Member]:
    """The runs of a study: repeats differ in their seed, halves in their particles too."""
    alone = dataclasses.replace(config, repeats=1, half_sets=False)
    if config.half_sets:
        # Seeds of their own: halves that start from one cloud would agree on more than their data determine.
        parts: tuple[Part, Part] = ("odd", "even")
        return [
            Member(folder / f"half-{half + 1}", dataclasses.replace(alone, part=part, seed=config.seed + half))
            for half, part in enumerate(parts)
        ]
    repeats = range(config.repeats)
    return [
        Member(folder / f"repeat-{repeat + 1}", dataclasses.replace(alone, seed=config.seed + repeat))
        for repeat in repeats
    ]


def make_study(config: Config, folder: Path, *, overwrite: bool) -> None:
    """A folder for a study, and in it its configuration, with the number of points that all members have.

    Raises:
        HollyError: The data are unusable, the folder exists (and ``overwrite`` is not set) or can't be written.
    """
    if config.exclude and config.views == "random":
        raise HollyError("--exclude: names views of one run, and each run of a study draws others; leave it out")
    check_place(folder, overwrite)
    dataset = open_whole(config)
    for member in members(config, folder):
        pictures_of(dataset, member.config)
    # All members have as many points: half sets of their own numbers would not compare.
    config = settled(config, dataset)
    make_folder(folder, overwrite, WRITTEN)
    write_config(folder / "config.toml", absolute(config))


def open_member(member: Member) -> Run:
    """A member's run in its last saved state."""
    if (member.folder / "config.toml").is_file():
        return resume_run(member.folder)
    return start_run(member.config, member.folder, overwrite=True)


SETTLED = ("points", "choose_points", "dimensions", "channels")
"""Settings that ``settled`` gives a value."""


def check_begun(folder: Path, begun: Sequence[Member]) -> None:
    """Refuse settings of a study that were changed since its runs were begun, and on which these depend.

    Raises:
        HollyError: There are such settings.
    """
    path = folder / "config.toml"
    for member in begun:
        changed = list[str]()
        with suppress(HollyError):  # of a run that is not begun, or whose settings are damaged, which it says itself
            before, now = run_config(member.folder), member.config
            # Earlier versions left some of them to each run.
            unknown = {name for name in SETTLED if None in (getattr(before, name), getattr(now, name))}
            changed = bound((name for name in before.differing(now) if name not in unknown), now)
        if changed:
            raise HollyError(
                f"{path}: changed since {member.folder.name} was begun: {', '.join(changed)}; set {', '.join(changed)} back, or "
                f"start another study with --config {path} --out"
            )


def finished_run(folder: Path) -> Run:
    """A single finished run.

    Raises:
        HollyError: The run or its data are missing, it is not finished, or it is a study of several.
    """
    config = run_config(folder)
    if is_study(config) or config.structures > 1:
        one = "structure-1" if config.structures > 1 else "half-1" if config.half_sets else "repeat-1"
        raise HollyError(f"{folder}: holds several runs; pass the folder of one of them, such as {folder / one}")
    run = resume_run(folder)
    if not run.finished:
        raise unfinished(folder)
    return run


def conclude_study(config: Config, folder: Path) -> list[str]:
    """Compare the members' clouds and write their consensus; the findings, in sentences.

    Raises:
        HollyError: A file can't be read or written.
    """
    runs = members(config, folder)
    clouds = [read_cloud(run.folder / "cloud.ply").points for run in runs]
    metrics_of = [read_metrics(run.folder) for run in runs]
    common = consensus.find_consensus(clouds, _losses(config, metrics_of))
    findings = [explain_consensus(common)]
    metrics = dataclasses.replace(_common(config, metrics_of), consensus=common.figures())
    if config.half_sets:
        found = fsc.find_resolution(clouds[0], clouds[1], max(_sigma(run) for run in metrics_of))
        findings.append(explain_resolution(found))
        order = angular_order.confirm_order(common.aligned[0], common.aligned[1])
        metrics = dataclasses.replace(metrics, resolution=found.figures(), angular_order=order)
    # The consensus has the points of its reference run, moved, in their order.
    channels = read_run_channels(runs[common.reference].folder)
    write_cloud(folder / "cloud.ply", common.points, channels)
    write_cloud(folder / "cloud_mirror.ply", mirror(common.points), channels)
    if common.is_consensus:
        _write_spread(folder / "spread.csv", common)
    write_metrics(folder, dataclasses.replace(metrics, findings=findings))
    draw_cloud(folder / "pictures" / "cloud.png", common.points, channels=channels)
    report_run(folder)
    return findings


def _losses(config: Config, metrics_of: Sequence[Metrics]) -> list[float] | None:
    """The members' losses, if they are comparable: for the same pictures, drawn at about the same sigma."""
    sigmas = [_sigma(run) for run in metrics_of]
    if config.half_sets or config.views == "random" or max(sigmas) > 1.05 * min(sigmas):
        return None
    return [run.loss for run in metrics_of if run.loss is not None]


def _sigma(metrics: Metrics) -> float:
    """Sigma of the last drawing, nm."""
    assert metrics.sigma_nm is not None  # a finished run has at least one step
    return metrics.sigma_nm


def _common(config: Config, metrics_of: Sequence[Metrics]) -> Metrics:
    """Figures of the members together."""
    first = metrics_of[0]
    pictures = [run.pictures or 0 for run in metrics_of]
    rows = [run.localisations or 0 for run in metrics_of]
    return Metrics(
        finished=True,
        seconds=sum(run.seconds or 0 for run in metrics_of),
        energy_wh=sum(run.energy_wh or 0 for run in metrics_of) or None,
        points=first.points,
        channels=first.channels,
        dimensions=first.dimensions,
        pictures=sum(pictures) if config.half_sets else max(pictures),
        device=first.device,
        threads=first.threads,
        data_path=first.data_path,
        data_files=first.data_files,
        localisations=(sum(rows) if config.half_sets else max(rows)) or None,
        notes=first.notes,
        doubts=first.doubts,
        versions=first.versions,
    )


def _write_spread(path: Path, common: consensus.Consensus) -> None:
    table = np.column_stack([common.points, common.spread_nm])
    with replacing(path) as partial:
        np.savetxt(partial, table, fmt="%.4f", delimiter=",", header="x [nm],y [nm],z [nm],spread [nm]", comments="")
