"""``python -m holly_triton.harness.particles_peers``: reconstruct with ours and with other programs, and write the tables.

Picasso is installed into an environment of its own, and RELION is used where it is installed; each is left out, with the reason,
where it is not to be had.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.harness.frames_peers.environments import UnavailableError
from holly_triton.harness.rows import read_table, write_table

from . import averages, mesh
from .config import PICTURES
from .records import AverageRow, MeshRow
from .report import write_report

Row = TypeVar("Row", AverageRow, MeshRow)

REPORTS = Path(__file__).resolve().parents[2] / "reports" / "particles"
TABLES: tuple[tuple[str, type[Any]], ...] = (("averages.csv", AverageRow), ("mesh.csv", MeshRow))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.particles_peers", description=__doc__)
    parser.add_argument(
        "--particles", type=Path, nargs="*", default=[], help="files of registered particles, for the averages"
    )
    parser.add_argument("--mesh", type=Path, help="a structure in units of the paper, for the noisy pictures")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="of the mesh")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--environments", type=Path, help="folder of the environments, kept (default: a temporary one)")
    parser.add_argument("--reports", type=Path, default=REPORTS, help="folder of averages.csv, mesh.csv and peers.md")
    options = parser.parse_args(arguments)
    skipped: list[str] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for row in measure(options, Path(folder), skipped):
                add(options.reports, row)  # after each run, so that an interrupted one keeps what it measured
        averaged, meshes = (_known(options.reports / name, kind) for name, kind in TABLES)
        report = options.reports / "peers.md"
        report.write_text(write_report(averaged, meshes, skipped), encoding="utf-8")
    except HollyError as error:
        print(error, file=sys.stderr)
        return 1
    print(report)
    return 0


def measure(options: argparse.Namespace, folder: Path, skipped: list[str]) -> Iterator[AverageRow | MeshRow]:
    """All rows, each after its run; a sentence is added for a program that was left out."""
    environments = options.environments or folder
    for path in options.particles:
        registered = averages.read_registered(path, path.stem)
        yield averages.registered_row(registered)
        for seed in options.seeds:
            given, place = averages.turned(registered, seed), _made(folder / f"{path.stem}-{seed}")
            yield from _tried("Picasso", skipped, averages.run_picasso, given, environments, place)
            yield from _tried("holly-triton", skipped, averages.run_ours, given, place)
    for seed in options.seeds if options.mesh else ():
        scene, place = mesh.make_scene(options.mesh, seed, options.pictures), _made(folder / f"mesh-{seed}")
        yield from _tried("RELION", skipped, mesh.run_relion, scene, place)
        yield from _tried("holly-triton", skipped, mesh.run_ours, scene, place)


def _tried(program: str, skipped: list[str], run: Callable[..., Row], *given: object) -> Iterator[Row]:
    """The row of a run, or none and the reason."""
    try:
        yield run(*given)
    except UnavailableError as error:
        sentence = f"{program} was left out: {error}"
        if sentence not in skipped:
            skipped.append(sentence)
            LOG.warning("%s", sentence)


def add(reports: Path, row: AverageRow | MeshRow) -> None:
    """Add a row to its table; one of the same program, data and seed is replaced."""
    name, kind = next((name, kind) for name, kind in TABLES if isinstance(row, kind))
    kept = [known for known in _known(reports / name, kind) if known.run != row.run]
    write_table(reports / name, kind, [*kept, row], 5)


def _known(path: Path, kind: type[Any]) -> list[Any]:
    return read_table(path, kind) if path.is_file() else []


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
