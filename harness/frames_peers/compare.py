"""One program after the other on the same frames: tuned on some, scored on others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.origin import commit
from holly_triton.core.types import Array
from holly_triton.harness.records import device_name

from .config import EDGE_NM, LEAST_CORRELATION, Condition
from .conversions import moved
from .methods import Method, Options
from .movies import Clip
from .records import Row
from .scoring import Found, best_limits, efficiency, pairs_of, score

STARTED = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
NO_OFFSET = np.zeros(3)


def compared(
    method: Method, folder: Path, tuning: Sequence[Clip], measuring: Sequence[Clip], frames_of: str
) -> list[Row]:
    """The rows of one program: for each condition as it comes, and with its filter.

    Args:
        method: The program.
        folder: For its files.
        tuning: Movies by which options and filters are chosen.
        measuring: Others of the same conditions, in the same order.
        frames_of: Name of the frames.

    Raises:
        UnavailableError: The program fails.
        HollyError: It counts z in another way than the conversion assumes.
    """
    tried = [(clip, options) for clip in tuning for options in method.options]
    found = method.run(folder / "tuning", [clip for clip, _ in tried], [options for _, options in tried])
    sparsest = min(clip.condition.emitters for clip in tuning)
    sparse = [(one, clip) for one, (clip, _) in zip(found, tried, strict=True) if clip.condition.emitters == sparsest]
    offset = offset_of(method, sparse) if method.align else NO_OFFSET
    chosen: dict[Condition, tuple[Options, tuple[float | None, ...]]] = {}
    for clip in tuning:
        of_clip = [
            (one._replace(table=moved(one.table, offset)), options)
            for one, (other, options) in zip(found, tried, strict=True)
            if other is clip
        ]
        best, options = max(of_clip, key=lambda pair: efficiency(as_it_comes(method, pair[0]), clip))
        chosen[clip.condition] = options, best_limits(best, clip, method.qualities)
    measured = method.run(folder / "measuring", measuring, [chosen[clip.condition][0] for clip in measuring])
    rows = []
    for clip, one in zip(measuring, measured, strict=True):
        options, limits = chosen[clip.condition]
        aligned = one._replace(table=moved(one.table, offset))
        said = words(options), words(dict(zip((q.column for q in method.qualities), limits, strict=True)))
        raw = as_it_comes(method, aligned)
        rows.append(row(method, raw, aligned, clip, frames_of, filtered=False, options=said[0], offset=offset))
        kept = aligned.filtered(method.qualities, limits)
        both = "; ".join(filter(None, said))
        rows.append(row(method, kept, aligned, clip, frames_of, filtered=True, options=both, offset=offset))
    return rows


def as_they_come(method: Method, folder: Path, clip: Clip, frames_of: str) -> list[Row]:
    """The row of one program on frames without others to tune it on; errors as above."""
    options = method.options[0]
    (found,) = method.run(folder, [clip], [options])
    offset = offset_of(method, [(found, clip)]) if method.align else NO_OFFSET
    aligned = found._replace(table=moved(found.table, offset))
    table = as_it_comes(method, aligned)
    return [row(method, table, aligned, clip, frames_of, filtered=False, options=words(options), offset=offset)]


def as_it_comes(method: Method, found: Found) -> Array:
    """The rows that pass the limits that the program has by default."""
    return found.filtered(method.qualities, [found.limits.get(quality.column) for quality in method.qualities])


def offset_of(method: Method, found: Sequence[tuple[Found, Clip]]) -> Array:
    """Median errors ``[3]`` nm of all matched localisations.

    Raises:
        HollyError: z does not rise with the true one.
    """
    pairs = [pairs_of(one, clip) for one, clip in found]
    errors, z = (np.concatenate(part) for part in zip(*pairs, strict=True))
    if len(errors) < 3 or not np.corrcoef(z.T)[0, 1] > LEAST_CORRELATION:
        raise HollyError(
            f"{method.name} {method.versions[0]}: its positions do not agree with the truth; mend its conversion"
        )
    return np.asarray(np.median(errors, axis=0))


def row(
    method: Method, table: Array, found: Found, clip: Clip, frames_of: str, *, filtered: bool, options: str, offset: Array
) -> Row:  # fmt: skip
    """One row of the table."""
    result, condition = score(table, clip), clip.condition
    main, inside = result.main, replace(clip.scoring, border_nm=EDGE_NM)
    return Row(
        program=method.name, version=method.versions[0], frames_of=frames_of, photons=condition.photons,
        background=condition.background, emitters=condition.emitters, frames=found.frames,
        scored=result.emitters, filtered=filtered, jaccard=main["jaccard"],
        jaccard_inside=score(table, replace(clip, scoring=inside)).main["jaccard"],
        precision=main["precision"], rmse_lateral=main["rmse_lateral"], rmse_axial=main["rmse_axial"],
        efficiency_3d=main["efficiency_3d"], frames_per_second=found.frames / max(found.seconds, 1e-9),
        options=options, offset_nm=" ".join(f"{value:+.1f}" for value in offset) if method.align else "",
        started=STARTED, device=device_name("cpu").partition(",")[0], commit=commit(),
    )  # fmt: skip


def words(options: Mapping[str, object]) -> str:
    """Options or limits in one line; those without a value are left out."""
    said = ((name, f"{value:.3g}" if isinstance(value, float) else value) for name, value in options.items())
    return ", ".join(f"{name} {value}" for name, value in said if value is not None)
