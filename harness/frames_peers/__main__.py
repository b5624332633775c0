"""``python -m holly_triton.harness.frames_peers``: measure all programs on the same frames, and write the table.

Programs of others are installed into environments of their own, and left out, with the reason, where that fails.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts

from . import real as real_frames
from .compare import as_they_come, compared
from .config import CONDITIONS, MEASURED, QUICK, SEED, TUNED
from .environments import UnavailableError
from .methods import NAMES, Method, simulated_method
from .movies import Clip, bead_stack, simulated
from .records import Row, read_rows, write_rows
from .report import write_report

REPORTS = Path(__file__).resolve().parents[2] / "reports" / "frames"


class Measured(NamedTuple):
    """All rows, and a sentence for each that was left out."""

    rows: list[Row]
    skipped: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.frames_peers", description=__doc__)
    parser.add_argument(
        "--positions", type=Path, help="the challenge's activations.csv (default: our own microtubules)"
    )
    parser.add_argument("--model", type=Path, help="of frames train, for frames localise (default: left out)")
    parser.add_argument("--environments", type=Path, help="folder of the environments, kept (default: a temporary one)")
    parser.add_argument(
        "--programs",
        nargs="*",
        choices=NAMES,
        default=list(NAMES),
        help="none, with --add: write the table again (default: all)",
    )
    parser.add_argument("--reports", type=Path, default=REPORTS, help="folder of peers.csv and peers.md")
    parser.add_argument("--real", type=Path, help="folder challenge-mt0, for its real frames (default: left out)")
    parser.add_argument("--add", action="store_true", help="keep the rows of other programs in peers.csv")
    parser.add_argument("--quick", action="store_true", help="few frames, to try the whole")
    options = parser.parse_args(arguments)
    raw, skipped = options.reports / "peers.csv", []
    rows = [row for row in _kept(raw, options.add) if row.program not in options.programs]
    try:
        with tempfile.TemporaryDirectory() as folder:
            for measured in measure(options, Path(folder)):
                rows += measured.rows
                skipped += measured.skipped
                if rows:  # after each program, so that an interrupted run keeps what it measured
                    write_rows(raw, rows)
        if not rows:
            raise HollyError("no program could be run")
        raw.with_suffix(".md").write_text(write_report(read_rows(raw), skipped), encoding="utf-8")
    except HollyError as error:
        print(error, file=sys.stderr)
        return 1
    print(raw.with_suffix(".md"))
    return 0


def _kept(raw: Path, add: bool) -> list[Row]:
    return read_rows(raw) if add and raw.is_file() else []


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Measured]:
    """Simulate the frames, and run one program after the other on them."""
    if not options.programs:
        return
    environments = options.environments or folder / "environments"
    programs = [name for name in options.programs if name != "frames localise" or options.model is not None]
    real = [] if options.real is None else [name for name in programs if name in real_frames.NAMES]
    with in_parts(1 + len(programs) + len(real)) as begin:
        begin("simulating")
        beads = folder / "beads.tif"
        bead_stack(beads, seed=SEED)
        tuning = clips_of(options, folder / "tuning", TUNED, SEED + 1000)
        measuring = clips_of(options, folder / "measuring", MEASURED, SEED + 2000)
        for name in real:
            begin(f"{name}, real frames")
            make = partial(real_frames.real_method, name, environments, options.real, folder)
            clip = real_frames.challenge_clip(options.real, folder)
            rows_of = partial(as_they_come, folder=folder / f"{name} real", clip=clip, frames_of="the challenge")
            yield attempt(name, make, rows_of)
        for name in programs:
            begin(name)
            make = partial(simulated_method, name, environments, beads, options.model)
            frames = frames_of(options.positions)
            rows_of = partial(compared, folder=folder / name, tuning=tuning, measuring=measuring, frames_of=frames)
            yield attempt(name, make, rows_of)


def clips_of(options: argparse.Namespace, folder: Path, emitters: int, seed: int) -> list[Clip]:
    """A movie of each condition."""
    number = QUICK if options.quick else emitters
    return [
        simulated(folder / str(index), condition, number, options.positions, seed + index)
        for index, condition in enumerate(CONDITIONS)
    ]


def attempt(name: str, make: Callable[[], Method], rows_of: Callable[[Method], list[Row]]) -> Measured:
    """The rows of a program, or why it has none."""
    try:
        return Measured(rows_of(make()), [])
    except UnavailableError as error:
        LOG.warning("%s was left out: %s", name, error)
        return Measured([], [f"{name} was left out: {error}"])


def frames_of(positions: Path | None) -> str:
    """What the emitters of the simulated frames lie on."""
    return "our own microtubules" if positions is None else f"the positions of {positions.name}"


if __name__ == "__main__":
    sys.exit(main())
