"""What the numbers of localisations of the particles say about their labels."""

from torch import Tensor


def noisy_counts(counts: Tensor | None, least: float) -> Tensor | None:
    """Localisations of each picture ``[P]`` where its poses are to be drawn by their likelihood; None for the best ones.

    Pictures of one structure differ by their poses and by which labels they show. The second is noise, and the numbers of
    localisations measure it before anything is fitted: if each of N labels is seen with probability p, their variance
    over their mean is 1 - p. Where it is next to nothing every picture shows every label, one pose fits it far better than
    all others, and drawing poses would only blur the structure.

    Args:
        counts: Localisations of each picture ``[P]``; None where that is not known.
        least: Variance over mean from which poses are drawn.
    """
    return counts if counts is not None and dispersion_of(counts) >= least else None


def dispersion_of(counts: Tensor) -> float:
    """Variance over mean of the numbers of localisations ``[P]``."""
    numbers = counts.double()
    return float(numbers.var(correction=0) / numbers.mean())
