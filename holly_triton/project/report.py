"""The page of a project: a section for each step, with its pictures and links to its files, in one file."""

import re
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from holly_triton.core.config import read_config
from holly_triton.core.errors import HollyError
from holly_triton.core.words import counted
from holly_triton.report.headline import first_line
from holly_triton.report.numbers import number
from holly_triton.report.page import find_figures, find_warnings
from holly_triton.report.sections import Section, Shown, write_sections

from .config import FOLDERS, REPORT, SETTINGS, Asked
from .ledger import Ledger, Record
from .steps import Step, is_movie, steps_of

PICTURES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "calibrate": (
        ("psf.png", "The beads, the widths of the PSF over z, slices through it, and the Cramér-Rao bound.",
         "Charts of the calibration: which beads were used, the two widths over depth, and slices through the PSF."),
    ),
    "localise": (
        ("localisations-preview.png", "Frames of the movie, left as recorded and right with rings about the localisations; the colour is z.",
         "Frames of the movie beside the same frames with a ring about each localisation."),
    ),
    "drift": (
        ("localisations-drift.png", "Drift of the sample about its mean; dots are the segments that were correlated, bands the error.",
         "Curves of the drift along each axis over the frames."),
    ),
    "pick": (
        ("particles_overview.png", "The field: picked particles and rejected candidates.", "Map of the field with circles about picked particles and rejected candidates."),
        ("particles_gallery.png", "Some of the picked particles, and below some of the rejected candidates.", "Small pictures of particles, all at one scale."),
    ),
    "reconstruct": (
        ("pictures/cloud.png", "The structure from three orthogonal directions and an oblique one.", "The reconstructed cloud of points seen from four directions."),
    ),
}  # fmt: skip
"""Pictures of each step: file in its folder, caption, and text for a reader who does not see it."""
LINKS: dict[str, tuple[tuple[str, str], ...]] = {
    "calibrate": (("PSF, for frames train and frames fit", "psf.h5"),),
    "model": (("localiser, for frames localise", "localiser.pt"),),
    "localise": (("localisations, Picasso's format", "localisations.hdf5"),),
    "drift": (
        ("localisations without drift", "localisations.hdf5"), ("localisations without drift", "localisations.csv"),
        ("the drift in each frame", "localisations-drift.csv"),
    ),
    "pick": (("particles, Picasso's format", "particles.hdf5"), ("table of the particles", "particles_particles.csv")),
    "reconstruct": (
        ("report of the structure, where it can be turned", "report.html"), ("cloud", "cloud.ply"),
        ("its mirror image", "cloud_mirror.ply"), ("poses", "poses.csv"), ("figures", "metrics.json"),
    ),
}  # fmt: skip
"""Files of each step that exist are linked: words, and the file in its folder."""
RESULTS = {
    "calibrate": "Beads:", "model": "Jaccard", "localise": "localisation", "drift": "Drift", "pick": "picked",
    "reconstruct": "point",
}  # fmt: skip
"""A word of the line that has the result of each step."""
UNITS = {"step": "nm", "pixel_size": "nm", "minutes": "min", "diameter": "nm", "tilt": "degrees"}
"""Of the options that have one."""
DETAILS = "all files of this step"


def write_project_report(folder: Path, further: tuple[Section, ...] = ()) -> Path:
    """Write ``report.html`` of a project from what its steps left.

    Args:
        folder: The project.
        further: Sections to put before those of the steps.

    Raises:
        HollyError: It is no project, a file of it is damaged, or the page can't be written.
    """
    asked, ledger = read_config(folder / SETTINGS, Asked), Ledger.read(folder)
    steps = find_steps(asked)
    sections = [
        Section("Steps", table=summary(steps, ledger)),
        *further,
        *_sections(folder, steps, ledger),
        _again(folder, asked),
    ]
    answer, warnings = _result(folder, steps, ledger)
    path = folder / REPORT
    write_sections(path, f"{folder.resolve().name}: {Path(asked.data).name}", answer, sections, warnings)
    return path


def _result(folder: Path, steps: list[Step], ledger: Ledger) -> tuple[str, list[str]]:
    """The first line of the page, and warnings about the structure."""
    done = [step for step in steps if _state(ledger.records.get(step.name)) == "done"]
    if len(done) < len(steps):
        return f"{len(done)} of {counted(len(steps), 'step')} done; there is no structure yet", []
    run = folder / FOLDERS["reconstruct"]
    try:
        return first_line(find_figures(run), None), find_warnings(run)
    except HollyError as error:
        return f"The structure cannot be measured: {error}", []


def find_steps(asked: Asked) -> list[Step]:
    """The steps of a project with these options."""
    return steps_of(asked, is_movie(Path(asked.data), bool(asked.beads or asked.psf or asked.model)))


def summary(steps: list[Step], ledger: Ledger) -> list[tuple[str, ...]]:
    """State, time and result of each step, the head first."""
    rows: list[tuple[str, ...]] = [("step", "state", "time", "result")]
    for step in steps:
        record = ledger.records.get(step.name)
        seconds = f"{record.seconds:.0f}\u00a0s" if record is not None and record.seconds else ""
        rows.append((step.title, _state(record), seconds, _result_of(step, record)))
    return rows


def _state(record: Record | None) -> str:
    return "not begun" if record is None else "done" if record.done else "begun"


def _result_of(step: Step, record: Record | None) -> str:
    """The line of what a step printed that has its result, without the path with which it may begin."""
    lines = [] if record is None else record.said
    line = next((line for line in lines if RESULTS.get(step.name, "") in line), "")
    return re.sub(r"^[^ ]*[/\\][^ ]*: ", "", line)


def _sections(folder: Path, steps: list[Step], ledger: Ledger) -> Iterator[Section]:
    for turn, step in enumerate(steps, 1):
        record, place = ledger.records.get(step.name), FOLDERS[step.name]
        if record is None:
            continue
        pictures = [
            Shown(folder / place / file, caption, alt)
            for file, caption, alt in PICTURES.get(step.name, ())
            if (folder / place / file).is_file()
        ]
        links = [(words, f"{place}/{file}") for words, file in LINKS[step.name] if (folder / place / file).is_file()]
        options = [
            ("option", "value"),
            *((_labelled(name), number(value)) for name, value in record.options.items() if value is not None),
        ]
        yield Section(
            f"{turn}. {step.title[0].upper()}{step.title[1:]}", table=options if len(options) > 1 else (), pictures=pictures,
            links=[*links, (DETAILS, f"{place}/")], printed=record.said,
        )  # fmt: skip


def _labelled(option: str) -> str:
    unit = f", {UNITS[option]}" if option in UNITS else ""
    return option.replace("_", " ") + unit


def _again(folder: Path, asked: Asked) -> Section:
    sentences = [
        f"All options are in {SETTINGS}. A step is done again, and those after it, where its options or the files that it reads "
        "have changed; the others are left as they are."
    ]
    commands = [
        f"holly-triton process --resume {quote(folder.name)}",
        f"holly-triton process --resume {quote(folder.name)} --diameter 120",
    ]
    return Section("To go on, or to change an option", sentences, commands=commands)
