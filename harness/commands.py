"""``python -m holly_triton.harness.commands COMMIT FOLDER``: short commands of this commit and of another.

``info`` of a large table, and ``evaluate`` of the finished runs that ``harness.trainings`` left of both commits, each of its own run.
The two are processes of one thread that start together, as there. Measured are the seconds of a processor from start to end,
with the start of Python and the imports.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.origin import here, origin_of
from holly_triton.core.words import counted
from holly_triton.io.run_files import read_run_cloud

from .steps import environment_of
from .trainings import together

ROW = "{:.4f},{:.4f},{:.3f},{}\n"
HEADER = "x [nm],y [nm],uncertainty [nm],particle\n"
FIELD_NM = 20_000.0
EMITTERS = 90
"""Localisations of each particle of the table, those of a particle one after the other, as programs write them."""
CHUNK = 9_000
"""Rows that are written at a time."""
HEAD = (
    "# Short commands beside those of another commit\n\n"
    "Each command of either commit, started together with one thread each, several times. Seconds are of the processor, with the start of "
    "Python and the imports; medians, and the median of the ratios. The table of `info` has four columns of text; `evaluate` aligns with "
    "the truth, scores the poses, draws the structure and writes the report.\n"
)
TAIL = "`python -m holly_triton.harness.commands COMMIT FOLDER --runs FOLDER` makes this table; --runs names what harness.trainings left.\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(
        prog="python -m holly_triton.harness.commands",
        description="Seconds of short commands of this commit and of another; what is measured already is not repeated.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("commit", help="the other commit of this checkout, by its hash")
    parser.add_argument("folder", type=Path, help="of the figures; continued if it exists")
    parser.add_argument("--runs", type=Path, help="the folder of harness.trainings with the same other commit")
    parser.add_argument("--megabytes", type=float, default=100.0, help="size of the table")
    parser.add_argument("--repeats", type=int, default=5, help="of each command")
    parser.add_argument("--report", type=Path, default=Path("reports/commands.md"), help="the file of the table")
    options = parser.parse_args(arguments)
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        with environment_of(options.commit) as other, TemporaryDirectory(dir=options.folder) as scratch:
            for name, words in _commands(options, Path(scratch)):
                _measure(options, name, words, (sys.executable, str(other)))
    except HollyError as error:
        print(error, file=sys.stderr)
        return 1
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(report(options.folder), encoding="utf-8")
    print(options.report)
    return 0


def _commands(options: argparse.Namespace, scratch: Path) -> Iterator[tuple[str, tuple[list[str], list[str]]]]:
    """Name and words of each command, those for this commit and those for the other."""
    table = scratch / "table.csv"
    write_table(table, int(1e6 * options.megabytes))
    words = ["info", str(table)]
    yield f"info, {options.megabytes:g} MB", (words, words)
    places = [] if options.runs is None else sorted(options.runs.glob(f"*/{options.commit}-*"))
    for place in places:
        truth = place / "data" / "truth.ply"
        if not truth.is_file():
            continue
        ours, theirs = (shutil.copytree(place / side, scratch / place.name / side) for side in ("here", "there"))
        name = f"evaluate, {place.parent.name}, {counted(len(read_run_cloud(ours)), 'point')}"
        yield name, (["evaluate", str(ours), "--truth", str(truth)], ["evaluate", str(theirs), "--truth", str(truth)])
        shutil.rmtree(scratch / place.name)


def write_table(path: Path, size: int) -> None:
    """A table of localisations of about ``size`` bytes, of particles all over a field."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        written, particle = file.write(HEADER), 0
        while written < size:
            number = particle + np.arange(CHUNK) // EMITTERS
            centre = rng.uniform(0, FIELD_NM, (number[-1] - particle + 1, 2))[number - particle]
            xy = centre + rng.normal(0, 50, (CHUNK, 2))
            rows = zip(*xy.T.tolist(), rng.uniform(5, 20, CHUNK).tolist(), number.tolist(), strict=True)
            written += file.write("".join(ROW.format(*row) for row in rows))
            particle = int(number[-1]) + 1


def _measure(
    options: argparse.Namespace, name: str, words: tuple[list[str], list[str]], pythons: tuple[str, str]
) -> None:
    """Both commands as often as asked, one record each, and one more before, which fills caches."""
    known = [
        record for record in records(options.folder) if (record["command"], record["other"]) == (name, options.commit)
    ]
    logs = [options.folder / f"{side}.log" for side in ("here", "there")]
    commands = {
        log: [python, "-P", "-m", "holly_triton", *each] for log, python, each in zip(logs, pythons, words, strict=True)
    }
    for turn in range(len(known), options.repeats):
        if turn == len(known):
            together(commands)
        record = {**here(), "other": options.commit, "command": name, "seconds": together(commands)}
        with (options.folder / "seconds.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        print(json.dumps(record), flush=True)


def records(folder: Path) -> list[dict[str, Any]]:
    """What was measured already."""
    path = folder / "seconds.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def report(folder: Path) -> str:
    """The report of all records in a folder."""
    every = records(folder)
    by_command: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in every:
        by_command.setdefault((record["command"], record["other"][:7]), []).append(record)
    rows = ["| command | times | s | other commit | s, other | ratio |", f"| --- |{' ---: |' * 5}"]
    for (name, other), some in by_command.items():
        ours, theirs = (statistics.median(record["seconds"][side] for record in some) for side in (0, 1))
        ratio = statistics.median(record["seconds"][0] / record["seconds"][1] for record in some)
        rows.append(f"| {name} | {len(some)} | {ours:.1f} | {other} | {theirs:.1f} | {ratio:.2f} |")
    return "\n".join([HEAD, *rows, "", origin_of(every), "", TAIL])


if __name__ == "__main__":
    sys.exit(main())
