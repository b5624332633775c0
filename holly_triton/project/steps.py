"""The steps of a project: which options and files each takes, and the entry point of a family that does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from holly_triton.core.errors import HollyError, InsufficientError
from holly_triton.core.stop import DONE

from .config import Asked


class Outcome(NamedTuple):
    """Exit code of a step, and the files that later steps read, by role."""

    code: int
    outputs: dict[str, Path]


Files = Mapping[str, Path]
"""Files by role: those of the user, and the outputs of earlier steps."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: A key of ``FOLDERS``.
        title: What it does, in a few words.
        options: Names of the options in ``Asked`` that it depends on.
        reads: Roles of the files that it depends on, where they exist.
        run: Does it in a folder: the options, the files, the folder, and whether to continue what was begun there.
    """

    name: str
    title: str
    options: tuple[str, ...]
    reads: tuple[str, ...]
    run: Callable[[Asked, Files, Path, bool], Outcome]


def steps_of(asked: Asked, movie: bool) -> list[Step]:
    """The steps that a project needs, in their order.

    Args:
        asked: Its options.
        movie: Whether its data are a movie; else localisations.

    Raises:
        HollyError: A movie without a PSF and without a localiser.
    """
    after = [PICK, RECONSTRUCT]
    before = [DRIFT] if asked.drift else []
    if not movie:
        return [*before, *after]
    if asked.model is None and asked.beads is None and asked.psf is None:
        raise HollyError(
            f"{asked.data}: a movie is localised by a network that knows the PSF of its microscope; give --beads BEADS --step NM, "
            "--psf FILE, or a trained --model FILE"
        )
    first = ([CALIBRATE] if asked.beads is not None else []) + ([MODEL] if asked.model is None else [])
    return [*first, LOCALISE, *before, *after]


def _calibrate(asked: Asked, files: Files, folder: Path, continued: bool) -> Outcome:
    from holly_triton.frames.calibration.command import calibrate_file

    if asked.step is None:
        raise HollyError("--beads needs --step: the distance of its planes in nm")
    out = folder / "psf.h5"
    lines = calibrate_file(
        files["beads"],
        out,
        step=asked.step,
        pixel_size=asked.pixel_size,
        camera=_camera(asked, files["beads"]),
        overwrite=True,
    )
    for line in lines:
        print(line)
    return Outcome(DONE, {"psf": out})


def _train_localiser(asked: Asked, files: Files, folder: Path, continued: bool) -> Outcome:
    from holly_triton.core.training import folder_of
    from holly_triton.frames.config.training import Training
    from holly_triton.frames.train.command import resume_training, start_training

    model = folder / "localiser.pt"
    if continued and folder_of(model).is_dir():
        return Outcome(resume_training(model), {"model": model})
    camera = _camera(asked, files["data"])
    settings = Training(
        psf=str(files["psf"]), camera=camera or "photons", minutes=asked.minutes, seed=asked.seed, device=asked.device
    )
    return Outcome(start_training(model, settings, overwrite=True), {"model": model})


def _localise(asked: Asked, files: Files, folder: Path, continued: bool) -> Outcome:
    from holly_triton.frames.localise.command import Options, localise_movie, resume_localising
    from holly_triton.frames.unfinished import folder_of

    out = folder / "localisations.hdf5"
    if continued and folder_of(out).exists():
        return Outcome(resume_localising(files["data"], out), {"localisations": out})
    _check_psf(files)
    options = Options(camera=asked.camera, pixel_nm=asked.pixel_size, device=asked.device, overwrite=True)
    return Outcome(localise_movie(files["data"], out, files["model"], options), {"localisations": out})


def _undrift(asked: Asked, files: Files, folder: Path, continued: bool) -> Outcome:
    from holly_triton.frames.drift.command import undrift

    path, out = files["localisations"], folder / "localisations.hdf5"
    unit, pixel_nm = (asked.unit, asked.pixel_size) if path == files["data"] else (None, None)
    if path == files["data"] and pixel_nm is None:  # Picasso's format needs one
        out = out.with_suffix(".csv")
    try:
        undrifted = undrift(path, out, unit=unit, pixel_nm=pixel_nm, overwrite=True)
    except InsufficientError as error:
        print(f"Drift was not measured. {error}")
        return Outcome(DONE, {})
    print("\n".join(undrifted.said))
    return Outcome(DONE, {"localisations": out} if undrifted.drift.axes.any() else {})


def _pick(asked: Asked, files: Files, folder: Path, continued: bool) -> Outcome:
    from holly_triton.io.tables.reading import Reading
    from holly_triton.particles.picking.pick import PickSettings, pick

    path, out = files["localisations"], folder / "particles.hdf5"
    own = path == files["data"]
    reading = Reading(unit=asked.unit if own else None, pixel_size_nm=asked.pixel_size if own else None)
    picked = pick(path, out, reading, PickSettings(diameter=asked.diameter))
    print("\n".join(picked.said))
    return Outcome(DONE, {"particles": out})


def _reconstruct(asked: Asked, files: Files, folder: Path, continued: bool) -> Outcome:
    from holly_triton.core.lock import CHECKPOINTS
    from holly_triton.particles.config import Config
    from holly_triton.particles.run.training import resume_training, start_training

    outputs = {"structure": folder}
    if continued and (folder / CHECKPOINTS).is_dir():
        return Outcome(resume_training(folder), outputs)
    config = Config(
        data=str(files["particles"]), points=asked.points, tilt=asked.tilt, seed=asked.seed, device=asked.device
    )
    config = config.quick() if asked.quick else config
    return Outcome(start_training(config, folder, overwrite=True), outputs)


def _check_psf(files: Files) -> None:
    """Refuse a localiser that was trained for another PSF than the calibrated one.

    Raises:
        HollyError: It was.
    """
    from holly_triton.frames.localise.model import read_model
    from holly_triton.frames.localise.shipped import model_path, other_psf
    from holly_triton.frames.psf import read_psf

    if "psf" not in files:
        return
    model = model_path(files["model"], files["data"])
    if reason := other_psf(read_model(model).psf, read_psf(files["psf"])):
        raise HollyError(
            f"{files['psf']}: {reason}, compared with the PSF for which {files['model']} was trained; leave out --model, so that "
            "one is trained for this PSF"
        )


def _camera(asked: Asked, movie: Path) -> str | None:
    from holly_triton.frames.camera import stated_camera

    return stated_camera(asked.camera, movie)


CALIBRATE = Step("calibrate", "PSF from the beads", ("step", "camera", "pixel_size"), ("beads",), _calibrate)
MODEL = Step(
    "model", "training of a localiser", ("camera", "minutes", "seed", "device"), ("psf",), _train_localiser
)  # fmt: skip
LOCALISE = Step("localise", "localisation of the movie", ("camera", "pixel_size"), ("data", "model", "psf"), _localise)
DRIFT = Step("drift", "drift of the sample", ("unit", "pixel_size"), ("localisations",), _undrift)
PICK = Step("pick", "picking of particles", ("diameter", "unit", "pixel_size"), ("localisations",), _pick)
RECONSTRUCT = Step(
    "reconstruct", "reconstruction of the structure", ("points", "tilt", "seed", "quick", "device"), ("particles",), _reconstruct
)  # fmt: skip


def is_movie(path: Path, asked_for_frames: bool) -> bool:
    """Whether data are a movie of camera frames; a NumPy array may be either, and is one if the options are about frames."""
    from holly_triton.io.movies.opening import ONE_CHANNEL, READERS

    suffix = path.suffix.lower()
    if suffix == ".npy":
        return asked_for_frames
    return path.is_dir() or suffix in READERS or suffix in ONE_CHANNEL
