"""Carrying a project out: step by step, with what is done left as it is."""

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from shlex import quote

from holly_triton.core.config import read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing
from holly_triton.core.folder import check_free
from holly_triton.core.lock import alone
from holly_triton.core.log import LOG
from holly_triton.core.stop import DONE, STOPPED

from .config import FOLDERS, LEDGER, SETTINGS, Asked
from .ledger import Ledger, Record, differs, fingerprint
from .steps import Outcome, Step, is_movie, steps_of

FILES = ("data", "beads", "psf", "model")
"""Options that are files."""
SHIPPED = "default"
"""The word for the localiser that ships, as ``--model`` of ``frames localise`` takes it."""


def start_project(folder: Path, asked: Asked, *, overwrite: bool = False) -> int:
    """Carry a project out in a new folder; return the exit code.

    Raises:
        HollyError: The folder exists (and ``overwrite`` is not set), a file is missing, or a step fails.
    """
    _check_files(asked)
    steps_of(asked, _has_movie(asked))  # before the folder: options that don't go together leave none behind
    check_free(folder, overwrite, "project")
    _make(folder)
    (folder / LEDGER).unlink(missing_ok=True)
    write_config(folder / SETTINGS, asked)
    return _follow(folder, asked)


def resume_project(folder: Path, **changed: object) -> int:
    """Go on with a project, perhaps with other options; return the exit code.

    Args:
        folder: The project.
        **changed: Options by their names in ``Asked``; steps that depend on them, and those after these, are done again.

    Raises:
        HollyError: It is no project, a file is missing, or a step fails.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise HollyError(
            f"{folder}: is no project (no {SETTINGS}); start one with: holly-triton process DATA --out {quote(str(folder))}"
        )
    before = read_config(path, Asked)
    asked = Asked.of({**before.table(), **changed}, "options")
    steps_of(asked, _has_movie(asked))
    _check_files(asked)
    for name in before.differing(asked):
        LOG.info("%s: %s", _option(name), differs(getattr(before, name), getattr(asked, name)))
    write_config(path, asked)
    return _follow(folder, asked)


def project_files(asked: Asked) -> dict[str, Path]:
    """The files that a person gave, by role; localisations are the data of a project without a movie."""
    files = {name: Path(given) for name in FILES if (given := getattr(asked, name)) is not None}
    return files if _has_movie(asked) else {**files, "localisations": files["data"]}


def _follow(folder: Path, asked: Asked) -> int:
    from .report import write_project_report

    steps = steps_of(asked, _has_movie(asked))
    again = f"Go on with: holly-triton process --resume {quote(str(folder))}"
    for name in unused(asked, steps):
        LOG.warning(
            "%s is not used: none of the steps reads it (%s)", _option(name), ", ".join(step.title for step in steps)
        )
    with alone(folder):
        ledger = Ledger.read(folder)
        files = project_files(asked)
        for number, step in enumerate(steps, 1):
            try:
                code = _carry_out(step, f"{number} of {len(steps)}: {step.title}", folder, asked, files, ledger)
            except KeyboardInterrupt:
                code = STOPPED
            except HollyError:
                write_project_report(folder)
                LOG.warning(
                    "%s: stopped at step %d of %d, %s. Mend the cause. %s",
                    folder,
                    number,
                    len(steps),
                    step.title,
                    again,
                )
                raise
            if code != DONE:
                write_project_report(folder)
                print(f"Stopped in step {number} of {len(steps)}, {step.title}; what is done is kept. {again}")
                return code
        report = write_project_report(folder)
    print(f"{report}: all steps on one page. Look at it")
    return DONE


def unused(asked: Asked, steps: list[Step]) -> list[str]:
    """Options that were given and that no step depends on, such as a PSF for data that are localised already."""
    known = {"data", "drift", *(name for step in steps for name in (*step.options, *step.reads))}
    return [name for name in Asked(data=asked.data).differing(asked) if name not in known]


def _carry_out(step: Step, words: str, folder: Path, asked: Asked, files: dict[str, Path], ledger: Ledger) -> int:
    """Do a step unless it is done, and add its outputs to the files; the exit code."""
    options = {name: getattr(asked, name) for name in step.options}
    inputs = {role: fingerprint(files[role]) for role in step.reads if role in files and str(files[role]) != SHIPPED}
    inputs |= {role: SHIPPED for role in step.reads if str(files.get(role)) == SHIPPED}
    known = ledger.records.get(step.name)
    changes = [] if known is None else known.changes(options, inputs)
    lost = known is not None and not all((folder / path).exists() for path in known.outputs.values())
    if known is not None and known.done and not changes and not lost:
        LOG.info("%s: done before, in %.0f s", words, known.seconds)
        files.update({role: folder / path for role, path in known.outputs.items()})
        return DONE
    if changes:
        LOG.info("%s: done again (%s)", words, "; ".join(changes))
    else:
        LOG.info("%s", words)
    place = folder / FOLDERS[step.name]
    place.mkdir(exist_ok=True)
    continued = known is not None and not known.done and not changes
    record = Record(options, inputs, seconds=known.seconds if known is not None and continued else 0.0)
    ledger.write(step.name, record)
    began = time.monotonic()
    with _heard(record.said):
        outcome: Outcome = step.run(asked, files, place, continued)
    record.seconds += time.monotonic() - began
    record.done = outcome.code == DONE
    record.outputs = {role: str(path.relative_to(folder)) for role, path in outcome.outputs.items()}
    ledger.write(step.name, record)
    if record.done:
        files.update(outcome.outputs)
    return outcome.code


@contextmanager
def _heard(said: list[str]) -> Iterator[None]:
    """Keep the lines that a step prints, beside showing them."""
    kept = io.StringIO()

    class Both(io.TextIOBase):
        def write(self, text: str) -> int:
            kept.write(text)
            return shown.write(text)

        def flush(self) -> None:
            shown.flush()

    shown = sys.stdout
    try:
        with redirect_stdout(Both()):
            yield
    finally:
        said += kept.getvalue().splitlines()


def _has_movie(asked: Asked) -> bool:
    return is_movie(Path(asked.data), bool(asked.beads or asked.psf or asked.model))


def _check_files(asked: Asked) -> None:
    if (data := Path(asked.data)).is_dir():
        from holly_triton.io.movies.tiff import tiffs_of

        tiffs_of(data)
    for name in FILES:
        given = getattr(asked, name)
        if given is not None and not (name == "model" and given == SHIPPED) and not Path(given).exists():
            raise missing(
                Path(given), {"data": "a movie or a table of localisations"}.get(name, f"the file of {_option(name)}")
            )


def _option(name: str) -> str:
    return "DATA" if name == "data" else f"--{name.replace('_', '-')}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HollyError(f"{folder}: cannot be made ({error.strerror}); choose another --out") from error
