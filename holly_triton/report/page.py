"""From the contents of a folder to the page."""

import base64
import hashlib
from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.types import Figures
from holly_triton.core.words import counted
from holly_triton.io.channels import CHANNEL_COLOURS, PointChannels
from holly_triton.io.metrics import HeldOut
from holly_triton.validation.coverage import Views, find_views
from holly_triton.validation.measure import measure_run

from . import charts, measurements, pictures
from .deformation import explain_deformation
from .folder import Contents, read_folder
from .headline import first_line
from .numbers import length, number
from .tables import changed_settings, tables
from .warnings import HANDED, ONE_SIDE, SIGMA_IN_SPACE, is_fit_explained, is_missing, is_reproduced, warnings

REPORT = "report.html"
HERE = Path(__file__).parent
MOST_DRAWN = 4000
"""Largest number of points that a browser draws fast enough for rotation without the graphics card."""


def write_report(run: Path, defaults: Mapping[str, Any] | None = None) -> Path:
    """Build ``run/report.html`` from the files of the folder, and ``pictures/reprojections.png`` with it.

    Args:
        run: The folder of a run or a study.
        defaults: Default of every setting in its ``config.toml``, which the page then leaves out.

    Raises:
        HollyError: ``run`` is not a folder, one of its files is damaged, or the page cannot be written.
    """
    if not run.is_dir():
        raise HollyError(f"{run}: is no folder; give the folder that train wrote")
    contents = read_folder(run)
    views = _views(contents)
    page = _template().render(
        name=run.resolve().name, contents=contents, metrics=contents.metrics, nm=length, number=number,
        counted=counted, one_side=ONE_SIDE, handed=HANDED, sigma_in_space=SIGMA_IN_SPACE, views=views, warnings=list(warnings(contents, views)),
        changed=changed_settings(contents.settings, defaults or {}),
        **_style_and_script(), **_about(run, contents, views), **_pictures(run, contents), **_charts(contents, views),
    )  # fmt: skip
    path = run / REPORT
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def find_warnings(run: Path) -> list[str]:
    """The warnings of a run's report.

    Raises:
        HollyError: A file of the folder is damaged.
    """
    contents = read_folder(run)
    return list(warnings(contents, _views(contents)))


def find_figures(run: Path) -> dict[str, Any]:
    """The figures of ``measure``, and the report's ``warnings`` beside them.

    Raises:
        HollyError: A file of the folder is damaged, or its cloud is missing or can't be measured.
    """
    contents = read_folder(run)
    views = _views(contents)
    return {**_figures(run, contents, views), "warnings": list(warnings(contents, views))}


def _figures(run: Path, contents: Contents, views: Views | None) -> Figures:
    """The figures of ``measure_run`` with what the poses, the pictures and the runs of a study add to them.

    ``explained`` is whether the pictures are explained, and ``height_seen`` whether the extent along every axis is seen, each
    None if not known; ``imposed`` is the symmetry that was, if any; ``handed`` is whether the data determine the handedness; ``without_consensus`` has the number of ``runs`` of a study of which no two agree, and the one ``run``
    that the cloud is of; ``deformation`` has the amplitudes' figures, where one was fitted.

    Raises:
        HollyError: The folder holds no cloud, or one that cannot be measured.
    """
    seen = None if views is None else not is_missing(views)
    if contents.one_side or contents.in_space:
        seen = contents.in_space
    found = contents.metrics.consensus
    alone = {"runs": found["runs"], "run": found["reference"]} if found is not None and contents.alone else None
    return {
        **measure_run(run),
        "explained": is_fit_explained(contents),
        "height_seen": seen,
        "handed": contents.in_space,
        "imposed": contents.settings.get("symmetry"),
        "without_consensus": alone,
        **({"deformation": deformation} if (deformation := contents.metrics.deformation) else {}),
    }


def _views(contents: Contents) -> Views | None:
    return None if contents.rotation is None or contents.one_side else find_views(contents.rotation, contents.symmetry)


def _template() -> Any:
    options: dict[str, Any] = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    return Environment(loader=FileSystemLoader(HERE), undefined=StrictUndefined, **options).get_template("page.html.j2")


