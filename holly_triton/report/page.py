"""From the contents of a folder to the page."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.validation.coverage import Views, find_views
from holly_triton.validation.measure_words import explain

from . import charts, pictures
from .answer import figures_of, held_out_in_words, measured, warnings
from .folder import Contents, read_folder
from .words import ONE_SIDE, changed_settings, length, number, tables

HERE = Path(__file__).parent
MOST_DRAWN = 4000
"""Largest number of points that a browser draws fast enough for rotation without the graphics card."""


def write_report(run: Path) -> Path:
    """Build ``run/report.html`` from the files of the folder, and ``pictures/reprojections.png`` with it.

    Raises:
        HollyError: ``run`` is not a folder, one of its files is damaged, or the page cannot be written.
    """
    if not run.is_dir():
        raise HollyError(f"{run}: is no folder; give the folder that train wrote")
    contents = read_folder(run)
    views = _views(contents)
    page = _template().render(
        name=run.resolve().name, contents=contents, metrics=contents.metrics, nm=length, number=number,
        one_side=ONE_SIDE, views=views, warnings=list(warnings(contents, views)),
        **_style_and_script(), **_about(run, contents, views), **_pictures(run, contents), **_charts(contents, views),
    )  # fmt: skip
    path = run / "report.html"
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
    return {**figures_of(run, contents, views), "warnings": list(warnings(contents, views))}


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
    points = contents.points
    figures, answer = measured(run, contents, views)
    return {
        "answer": answer,
        "measured": figures,
        "measured_in_words": None if figures is None else explain(figures).partition("\n\n")[2],
        "held_out": held_out_in_words(contents),
        "cloud": None if points is None else _drawn(points, contents.spread_nm),
        "tables": list(tables(contents.metrics)),
        "changed": changed_settings(contents.settings),
    }


def _pictures(run: Path, contents: Contents) -> dict[str, Any]:
    found = {f"{name}_picture": pictures.read_picture(run / "pictures" / f"{name}.png") for name in ("cloud", "truth")}
    given = contents.reprojections
    if given is None:
        return {**found, "compared": []}
    blur = pictures.smoothing_nm(given, contents.member.get("sigma_nm") or 0)
    if contents.member_name is None:  # a study's member has its own
        pictures.write_sheet(given, blur, run / "pictures" / "reprojections.png")
    return {**found, "compared": list(pictures.compare(given, blur, contents.loss)), "smoothed": blur}


def _charts(contents: Contents, views: Views | None) -> dict[str, Any]:
    resolution = contents.metrics.get("resolution")
    return {
        "coverage": None if views is None else charts.coverage(views),
        "curves": charts.curves(contents.member.get("history") or []),
        "agreement": None if resolution is None else charts.agreement(resolution),
    }


def _drawn(points: NDArray[np.float64], spread_nm: NDArray[np.float64] | None) -> dict[str, Any]:
    """What cloud.js draws: float32 in base64, four to a point, x, y, z in nm and the spread, 1 where it is wide."""
    some = slice(None, None, -(-len(points) // MOST_DRAWN))
    widest = 0.0 if spread_nm is None else float(np.nanpercentile(spread_nm, 95))
    # A point that only one run has is drawn with the largest spread.
    colour = np.zeros(len(points)) if spread_nm is None else np.nan_to_num(spread_nm / max(widest, 1e-9), nan=1.0)
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
    }
