"""``metrics.json``: the schema shared by all its readers and writers.

All keys are always present, with null for what was not recorded. A new key is a new field here; removing a key or
changing its meaning requires a higher ``SCHEMA``.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from holly_triton.core.files import as_json, foreign, replacing
from holly_triton.core.types import Figures

METRICS = "metrics.json"
CONTRADICTED = 2.5
"""Standard errors that held-out particles must lose by a symmetry to contradict it."""
SEEN = "localisation"
"""What likelihoods are of where a file does not say it; the other is a label."""
SCHEMA = 2
"""Files of the first one do not say which they are of; all that they hold is here too."""


@dataclass(frozen=True)
class Fit:
    """How well a structure fits pictures that were not used in its training, in comparison with training pictures.

    The poses of both are searched in the same way, under the final cloud.
    """

    pictures: int
    pictures_training: int
    loss: float
    """Mean masked L1 of the pictures that were not used."""
    loss_training: float
    unexplained: float
    """Share of the intensity in the wrong place, mean over the pictures that were not used."""
    unexplained_training: float


@dataclass(frozen=True)
class HeldOut(Fit):
    """The fit of the held-out pictures."""

    names: list[str]
    """Which they are; ``poses.csv`` has their rows among the others."""


@dataclass(frozen=True)
class Imposed:
    """A symmetry that was imposed, and what held-out particles gain by it; None where that was not compared."""

    symmetry: str
    held_out: int = 0
    """Number of them that were compared."""
    gain: float | None = None
    """Mean log-likelihood of a localisation, less that under the structure from the same run without the symmetry."""
    gain_error: float | None = None
    """Its standard error, over the particles."""
    seen: str = SEEN
    """What the likelihood is of: a localisation, or a label where those of one were merged."""

    @property
    def is_contradicted(self) -> bool:
        """Whether held-out particles lose more by it than chance would have it."""
        return self.gain is not None and self.gain_error is not None and self.gain < -CONTRADICTED * self.gain_error


@dataclass(frozen=True)
class DataFile:
    """A file of a run's data, by which a change of it is noticed."""

    name: str
    """Within the path of the data."""
    bytes: int
    blake2b: str
    """Checksum of 16 bytes, hexadecimal."""


