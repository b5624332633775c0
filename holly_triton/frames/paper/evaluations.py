"""What each network finds in the test frames of each cell: computed once and kept, one file for each."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.files import as_json, foreign, replacing
from holly_triton.core.types import Array, Figures
from holly_triton.frames.localise import Model, localise_frames
from holly_triton.frames.score.evaluate import evaluate
from holly_triton.frames.score.figures import PerFrame
from holly_triton.frames.score.matching import in_field

from .ceiling import ceiling_of
from .cells import SCORING, Bench, Cell, CellFrames, seeks_structure
from .config import Arm
from .hallucination import sums_of
from .nets import Net


@dataclass(frozen=True)
class Evaluation:
    """One network on the frames of one cell."""

    arm: Arm
    seed: int
    cell: Cell
    frames: int
    emitters: int
    """Scored ones."""
    crowd: float
    """Emitters of a frame, within its edges."""
    per_frame: PerFrame
    """Counts and sums of the frames that hold an emitter or a localisation."""
    detections: int
    """In all of the frames, their borders included."""
    figures: Figures
    """Of ``Score.figures``: pull, checkerboard and the like."""
    structure: Array | None
    """Where invented structure is sought, the sums of ``hallucination`` over detections, matched emitters and all ``[F, 12]``."""


class Store:
    """The folder of all evaluations of a study.

    Args:
        folder: It is made when something is written.
        bench: Draws the test frames.
    """

    def __init__(self, folder: Path, bench: Bench) -> None:
        self.folder, self.bench = folder, bench

    def read(self, net: Net, cell: Cell) -> Evaluation | None:
        """An evaluation, or None where it is not there or is of another network or other frames.

        Raises:
            HollyError: Its file is damaged.
        """
        saved = _read(self._path(net, cell), self._key(net, cell))
        if saved is None:
            return None
        with foreign(self._path(net, cell), "an evaluation of the study"):
            structure = None if saved["structure"] is None else np.array(saved["structure"], dtype=np.float64)
            sums = np.array(saved["sums"], dtype=np.float64).reshape(-1, 5)
            return Evaluation(
                net.arm, net.seed, cell, int(saved["frames"]), int(saved["emitters"]), float(saved["crowd"]),
                PerFrame(np.array(saved["frame"], dtype=np.int64), sums), int(saved["detections"]),
                saved["figures"], structure,
            )  # fmt: skip

    def evaluate(self, net: Net, model: Model, cell: Cell, made: CellFrames) -> None:
        """Localise a cell's frames with a network, and keep its figures.

        Raises:
            HollyError: The file can't be written.
        """
        device = next(model.localiser.network.parameters()).device
        found = localise_frames(model, made.photons.to(device))
        score = evaluate(found, made.truth, SCORING, flat=False)
        kept = ("precision", "pull", "checkerboard", "mean_error", "photon_ratio")
        frames = len(made.photons)
        structure = None
        if seeks_structure(cell):
            tables = (found, made.truth[score.pairs.emitter], made.truth)
            structure = np.concatenate([sums_of(table, frames, SCORING) for table in tables], axis=1)
        _write(
            self._path(net, cell),
            {
                "key": self._key(net, cell),
                "frames": frames,
                "emitters": score.emitters,
                "crowd": int(in_field(made.truth, SCORING.width_nm, SCORING.height_nm, 0).sum()) / frames,
                "detections": len(found),
                "figures": {name: value for name, value in score.figures().items() if name in kept},
                "structure": None if structure is None else structure.tolist(),
                "frame": score.per_frame.frame.tolist(),
                "sums": score.per_frame.sums.tolist(),
            },
        )

    def ceiling(self, cell: Cell, made: CellFrames | None = None) -> dict[str, float] | None:
        """The ceiling of a cell's figures: from its file, or computed if its frames are given; else None.

        Raises:
            HollyError: The file is damaged, or can't be written.
        """
        path = self.folder / "ceiling" / f"{cell.name}.json"
        key = self.bench.key(cell) | {"bound_emitters": self.bench.scale.bound_emitters}
        saved = _read(path, key)
        if saved is None and made is not None:
            saved = {"key": key, "figures": ceiling_of(cell, made, self.bench.scale.bound_emitters)}
            _write(path, saved)
        if saved is None:
            return None
        return {name: float("nan") if value is None else value for name, value in saved["figures"].items()}

    def finished(self, nets: Sequence[Net], cells: Sequence[Cell]) -> list[Evaluation]:
        """All that is there."""
        there = [net for net in nets if net.model.is_file()]
        return [each for net in there for cell in cells if (each := self.read(net, cell)) is not None]

    def _path(self, net: Net, cell: Cell) -> Path:
        return self.folder / net.name / f"{cell.name}.json"

    def _key(self, net: Net, cell: Cell) -> dict[str, Any]:
        return {**self.bench.key(cell), "network": zlib.crc32(net.model.read_bytes())}


def _read(path: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    with foreign(path, "an evaluation of the study"):
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return saved if saved["key"] == key else None


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(as_json(content).replace("\n", ""), encoding="utf-8")
