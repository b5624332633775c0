"""What a discovery leaves beside the averages: the tables, and metrics.json."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json, foreign, replacing
from holly_triton.tomography.classify.sets import SubtomogramSet

from .clustering import NONE, Clusters
from .records import Record, majority, read_records

CLUSTERS, PARTICLES, METRICS = "clusters.csv", "particles.csv", "metrics.json"
SCHEMA = 1
"""Version of metrics.json."""
HEADER = (
    "look", "cluster", "subtomograms", "novelty", "nearest_class", "same_as", "class", "particles", "resolution_angstrom",
    "consistent", "structure", "discrepancy_angstrom",
)  # fmt: skip
LABELS = ("label", "purity")


class Entry(NamedTuple):
    """A cluster, in the order in which to look at them."""

    number: int
    subtomograms: int
    novelty: float
    nearest: str
    record: Record | None
    """Figures of its averages; None where it was not averaged."""
    label: str
    """The commonest known class of its subtomograms, where they have labels."""
    purity: float

    @property
    def main(self) -> dict[str, Any] | None:
        """The largest class."""
        return self.record.classes[0] if self.record is not None and self.record.classes else None

    @property
    def consistent(self) -> bool:
        """Whether it has an average that counts."""
        return self.record is not None and self.record.consistent


def entries_of(out: Path, subtomograms: SubtomogramSet, clusters: Clusters) -> list[Entry]:
    """Every cluster: those first whose average is consistent, then those without average, then the others; each from the most novel.

    Raises:
        HollyError: The figures of a cluster can't be read.
    """
    records = read_records(out)
    found = []
    for number in clusters.numbers:
        rows = clusters.rows(number)
        label, purity = ("", 0.0) if subtomograms.labels is None else majority(subtomograms.labels[rows])
        found.append(
            Entry(number, len(rows), clusters.novelty_of(number), clusters.nearest_of(number), records.get(number), label, purity)
        )  # fmt: skip
    return sorted(found, key=lambda entry: 0 if entry.consistent else 2 if entry.record is not None else 1)


def write_results(out: Path, subtomograms: SubtomogramSet, clusters: Clusters, entries: Sequence[Entry], known: dict[str, Any]) -> None:  # fmt: skip
    """Write the tables of clusters and of subtomograms, and the figures.

    Args:
        out: The folder.
        subtomograms: The set.
        clusters: Of the set.
        entries: ``entries_of`` these.
        known: Figures of what came before, for metrics.json.

    Raises:
        HollyError: A file can't be written.
    """
    labelled = subtomograms.labels is not None
    _write(out / CLUSTERS, [*HEADER, *(LABELS if labelled else ())], (_row(look, entry, labelled) for look, entry in enumerate(entries, start=1)))  # fmt: skip
    _write(out / PARTICLES, ["particle", "cluster", "novelty", "nearest_class", *(["label"] if labelled else [])], _particles(subtomograms, clusters))  # fmt: skip
    with replacing(out / METRICS) as partial:
        partial.write_text(as_json(known | metrics_of(subtomograms, clusters, entries)) + "\n", encoding="utf-8")


def check_same(out: Path, clusters: Clusters) -> None:
    """Refuse to go on where the clusters are others than those that were written, and so those of the averages.

    Raises:
        HollyError: They are, or the table can't be read.
    """
    path = out / PARTICLES
    if not path.is_file():
        return
    with foreign(path, "a table of subtomograms"), path.open(newline="", encoding="utf-8") as file:
        written = [int(row["cluster"] or NONE) for row in csv.DictReader(file)]
    if written != clusters.of.tolist():
        raise HollyError(
            f"{path}: has other clusters than k-means finds now, which another version of scikit-learn may be the reason of; "
            "begin anew with --overwrite"
        )


def read_clusters(path: Path) -> list[dict[str, str]]:
    """The rows of ``clusters.csv``.

    Raises:
        HollyError: The file can't be read.
    """
    with foreign(path, "a table of clusters"), path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def metrics_of(subtomograms: SubtomogramSet, clusters: Clusters, entries: Sequence[Entry]) -> dict[str, Any]:
    """The figures of a discovery, as metrics.json has them."""
    sizes = np.array([entry.subtomograms for entry in entries])
    used = int(sizes.sum())
    figures: dict[str, Any] = {
        "schema": SCHEMA, "source": subtomograms.source.name, "subtomograms": len(subtomograms), "unusable": len(subtomograms) - used,
        "clusters": len(entries), "smallest": int(sizes.min()), "median_size": float(np.median(sizes)), "largest": int(sizes.max()),
        "largest_share": float(sizes.max() / used), "novelty_known": bool(np.isfinite(clusters.novelty[clusters.of != NONE]).all()),
        "averaged": sum(entry.record is not None for entry in entries),
        "consistent": sum(entry.consistent for entry in entries),
    }  # fmt: skip
    if subtomograms.labels is not None:
        figures["purity"] = float(sum(entry.purity * entry.subtomograms for entry in entries) / used)
    figures["look_first"] = [
        {
            "cluster": entry.number, "subtomograms": entry.subtomograms, "novelty": entry.novelty, "nearest_class": entry.nearest,
            **({"label": entry.label, "purity": entry.purity} if subtomograms.labels is not None else {}), **entry.record._asdict(),
        }
        for entry in entries if entry.record is not None
    ]  # fmt: skip
    return figures


def _row(look: int, entry: Entry, labelled: bool) -> list[str]:
    novelty = f"{entry.novelty:.3f}" if np.isfinite(entry.novelty) else ""
    row = [str(look), str(entry.number), str(entry.subtomograms), novelty, entry.nearest]
    row.append(_word(None if entry.record is None else entry.record.same_as))
    row += [_word(None if entry.main is None else entry.main[name]) for name in HEADER[6:]]
    return row + ([entry.label, f"{entry.purity:.3f}"] if labelled else [])


def _word(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _particles(subtomograms: SubtomogramSet, clusters: Clusters) -> Iterable[list[str]]:
    for row, name in enumerate(subtomograms.names):
        number, novelty = int(clusters.of[row]), clusters.novelty[row]
        values = [str(name), str(number) if number != NONE else "", f"{novelty:.3f}" if np.isfinite(novelty) else "", str(clusters.nearest[row])]  # fmt: skip
        yield values + ([str(subtomograms.labels[row])] if subtomograms.labels is not None else [])


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
