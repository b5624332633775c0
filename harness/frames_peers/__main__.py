"""``python -m holly_triton.harness.frames_peers``: measure all programs on the same frames, and write the table.

Programs of others are installed into environments of their own, and left out, with the reason, where that fails.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts

from .compare import compared
from .config import CONDITIONS, MEASURED, QUICK, SEED, TUNED
from .environments import UnavailableError
from .methods import NAMES, simulated_method
from .movies import bead_stack, simulated
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
    parser.add_argument("--programs", nargs="+", choices=NAMES, default=list(NAMES), help="(default: all)")
    parser.add_argument("--reports", type=Path, default=REPORTS, help="folder of peers.csv and peers.md")
    parser.add_argument("--add", action="store_true", help="keep the rows of other programs in peers.csv")
    parser.add_argument("--quick", action="store_true", help="few frames, to try the whole")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            done = measure(options, Path(folder))
        if not done.rows:
            raise HollyError("no program could be run")
        raw = options.reports / "peers.csv"
        others = read_rows(raw) if options.add and raw.is_file() else []
        write_rows(raw, [row for row in others if row.program not in options.programs] + done.rows)
        (options.reports / "peers.md").write_text(write_report(read_rows(raw), done.skipped), encoding="utf-8")
    except HollyError as error:
        print(error, file=sys.stderr)
        return 1
    print(options.reports / "peers.md")
    return 0


def measure(options: argparse.Namespace, folder: Path) -> Measured:
    """Simulate the frames, and run one program after the other on them."""
    environments = options.environments or folder / "environments"
    programs = [name for name in options.programs if name != "frames localise" or options.model is not None]
    rows: list[Row] = []
    skipped: list[str] = []
    with in_parts(1 + len(programs)) as begin:
        begin("simulating")
        beads = folder / "beads.tif"
        bead_stack(beads, seed=SEED)
        tuning, measuring = (
            [
                simulated(
                    folder / f"{purpose}{index}",
                    condition,
                    QUICK if options.quick else emitters,
                    options.positions,
                    SEED + index + first,
                )
                for index, condition in enumerate(CONDITIONS)
            ]
            for purpose, emitters, first in (("tuning", TUNED, 1000), ("measuring", MEASURED, 2000))
        )
        for name in programs:
            begin(name)
            try:
                method = simulated_method(name, environments, beads, options.model)
                rows += compared(
                    method, folder / name.replace(" ", "-"), tuning, measuring, frames_of(options.positions)
                )
            except UnavailableError as error:
                skipped.append(f"{name} was left out: {error}")
                LOG.warning("%s", skipped[-1])
    return Measured(rows, skipped)


def frames_of(positions: Path | None) -> str:
    """What the emitters of the simulated frames lie on."""
    return "our own microtubules" if positions is None else f"the positions of {positions.name}"


if __name__ == "__main__":
    sys.exit(main())
