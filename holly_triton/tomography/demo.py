"""The demonstration: a crowded tomogram is simulated, picked by the network that ships and by templates, and one class averaged."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.folder import check_free
from holly_triton.core.log import LOG
from holly_triton.core.stop import DONE, STOPPED
from holly_triton.core.types import Figures
from holly_triton.core.words import counted
from holly_triton.io.particle_lists.reading import read_particles
from holly_triton.io.volumes.reading import read_volume
from holly_triton.report.sections import Section, Shown, write_sections

from .average.command import Options as AverageOptions
from .average.command import average_files
from .average.gathering import Source
from .config.averaging import FEWEST, Averaging
from .config.demo import DEMO, QUICK, Demo
from .config.matching import Matching
from .config.optics import Optics
from .config.simulation import SimulationSettings, TomogramSettings
from .match.command import Options as MatchOptions
from .match.command import match_file
from .pictures.confusion import draw_confusion
from .pictures.page import DOTS
from .pictures.slices import draw_slices
from .score.combine import combine
from .score.evaluate import evaluate
from .score.report import Comparison, Report, compare
from .score.words import columns, headline
from .segment.command import Options as PickOptions
from .segment.command import pick_file
from .segment.model import SHIPPED, Model, read_model
from .simulate.command import simulate
from .simulate.progress import StoppedError
from .structures import read_density

SIMULATED, NETWORK, MATCHING, AVERAGE, PAGE = "simulated", "network.star", "matching.star", "average", "demo.html"
BOX_DIAMETERS = 1.15
"""Side of the boxes of the average, diameters of the class: larger ones would leave so small a tomogram."""
PICTURES = ("picks.png", "confusion.png")


@dataclass(frozen=True)
class Made:
    """What the demonstration found.

    Attributes:
        network: The picks of the network against the truth.
        matching: Those of template matching.
        averaged: The class that was averaged.
        average: ``summary.json`` of its average; None where there were too few picks.
    """

    network: Report
    matching: Report
    averaged: str
    average: Figures | None


def run_demo(folder: Path, *, quick: bool, overwrite: bool) -> int:
    """Simulate, pick by network and by templates, evaluate both, average one class, and draw; return the exit code.

    In the folder are ``simulated/``, ``network.star``, ``matching.star``, ``average/``, pictures, and ``demo.html``.

    Raises:
        HollyError: The folder exists or can't be written.
    """
    check_free(folder, overwrite, "demo")
    model, settings = read_model(SHIPPED), QUICK if quick else DEMO
    averaged = max(model.classes, key=lambda name: read_density(name).mass)
    try:
        tomogram = _simulate(folder / SIMULATED, model, settings, averaged)
    except StoppedError:
        print("Stopped; with --overwrite the demonstration starts anew")
        return STOPPED
    network, matching = folder / NETWORK, folder / MATCHING
    LOG.info("Picking by the network that ships, then by template matching.")
    code = pick_file(tomogram, network, SHIPPED, PickOptions(overwrite=True))
    if code == DONE:
        code = _match(tomogram, matching, model, settings)
    if code == DONE:
        code = _average(folder, tomogram, settings, averaged)
    if code != DONE:
        return code
    truth = folder / SIMULATED / "truth.star"
    reports = [compare(picks, truth, Comparison()) for picks in (network, matching)]
    made = Made(reports[0], reports[1], averaged, _summary(folder / AVERAGE))
    _draw(folder, tomogram, made)
    _write_page(folder, made)
    print(_words(folder, made))
    return DONE


def _simulate(folder: Path, model: Model, settings: Demo, averaged: str) -> Path:
    """The tomogram's file."""
    counts = [f"{name}:{settings.averaged if name == averaged else settings.particles}" for name in model.classes]
    tomogram = TomogramSettings(
        structures=",".join(counts), membranes=1, size_x=settings.side, size_y=settings.side, size_z=settings.depth,
        voxel_size=model.voxel, snr=settings.snr, tilt=settings.tilt, step=settings.step,
    )  # fmt: skip
    LOG.info(
        "Simulating a tomogram of %d x %d x %d voxels of %g Å: %s, and a membrane; tilts to ±%g°, signal to noise ratio %g.",
        settings.side, settings.side, settings.depth, model.voxel, ", ".join(count.replace(":", " x ") for count in counts),
        settings.tilt, settings.snr,
    )  # fmt: skip
    for line in simulate(folder, SimulationSettings(seed=settings.seed, tomogram=tomogram), find_device("auto"), overwrite=True):  # fmt: skip
        LOG.info("%s", line)
    return folder / "tomogram_1.mrc"


def _match(tomogram: Path, out: Path, model: Model, settings: Demo) -> int:
    search = Matching(angle_deg=settings.angle, tilt_least_deg=-settings.tilt, tilt_most_deg=settings.tilt, ctf=True)
    return match_file(tomogram, list(model.classes), out, search, Optics(), MatchOptions(overwrite=True))