def _style_and_script() -> dict[str, Any]:
    """The page's own script, which is not escaped; by its hash, browsers run this script and no other."""
    script = (HERE / "cloud.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (HERE / "page.css").read_text(encoding="utf-8")
    return {"style": Markup(style), "script": Markup(script), "script_hash": digest}


def _about(run: Path, contents: Contents, views: Views | None) -> dict[str, Any]:
    points, metrics = contents.points, contents.metrics
    figures, answer = _measured(run, contents, views)
    return {
        "answer": answer,
        "measured": figures,
        "measurements": [] if figures is None else _measurements(figures),
        "held_out": None
        if contents.member.held_out is None
        else _held_out_in_words(contents.member.held_out, contents.seen if contents.in_space else None),
        "deformation": explain_deformation(metrics.deformation) if metrics.deformation else None,
        "cloud": None if points is None else _drawn(points, contents.spread_nm, contents.channels),
        "tables": list(tables(metrics.recorded())),
    }


def _measured(run: Path, contents: Contents, views: Views | None) -> tuple[Figures | None, str]:
    """The figures and the first line of the page; None, and the reason, where there are none."""
    if contents.points is None:
        return None, "This run has written no structure yet (there is no cloud.ply)."
    try:
        figures = _figures(run, contents, views)
    except HollyError as error:  # all points in one place or line
        return None, f"No shape can be measured. {error}"
    return figures, first_line(figures, contents.metrics.resolution if is_reproduced(contents.metrics) else None)


def _measurements(figures: Figures) -> list[tuple[str, str]]:
    """The rows of ``measure``, but for the advice to a single run and a deformation, which the page has once, below."""
    elsewhere = {"Deformation"} if figures["errors_from"] else {"Deformation", "Errors"}
    return [row for row in measurements.rows(figures) if row[0] not in elsewhere]


def _held_out_in_words(held: HeldOut, seen: str | None) -> str:
    """The fit of particles that the structure was not made from, beside that of others; ``seen`` in 3D is what they consist of."""
    if seen is not None:
        return (
            f"Held-out particles ({held.pictures}, not used for the structure): mean log-likelihood of a {seen} "
            f"{-log(held.loss):.3f} (density in nm^-3, natural logarithm), {held.unexplained:.1%} of the {seen}s in the "
            "background; as many training particles, whose poses were searched in the same way: "
            f"{-log(held.loss_training):.3f}, {held.unexplained_training:.1%}. A much smaller log-likelihood of held-out "
            "particles indicates overfitting."
        )
    return (
        f"Held-out particles ({held.pictures}, not used for the structure): {held.unexplained:.1%} of the intensity "
        f"unexplained, masked L1 {held.loss:.3g}; as many training particles, whose poses were searched in the same way: "
        f"{held.unexplained_training:.1%}, masked L1 {held.loss_training:.3g}. A much larger value for held-out particles "
        "indicates overfitting."
    )


def _pictures(run: Path, contents: Contents) -> dict[str, Any]:
    found = {
        f"{name}_picture": pictures.read_picture(run / "pictures" / f"{name}.png")
        for name in ("cloud", "truth", "deformation")
    }
    given = contents.reprojections
    if given is None:
        return {**found, "compared": []}
    blur = pictures.smoothing_nm(given, contents.member.sigma_nm or 0)
    if contents.member_name is None:  # a study's member has its own
        pictures.write_sheet(given, blur, run / "pictures" / "reprojections.png")
    return {**found, "compared": list(pictures.compare(given, blur, contents.loss)), "smoothed": blur}


def _charts(contents: Contents, views: Views | None) -> dict[str, Any]:
    resolution = contents.metrics.resolution
    return {
        "coverage": None if views is None else charts.coverage(views),
        "curves": charts.curves(contents.member.history or []),
        "amplitudes": None
        if contents.amplitudes is None
        else charts.amplitudes(contents.amplitudes.amplitude_nm, contents.amplitudes.held_out),
        "agreement": None if resolution is None else charts.agreement(resolution),
    }


def _drawn(
    points: NDArray[np.float64], spread_nm: NDArray[np.float64] | None, channels: PointChannels | None
) -> dict[str, Any]:
    """What cloud.js draws: float32 in base64, four to a point, x, y, z in nm and a value.

    The value is the spread, 1 where it is wide, or, where there is none, the number of the channel.
    """
    some = slice(None, None, -(-len(points) // MOST_DRAWN))
    widest = 0.0 if spread_nm is None else float(np.nanpercentile(spread_nm, 95))
    # A point that only one run has is drawn with the largest spread.
    colour = np.zeros(len(points)) if spread_nm is None else np.nan_to_num(spread_nm / max(widest, 1e-9), nan=1.0)
    legend: list[dict[str, Any]] = []
    if spread_nm is None and channels is not None:
        colour = channels.of.astype(np.float64)
        legend = [
            {"name": name, "colour": shade, "points": int(channels.named(name).sum())}
            for name, shade in zip(channels.names, CHANNEL_COLOURS, strict=False)
        ]
    centred = points - (points.min(axis=0) + points.max(axis=0)) / 2
    table = np.column_stack([centred, colour])[some].astype("<f4")
    spacing = cKDTree(centred).query(centred[some], k=2)[0][:, 1] if len(points) > 1 else np.zeros(1)
    reach = max(float(np.linalg.norm(centred, axis=1).max()), 1e-3)
    least = reach * max(0.006, min(0.3 / np.sqrt(len(table)), 0.04))  # points in tight clusters must remain visible
    return {
        "points": base64.b64encode(table.tobytes()).decode("ascii"),
        "reach": reach,
        "radius": float(np.clip(0.45 * np.median(spacing), least, 0.04 * reach)),
        "drawn": len(table),
        "widest": widest,
        "colour": "value" if widest else "channel" if legend else "depth",
        "legend": legend,
    }
