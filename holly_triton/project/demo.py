"""The demonstration: a movie of copies of a structure is simulated, and the whole chain is carried out and compared with the truth."""

import dataclasses
from pathlib import Path

from holly_triton.core.folder import check_free
from holly_triton.core.log import LOG
from holly_triton.core.stop import DONE
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.config.simulation import MovieSettings
from holly_triton.frames.movie import BEADS, FRAMES, TRUTH, write_movie
from holly_triton.frames.psf import default_psf
from holly_triton.frames.score.report import compare
from holly_triton.frames.score.words import explain
from holly_triton.particles.run.scoring import explain_cloud, score_cloud
from holly_triton.report.sections import Section

from .chain import SHIPPED, start_project
from .config import DEMO, FOLDERS, SIMULATED, Asked
from .report import write_project_report


def run_demo(folder: Path, *, quick: bool, minutes: float | None, overwrite: bool) -> int:
    """Simulate a movie that drifts, reconstruct the structure in it, and compare each result with the truth; the exit code.

    Args:
        folder: Of the project; what is simulated lies in ``0-simulated`` in it.
        quick: Fewer frames, to test the installation.
        minutes: Time for the training of a localiser; None takes the one that ships, which is for the simulated PSF.
        overwrite: Replace a project.

    Raises:
        HollyError: The folder exists or can't be written, or a step fails.
    """
    check_free(folder, overwrite, "project")
    place = folder / SIMULATED
    frames = DEMO.quick_frames if quick else DEMO.frames
    width, height = 2 * (DEMO.quick_side_px,) if quick else (DEMO.width_px, DEMO.height_px)
    settings = dataclasses.replace(
        MovieSettings(), frames=frames, width_px=width, height_px=height, sampling="structure",
        structure=DEMO.structure, density=DEMO.density, drift=DEMO.drift_nm, seed=DEMO.seed,
    )  # fmt: skip
    LOG.info(
        "Simulating %d frames of copies of a centriole complex (%s), each in its own orientation, on a sample that drifts by "
        "up to %.0f nm; and a stack of %d beads.", frames, DEMO.structure, DEMO.drift_nm, DEMO.beads,
    )  # fmt: skip
    write_movie(
        place, settings, default_psf(), camera_preset("photons"), overwrite=True, beads=(DEMO.beads, DEMO.step_nm)
    )
    asked = Asked(
        data=str((place / FRAMES).resolve()), beads=str((place / BEADS).resolve()), step=DEMO.step_nm,
        model=SHIPPED if minutes is None else None, minutes=minutes or Asked.minutes, quick=quick, points=DEMO.points, seed=DEMO.seed,
    )  # fmt: skip
    code = start_project(folder, asked, overwrite=True)
    if code != DONE:
        return code
    found = explain(compare(folder / FOLDERS["localise"] / "localisations.hdf5", place / TRUTH, {}).score)
    structure = explain_cloud(score_cloud(folder / FOLDERS["reconstruct"], Path(DEMO.structure), None))
    further = (
        Section("Localisations against the truth", printed=found.splitlines(), is_short=True),
        Section("The structure against the truth", printed=structure.splitlines(), is_short=True),
    )
    write_project_report(folder, further)
    print(found, structure, sep="\n")
    return DONE
