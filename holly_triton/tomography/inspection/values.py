"""The values of a volume: range, mean, median, and whether they are a mask, labels, or bytes with the wrong sign."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from holly_triton.core.types import Array
from holly_triton.tomography.config.inspection import MOST_LABELS, SAMPLE

SECTIONS = 16
"""Sections that are summed at a time."""
BYTES = 256


@dataclass(frozen=True)
class Values:
    """Figures of a volume's finite values.

    Attributes:
        least, most, mean, deviation: over all of them; the last is the standard deviation.
        median: of a sample.
        not_finite: number of values that are NaN or infinite.
        counts: how often each value occurs, where all are of at most ``MOST_LABELS`` whole numbers, or two of any kind.
        wrapped: whether bytes that were read as signed appear to be unsigned.
    """

    least: float
    most: float
    mean: float
    deviation: float
    median: float
    not_finite: int
    counts: dict[float, int] | None
    wrapped: bool


def describe_values(values: Array, stored: np.dtype[Any]) -> Values:
    """Figures of a volume ``[Z, Y, X]`` that the file keeps in another type."""
    least, most, total, squares, count = np.inf, -np.inf, 0.0, 0.0, 0
    for start in range(0, len(values), SECTIONS):
        part = values[start : start + SECTIONS]
        part = part[np.isfinite(part)]
        if part.size:
            least, most = min(least, float(part.min())), max(most, float(part.max()))
            total += float(part.sum(dtype=np.float64))
            squares += float(np.square(part, dtype=np.float64).sum())
            count += part.size
    if not count:
        return Values(np.nan, np.nan, np.nan, np.nan, np.nan, values.size, None, False)
    sample = _sample(values)
    mean = total / count
    deviation = float(np.sqrt(max(0.0, squares / count - mean**2)))
    median = float(np.median(sample)) if sample.size else mean
    counts = _counts(values, sample) if count == values.size else None
    return Values(
        least, most, mean, deviation, median, values.size - count, counts, stored == np.int8 and _wrapped(sample)
    )


def distinct_values(values: Array) -> dict[float, int] | None:
    """How often each value of a volume occurs, where it is one of at most ``MOST_LABELS`` whole numbers, or of two of any kind."""
    return _counts(values, _sample(values))


def _sample(values: Array) -> Array:
    """Finite values at regular distances."""
    sample = values.reshape(-1)[:: max(1, values.size // SAMPLE)]
    finite: Array = sample[np.isfinite(sample)]
    return finite


def _counts(values: Array, sample: Array) -> dict[float, int] | None:
    """How often each value occurs, where they are few; a sample is looked at first."""
    few = np.unique(sample)
    if len(few) > 2 and (len(few) > MOST_LABELS or np.any(few % 1)):
        return None
    counts: dict[float, int] = {}
    for start in range(0, len(values), SECTIONS):
        found, times = np.unique(values[start : start + SECTIONS], return_counts=True)
        for value, number in zip(found.tolist(), times.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + number
        if len(counts) > MOST_LABELS or (len(counts) > 2 and any(value % 1 for value in counts)):
            return None
    return counts


def _wrapped(sample: Array) -> bool:
    """Whether values gather at both ends of the signed bytes and not about 0: unsigned ones about 128 do when so misread."""
    ends = np.mean(np.abs(sample) > 3 * BYTES / 8)
    middle = np.mean(np.abs(sample) < BYTES / 8)
    both = min(np.mean(sample > 3 * BYTES / 8), np.mean(sample < -3 * BYTES / 8))
    return bool(ends > 4 * middle and both > ends / 10)
