"""``holly-triton tomo reproduce``: figures of the two papers with our methods, the papers' own, and a peer."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from holly_triton.core.jobs import Where
from holly_triton.tomography.config.network import Device
from holly_triton.tomography.paper.config import METHODS, SCALES
from holly_triton.tomography.paper_xu.config import ARMS, LEFT_OUT_CLASSES

from ..options import SOME_PATH, cluster_options, find_cluster, words


@click.command(short_help="Repeat figures and tables of two papers on simulated data.")
@click.option("--structures", type=SOME_PATH, multiple=True, required=True, metavar="FOLDER", help="Where the maps and models are; folders in it are searched. For figures several may be given, with 4v4r.mrc, 2uv8.mrc, 3j9i.mrc, 6utj.mrc, 3ipm.mrc, 1MNF.pdb.gz and 1aon.pdb.gz.")  # fmt: skip
@click.option("--table", type=click.Choice(["2", "3"]), help="A table of Xu et al. 2017, in place of the figures of Moebel et al. 2018.")  # fmt: skip
@click.option("--scale", type=click.Choice(list(SCALES)), default="small", show_default=True, help="paper: data and networks of the paper's size, for a GPU.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Repetitions of everything. [default: for figures 2, or 3 at the scale paper; for a table 1]")  # fmt: skip
@click.option("--methods", "listed", metavar="LIST", help=f"What is compared. For figures {', '.join(METHODS)}; for table 2 {', '.join(ARMS)}; for table 3 one of these. [default: all; for table 3 own-anew]")  # fmt: skip
@click.option("--leave-out", metavar="LIST", help=f"Classes that table 3 leaves out, one at a time. [default: {', '.join(LEFT_OUT_CLASSES['small'])}, or all at the scale paper]")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Of each training of the figures, in place of the scale's.")  # fmt: skip
@click.option("--pytme", type=SOME_PATH, metavar="PROGRAM", help="pytme of an environment of its own, for the figures. [default: on the search path, or left out with the reason]")  # fmt: skip
@click.option("--device", type=words(Device), default="auto", show_default=True)
@click.option("--out", type=SOME_PATH, default=Path("reports/tomography"), show_default=True, metavar="FOLDER")
@cluster_options
def reproduce(
    table: str | None, listed: str | None, leave_out: str | None, cluster: Where | None, cluster_options: str | None, **given: Any
) -> None:  # fmt: skip
    """Repeat figures 7, 8 and 11 to 13 of Moebel et al. 2018 (DeepFinder), or a table of Xu et al. 2017, on simulated data.

    Figures: nine classes are picked at three levels of noise and three ranges of tilts by our network, by the paper's recipe, by
    template matching with a threshold of its own and with an oracle's, and by pytme. Table 2: subtomograms of ten classes (22 at
    the scale paper) and of noise are classified by our network, by the paper's two, and by its baseline. Table 3: each of several
    classes is left out of a training, then searched for by tomo discover. What is finished is kept in FOLDER/runs or FOLDER/nets:
    the same command continues, or adds seeds. With --cluster each network of a table is a job.

    \b
    Examples:
      holly-triton tomo reproduce --structures structures/
      holly-triton tomo reproduce --structures structures/ --table 2 --methods own,rif-svm
    """
    if leave_out is not None and table != "3":
        raise click.UsageError("--leave-out is for --table 3")
    if table is None and cluster is not None:
        raise click.UsageError("--cluster is for --table")
    jobs = find_cluster(cluster, cluster_options)
    if table is None:
        sys.exit(_figures(_chosen(listed, METHODS), **given))
    for name in ("steps", "pytme"):
        if given.pop(name) is not None:
            raise click.UsageError(f"--{name} is for the figures of Moebel et al. 2018; leave it out with --table")
    if table == "2":
        sys.exit(_table(_chosen(listed, list(ARMS)), cluster=jobs, **given))
    arms = _chosen(listed or "own-anew", [arm for arm in ARMS if arm != "rif-svm"])
    if len(arms) > 1:
        raise click.UsageError("table 3 is of one network; give one of --methods")
    sys.exit(_left_out(arms[0], leave_out, cluster=jobs, **given))


def _figures(methods: Sequence[str], scale: str, steps: int | None, structures: tuple[Path, ...], **given: Any) -> int:
    import dataclasses

    from holly_triton.tomography.paper.reproduce import Study
    from holly_triton.tomography.paper.reproduce import reproduce as carry_out

    settings = SCALES[scale]
    if steps is not None:
        settings = dataclasses.replace(settings, steps=steps)
    seeds = given.pop("seeds") or settings.seeds
    return carry_out(
        Study(name=scale, scale=settings, structures=structures, seeds=seeds, methods=methods, **given)  # type: ignore[arg-type]
    )


def _table(arms: Sequence[str], scale: str, structures: tuple[Path, ...], seeds: int | None, **given: Any) -> int:
    from holly_triton.tomography.paper_xu.config import SCALES as TABLE_SCALES
    from holly_triton.tomography.paper_xu.study import Table, reproduce_table

    settings = TABLE_SCALES[scale]
    return reproduce_table(
        Table(scale, settings, _only(structures), arms=arms, seeds=seeds or 1, **given)  # type: ignore[arg-type]
    )


def _left_out(
    arm: str, leave_out: str | None, scale: str, structures: tuple[Path, ...], seeds: int | None, **given: Any
) -> int:
    from holly_triton.tomography.paper_xu.config import SCALES as TABLE_SCALES
    from holly_triton.tomography.paper_xu.left_out import LeaveOneOut, reproduce_left_out

    settings = TABLE_SCALES[scale]
    classes = _chosen(
        leave_out or ",".join(LEFT_OUT_CLASSES[scale]), [stand.name for stand in settings.classes], "--leave-out"
    )
    return reproduce_left_out(
        LeaveOneOut(scale, settings, _only(structures), classes=classes, arm=arm, seeds=seeds or 1, **given)  # type: ignore[arg-type]
    )


def _only(structures: tuple[Path, ...]) -> Path:
    if len(structures) > 1:
        raise click.UsageError("give one --structures with --table: the folder that holds the others")
    return structures[0]


def _chosen(listed: str | None, known: Sequence[str], option: str = "--methods") -> list[str]:
    """Names from a list with commas, each once; all where none is given."""
    names = list(known) if listed is None else [name.strip() for name in listed.split(",") if name.strip()]
    for name in names or [""]:
        if name not in known:
            raise click.BadParameter(f"{name or 'nothing'} is not one of {', '.join(known)}.", param_hint=option)
    return list(dict.fromkeys(names))