@dataclass(frozen=True)
class Metrics:
    """The figures of a run or, where they hold for several runs together, of a study; None is not recorded."""

    schema_version: int = SCHEMA
    finished: bool | None = None
    step: int | None = None
    steps: int | None = None
    seconds: float | None = None
    """Duration of the training."""
    energy_wh: float | None = None
    """Energy of the training; None where the machine does not count it."""
    pictures_per_second: float | None = None
    device: str | None = None
    processes: int | None = None
    threads: int | None = None
    seed: int | None = None
    points: int | None = None
    points_tried: list[dict[str, float]] | None = None
    """Where the likelihood chose their number, each number of ``points`` that was compared: ``log_likelihood``, the mean of a
    localisation, density in nm^-3, natural logarithm, and ``score``, the same less the penalty."""
    channels: list[dict[str, Any]] | None = None
    """Of each channel that has a cloud of its own, in the order of the points: ``name`` and number of ``points``."""
    dimensions: int | None = None
    """3: localisations in 3D. The losses are then exp of the mean negative log-likelihood of a localisation, nm^3, and what is
    unexplained is the share of the localisations in the background."""
    labels: float | None = None
    """Labels of a particle that are seen, mean, where the localisations of each were merged: what is said of localisations, in losses,
    likelihoods and the background, is of labels then."""
    localisations_a_label: float | None = None
    """How many were merged, mean."""
    pose_entropy: float | None = None
    """Median entropy of the weights of a particle's orientations, natural logarithm; of 3D localisations."""
    points_outside: int | None = None
    """Points outside the field of view."""
    pictures: int | None = None
    """Number of pictures used for the structure, without the held-out ones."""
    held_out: HeldOut | None = None
    imposed: Imposed | None = None
    loss: float | None = None
    """Masked L1 of the last step."""
    loss_of_structure: float | None = None
    loss_of_ball: float | None = None
    """Masked L1 of the structure, and of a structureless control of its size, for the same pictures."""
    few_labels: bool | None = None
    """Whether particles of 2D localisations have so few that the masked L1 is high for the right structure too; None in 3D."""
    sigma_nm: float | None = None
    blur_nm: float | None = None
    axial_blur_nm: float | None = None
    """The same along the microscope's z, where the data state no precision along it; then ``blur_nm`` is along x and y."""
    data: dict[str, str] | None = None
    """Rows of the ``info`` screen."""
    data_path: str | None = None
    """The file or folder that the run was given."""
    data_files: list[DataFile] | None = None
    """Its data files; ``data.json`` has the ids and the numbers of localisations of the particles too."""
    localisations: int | None = None
    """Number of localisations of the pictures used for the structure; None where the data are pixels."""
    notes: list[str] | None = None
    doubts: list[str] | None = None
    """Sentences about defects of the data that cast doubt on every result."""
    versions: dict[str, str] | None = None
    history: list[dict[str, Any]] | None = None
    symmetry: list[Figures] | None = None
    findings: list[str] | None = None
    """Sentences about the agreement of a study's runs."""
    consensus: Figures | None = None
    """Figures of the consensus of a study."""
    classes: Figures | None = None
    """Figures of a classification into several structures."""
    deformation: Figures | None = None
    """Figures of a deformation of which each particle has an amplitude."""
    resolution: Figures | None = None
    """Resolution from half sets."""
    angular_order: Figures | None = None
    """Angular order found in one half set and tested in the other."""
    evaluation: Figures | None = None
    """Figures of the comparison with the truth."""
    other: Figures = field(default_factory=dict)
    """Unknown keys, which are kept so that nothing is lost where a file is rewritten."""

    @staticmethod
    def of(table: Figures) -> "Metrics":
        """The inverse of ``table``.

        Raises:
            ValueError: A later schema, or a value of another kind.
        """
        version = table.get("schema_version", 1)
        if type(version) is not int or version > SCHEMA:
            raise ValueError(f"schema {version}; this version of holly-triton reads {SCHEMA} and earlier")
        if isinstance(held_out := table.get("held_out"), dict):
            table = {**table, "held_out": HeldOut(**_known(HeldOut, held_out))}
        if isinstance(imposed := table.get("imposed"), dict):
            table = {**table, "imposed": Imposed(**_known(Imposed, imposed))}
        if isinstance(files := table.get("data_files"), list) and all(isinstance(file, dict) for file in files):
            table = {**table, "data_files": [DataFile(**_known(DataFile, file)) for file in files]}
        known = _known(Metrics, table)
        other = {name: value for name, value in table.items() if name not in known}
        return Metrics(**{**known, "schema_version": SCHEMA, "other": other})

    def table(self) -> Figures:
        """The figures as a JSON table."""
        table: Figures = dataclasses.asdict(self)
        other: Figures = table.pop("other")
        return table | other

    def recorded(self) -> Figures:
        """``table`` without what was not recorded."""
        return {name: value for name, value in self.table().items() if value is not None}


def read_metrics(folder: Path) -> Metrics:
    """The figures that a run or a study left in its folder.

    Raises:
        HollyError: There are none, or they are damaged.
    """
    path = folder / METRICS
    with foreign(path, "the figures of a run"):
        table = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(table, dict):
            raise ValueError("no table")
        return Metrics.of(table)


def write_metrics(folder: Path, metrics: Metrics) -> None:
    """Write the figures of a run or a study into its folder.

    Raises:
        HollyError: The file can't be written.
    """
    with replacing(folder / METRICS) as partial:
        partial.write_text(as_json(metrics.table()), encoding="utf-8")


def _is(value: Any, kind: Any) -> bool:
    """Whether a value of a JSON table is what a field's annotation says."""
    parts = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return any(_is(value, part) for part in parts)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is(part, parts[0]) for part in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(_is(part, parts[1]) for part in value.values())
    if kind in (int, float):
        return type(value) in (int, kind)
    return kind is Any or isinstance(value, kind)


def _known(record: type, table: Figures) -> Figures:
    """The values of a table that a dataclass has fields for, with their types checked."""
    hints = get_type_hints(record)
    known = {name: value for name, value in table.items() if name in hints}
    for name, value in known.items():
        if not _is(value, hints[name]):
            raise ValueError(f"{name} is {value!r:.60}")
    return known