def _average(folder: Path, tomogram: Path, settings: Demo, name: str) -> int:
    """Average the network's picks of a class; as many random positions are the control."""
    picks = read_particles(folder / NETWORK)
    count = int((picks.labels == name).sum())
    if count < FEWEST:
        LOG.warning("%s of %s: too few for an average", counted(count, "pick"), name)
        return DONE
    source = Source(
        folder / NETWORK, (tomogram,), name, box_angstrom=BOX_DIAMETERS * read_density(name).diameter,
        tilt=(-settings.tilt, settings.tilt), optics=Optics(),
    )  # fmt: skip
    options = AverageOptions(reference=name, truth=name, control=count, overwrite=True)
    LOG.info("Averaging %s of %s.", counted(count, "pick"), name)
    try:
        return average_files(folder / AVERAGE, source, Averaging(), options)
    except HollyError as error:  # too few have their box in so small a tomogram; the rest of the demonstration stands
        LOG.warning("There is no average: %s", error)
        return DONE


def _summary(folder: Path) -> Figures | None:
    path = folder / "summary.json"
    if not path.is_file():
        return None
    with foreign(path, "the summary of an average"):
        summary: Figures = json.loads(path.read_text(encoding="utf-8"))
        return summary


def _draw(folder: Path, tomogram: Path, made: Made) -> None:
    volume = read_volume(tomogram)
    title = f"Picks of the network: F1 {made.network.score.overall.counts.f1:.2f}"
    draw_slices(
        folder / PICTURES[0], volume.values, volume.voxel, made.network.picks, truth=made.network.truth, title=title
    )
    scores = {"network": made.network.score, "template matching": made.matching.score}
    draw_confusion(
        folder / PICTURES[1], {name: (list(score.classes), score.confusion) for name, score in scores.items()}
    )


def _table(made: Made) -> list[tuple[str, ...]]:
    """F1 of each class by both methods, and the median errors."""
    network, matching = made.network.score, made.matching.score
    rows: list[tuple[str, ...]] = [("class", "particles", "network, F1", "templates, F1", "templates, angle")]
    for name, each in network.classes.items():
        other = matching.classes.get(name)
        counts = each.counts
        angle = "" if other is None else _degrees(other.figures()["median_angle_deg"])
        rows.append((name, str(counts.matched + counts.missed), f"{counts.f1:.2f}", "" if other is None else f"{other.counts.f1:.2f}", angle))  # fmt: skip
    rows.append(("all", str(network.overall.counts.matched + network.overall.counts.missed), f"{network.overall.counts.f1:.2f}", f"{matching.overall.counts.f1:.2f}", ""))  # fmt: skip
    return rows


def _degrees(value: float) -> str:
    return f"{value:.1f}°" if math.isfinite(value) else ""


def _both(made: Made) -> str:
    """How the picks of both methods relate."""
    tolerance = made.network.score.settings.tolerance_angstrom
    sets = combine(made.network.picks, made.matching.picks, tolerance)
    parts = []
    for words, picks in (("both", sets.both), ("the network alone", sets.only_a), ("the templates alone", sets.only_b)):
        right = evaluate(picks, made.network.truth, made.network.score.settings).overall.counts.matched
        parts.append(f"{counted(len(picks), 'pick')} of {words}, {right} of them right")
    return f"Combined: {'; '.join(parts)}."


def _resolutions(made: Made) -> str:
    if made.average is None:
        return f"There were too few picks of {made.averaged} for an average."
    figures = made.average
    return (
        f"The average of {figures['particles']} picks of {made.averaged}: its halves agree to {_angstrom(figures['resolution_angstrom'])}, "
        f"those of as many random positions to {_angstrom(figures['control']['resolution_angstrom'])}; against the true structure (FSC 0.5) "
        f"it is right to {_angstrom(figures['truth_angstrom'])}."
    )


def _angstrom(value: float | None) -> str:
    return "no detail" if value is None else f"{value:.0f} Å"


def _write_page(folder: Path, made: Made) -> None:
    average = folder / AVERAGE
    sections = [
        Section(
            "Picks of the network in the tomogram",
            ["Marks are picks." + DOTS],
            pictures=[Shown(folder / PICTURES[0], "Slabs of the tomogram in x and y, and in x and z, where most particles are.")],
        ),
        Section(
            "Network and template matching", [_both(made)], _table(made),
            [Shown(folder / PICTURES[1], "Particles of the class of each row, picked as the class of each column.")],
        ),
    ]  # fmt: skip
    if made.average is not None:
        shown = [
            Shown(average / "slices.png", "Slices and surfaces of the average, of its two halves, and of the control from random positions."),
            Shown(average / "fsc.png", "Fourier shell correlation of the half averages, of the control's, and with the true structure."),
        ]  # fmt: skip
        sections.append(Section(f"Average of {made.averaged}", [_resolutions(made)], pictures=shown))
    sections.append(Section("Go on", commands=_commands(folder)))
    write_sections(folder / PAGE, "holly-triton tomo demo", headline(made.network.score), sections)


def _commands(folder: Path) -> list[str]:
    truth = folder / SIMULATED / "truth.star"
    return [
        f"holly-triton tomo info {folder / SIMULATED / 'tomogram_1.mrc'}",
        f"holly-triton tomo evaluate {folder / NETWORK} --truth {truth} --out {folder / 'figures'}",
        f"holly-triton tomo combine {folder / NETWORK} {folder / MATCHING} {folder / 'both.star'}",
    ]


def _words(folder: Path, made: Made) -> str:
    return "\n".join([
        "", headline(made.network.score), "", *columns(_table(made)), "", _both(made), _resolutions(made),
        f"Look at {folder / PAGE}: in the slices the network's picks lie on the particles, which are hard to see by eye; the "
        "confusion matrices show which classes each method mistakes for which.",
        *(f"  {command}" for command in _commands(folder)),
    ])  # fmt: skip
