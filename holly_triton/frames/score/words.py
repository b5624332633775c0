"""The figures of an evaluation in words, on one screen."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from holly_triton.core.types import Figures

from .calibration import UNRESOLVABLE_NM
from .figures import Score

HONEST = (0.9, 1.1)
"""Standard deviations of the pull within which stated uncertainties are called honest."""
SIGNIFICANT = 0.001
"""A bias within a pixel is reported as present below this probability."""
NOTICEABLE = 0.2
"""Height of the bias curve, as a share of the lateral error, above which it is called noticeable."""


def explain(score: Score) -> str:
    """All figures as text."""
    counts, settings = score.counts, score.settings
    lines = [_headline(score), ""]
    lines.append(
        f"Emitters      {score.emitters}, of which {counts['matched']} were found and {counts['missed']} missed"
        f"{_aside(score)}"
    )
    lines.append(f"Localisations {score.localisations}, of which {counts['false']} have no emitter within reach")
    lines.append(f"Left out      {score.at_border[0]} emitters and {score.at_border[1]} localisations within {settings.border_nm:g} nm of the edge, or outside")  # fmt: skip
    lines.append(f"Jaccard index {_share(score, 'jaccard')}: those found, of found, missed and false together")
    lines.append(f"Recall        {_share(score, 'recall')} of the emitters were found")
    lines.append(f"Precision     {_share(score, 'precision')} of the localisations are right")
    if counts["matched"]:
        lines.append(f"Error         {_listed(score, {'lateral': 'rmse_lateral', 'axial': 'rmse_axial'}, _nm)} (RMSE)")
        lines.append(f"Offset        {_offset(score)}")
        efficiencies = {
            "lateral": "efficiency_lateral",
            "axial": "efficiency_axial",
            "in 3D (their mean)": "efficiency_3d",
        }
        lines.append(f"Efficiency    {_listed(score, efficiencies, _share)}; 100 % is perfect")
    lines += [line for line in (_photons(score), _z_range(score), _pull(score), _bound(score), _bias(score)) if line]
    if score.intervals:
        lines += ["", "In brackets: 95 % intervals, from resampling the frames."]
    return "\n".join(lines)


def _headline(score: Score) -> str:
    counts = score.counts
    frames = f"{len(score.per_frame.frame)} frames"
    if score.emitters == 0 and score.localisations == 0:
        return "There are neither emitters nor localisations in the scored field."
    if counts["matched"] == 0:
        return f"None of the {score.emitters} emitters in {frames} was found."
    dimensions = "3D" if score.dimensions == 3 else "2D (z is left out)"
    return (
        f"{_percent(score.main['recall'])} of the emitters in {frames} were found, with {_percent(score.main['precision'])} "
        f"of the localisations right; compared in {dimensions}."
    )


def _aside(score: Score) -> str:
    if not score.set_aside:
        return ""
    return f"; {score.set_aside} more are too dim to be scored, as are {score.on_dim} localisations of them"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if np.isfinite(value) else "undefined"


def _share(score: Score, name: str) -> str:
    text = _percent(score.main[name])
    low, high = score.intervals.get(name, (np.nan, np.nan))
    return f"{text} ({100 * low:.1f} to {100 * high:.1f})" if np.isfinite([low, high]).all() else text


def _nm(score: Score, name: str) -> str:
    value = score.main[name]
    low, high = score.intervals.get(name, (np.nan, np.nan))
    text = f"{value:.1f} nm"
    return f"{text} ({low:.1f} to {high:.1f})" if np.isfinite([low, high]).all() else text


def _listed(score: Score, names: Mapping[str, str], in_words: Callable[[Score, str], str]) -> str:
    """The figures that are defined: in 2D only the lateral ones are."""
    known = {words: name for words, name in names.items() if np.isfinite(score.main[name])}
    return ", ".join(f"{in_words(score, name)} {words}" for words, name in known.items())


def _offset(score: Score) -> str:
    known = [f"{axis} {value:+.1f}" for axis, value in zip("xyz", score.mean_error, strict=True) if np.isfinite(value)]
    return f"{', '.join(known)} nm on average"


def _photons(score: Score) -> str | None:
    if not np.isfinite(score.photon_ratio):
        return None
    correlation = score.photon_correlation
    text = f"; correlation {correlation:.2f}" if np.isfinite(correlation) else ""
    return f"Photons       {score.photon_ratio:.2f} times those of the emitters (median){text}"


def _z_range(score: Score) -> str | None:
    by_z = score.against_z
    if by_z is None or not np.isfinite([by_z.low, by_z.high]).all():
        return None
    return (
        f"z range       {by_z.low:.0f} to {by_z.high:.0f} nm, where recall passes half of its largest value; consolidated "
        f"{by_z.consolidated:.0f} nm"
    )


def _by_axis(figures: Figures, name: str, form: str) -> str:
    return ", ".join(f"{axis} {figures[axis][name]:{form}}" for axis in "xyz" if axis in figures)


def _pull(score: Score) -> str | None:
    if score.pull is None:
        return None
    spread = [axis["deviation"] for axis in score.pull.values()]
    low, high = HONEST
    verdict = "honest" if all(low <= value <= high for value in spread) else _dishonest(spread)
    return (
        f"Uncertainties {verdict}: error over stated uncertainty has s.d. {_by_axis(score.pull, 'deviation', '.2f')} "
        f"(1 is right); {_by_axis(score.pull, 'within_68', '.0%')} lie within one (68 % is right)"
    )


def _dishonest(spread: Sequence[float]) -> str:
    low, high = HONEST
    words = [word for word, wrong in (("too small", max(spread) > high), ("too large", min(spread) < low)) if wrong]
    return " or ".join(words)


def _bound(score: Score) -> str | None:
    if score.bound is None:
        return None
    parts = []
    for name, words in (("isolated", "isolated emitters"), ("all", "all")):
        of: dict[str, Any] = score.bound[name]
        if of["pairs"]:
            ratio = ", ".join(f"{axis} {of[axis]:.2f}" for axis in "xyz" if np.isfinite(of[axis]))
            parts.append(f"{ratio} for {of['pairs']} {words}")
    beyond = score.bound["unresolvable"]
    rest = f"; {beyond} have a bound above {UNRESOLVABLE_NM:g} nm and are left out" if beyond else ""
    return f"Limit         errors over the Cramér-Rao bound: {'; '.join(parts) or 'undefined'}{rest} (1 is the limit where the background is even)"


def _bias(score: Score) -> str | None:
    axes = {axis: score.checkerboard[axis] for axis in "xy" if score.checkerboard[axis] is not None}
    if not axes:
        return None
    height = {axis: figures["bias"]["peak_to_peak"] for axis, figures in axes.items()}
    present = any(figures["bias"]["p_value"] < SIGNIFICANT for figures in axes.values())
    text = ", ".join(f"{axis} {value:.1f}" for axis, value in height.items())
    if not present:
        return f"Checkerboard  none found: error against the place within a pixel varies by {text} nm, as chance does"
    large = max(height.values()) > NOTICEABLE * score.main["rmse_lateral"]
    effect = ", ".join(f"{axis} {figures['amplitude']:.2f}" for axis, figures in axes.items())
    return (
        f"Checkerboard  {'noticeable' if large else 'slight'}: the mean error varies with the place within a pixel by "
        f"{text} nm (amplitude of the histogram {effect})"
    )
