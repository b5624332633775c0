"""What the study shows, in sentences: each aim with the figure that was measured."""

from collections.abc import Iterator, Sequence

from .averages import PICKS, TRUTH, Averaged
from .config import ARMS, REFERENCE, Condition, StudyScale
from .results import Results, middle

LEAST_F1 = 0.90
"""Wanted mean F1 of the network in the reference condition."""
LARGEST_FALL = 0.03
"""Wanted bound of the fall of its mean F1 from the best to the worst SNR, and range of tilts."""
PROTEASOMES, LEAST_PROTEASOME = ("20S", "20S-cap", "20S-2caps"), 0.8
"""Classes that differ by their caps, and the F1 wanted of each."""
LARGEST_ERROR = 0.5
"""Wanted bound of the median error of the network's positions, voxels."""
LARGEST_LOSS = 0.10
"""Wanted bound of the loss of resolution from true positions and rotations to picks that were aligned, relative,"""
FEWEST_AVERAGED = 100
"""in averages of at least so many particles."""
FALLS = (
    (Condition(0.15, 60), Condition(0.05, 60), "from SNR 0.15 to 0.05"),
    (Condition(0.10, 70), Condition(0.10, 50), "from ±70° to ±50°"),
)
NETWORK, MATCHING = "network", "matching-oracle"


def verdict(results: Results, scale: StudyScale, averaged: Sequence[Averaged]) -> list[str]:
    """A sentence for each aim of which the figures are there."""
    return [
        *_mean(results), *_classes(results), *_falls(results), *_proteasomes(results), *_errors(results, scale), *_averages(averaged),
        *_peer(results),
    ]  # fmt: skip


def _mean(results: Results) -> Iterator[str]:
    values = results.mean_f1(NETWORK, REFERENCE)
    if values:
        others = [f"{ARMS[arm]} {middle(found):.3f}" for arm in results.arms if arm != NETWORK and (found := results.mean_f1(arm, REFERENCE))]  # fmt: skip
        yield f"Mean F1 of our network at SNR 0.10 and ±60°: {middle(values):.3f} ({_reached(middle(values) >= LEAST_F1)}: at least {LEAST_F1:.2f}){''.join(f'; {other}' for other in others)}."  # fmt: skip


def _classes(results: Results) -> Iterator[str]:
    scores = list(results.scores(NETWORK, REFERENCE))
    if not scores or not list(results.scores(MATCHING, REFERENCE)):
        return
    below = [
        label
        for label in scores[0].classes
        if middle(results.class_f1(NETWORK, REFERENCE, label)) < middle(results.class_f1(MATCHING, REFERENCE, label))
    ]
    named = f"below it in {', '.join(below)}" if below else "below it in no class"
    yield f"Our network against our matching with the oracle's threshold: {named} ({_reached(not below)}: in none)."


def _falls(results: Results) -> Iterator[str]:
    for best, worst, words in FALLS:
        falls = {
            arm: middle(results.mean_f1(arm, best)) - middle(results.mean_f1(arm, worst))
            for arm in results.arms
            if results.mean_f1(arm, best) and results.mean_f1(arm, worst)
        }
        if NETWORK in falls:
            listed = ", ".join(f"{ARMS[arm]} {fall:+.3f}" for arm, fall in falls.items() if arm != NETWORK)
            yield (
                f"Fall of the mean F1 {words}: our network {falls[NETWORK]:+.3f} ({_reached(falls[NETWORK] <= LARGEST_FALL)}: at most "
                f"{LARGEST_FALL}){'; ' + listed if listed else ''}. The paper states 6 and 7 % for template matching."
            )


def _proteasomes(results: Results) -> Iterator[str]:
    found = {label: results.class_f1(NETWORK, REFERENCE, label) for label in PROTEASOMES}
    if all(found.values()):
        values = {label: middle(each) for label, each in found.items()}
        listed = ", ".join(f"{label} {value:.3f}" for label, value in values.items())
        yield f"F1 of the proteasomes by our network: {listed} ({_reached(min(values.values()) >= LEAST_PROTEASOME)}: at least {LEAST_PROTEASOME} each)."  # fmt: skip


def _errors(results: Results, scale: StudyScale) -> Iterator[str]:
    errors = [score.overall.figures()["median_error_angstrom"] for score in results.scores(NETWORK, REFERENCE)]
    if errors:
        voxels = middle(errors) / scale.voxel_size
        yield f"Median error of our network's positions: {voxels:.2f} voxels ({_reached(voxels <= LARGEST_ERROR)}: at most {LARGEST_ERROR})."  # fmt: skip


def _averages(averaged: Sequence[Averaged]) -> Iterator[str]:
    whole = [each for each in averaged if PICKS in each.names and TRUTH in each.names]
    if whole:
        picks, truth = (middle([each.resolution[each.names.index(name)] for each in whole]) for name in (PICKS, TRUTH))
        fewest = min(each.counts[each.names.index(PICKS)] for each in whole)
        reached = picks <= (1 + LARGEST_LOSS) * truth and fewest >= FEWEST_AVERAGED
        yield (
            f"Averages of at least {fewest} picks of 70S: FSC 0.143 at {picks:.1f} Å, from true positions and rotations at {truth:.1f} Å "
            f"({_reached(reached)}: within {100 * LARGEST_LOSS:.0f} %, of at least {FEWEST_AVERAGED} picks)."
        )


def _peer(results: Results) -> Iterator[str]:
    ours, theirs = (results.mean_f1(arm, REFERENCE) for arm in (MATCHING, "pytme-oracle"))
    if ours and theirs:
        yield (
            f"Template matching with the oracle's thresholds: ours {middle(ours):.3f}, pytme {middle(theirs):.3f} "
            f"({_reached(middle(ours) >= middle(theirs))}: as good or better)."
        )


def _reached(condition: bool) -> str:
    return "reached" if condition else "NOT reached"
