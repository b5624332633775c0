"""Whether particles have so few labels that their poses are drawn, and how much each localisation counts then."""

from torch import Tensor

from holly_triton.particles.data.counts import dispersion_of, noisy_counts

from .config import Sparse


def are_few(counts: Tensor, settings: Sparse) -> bool:
    """Whether particles have few localisations, of which there are ``counts`` ``[P]``."""
    return float(counts.double().median()) <= settings.most


def has_few_labels(counts: Tensor, points: int, settings: Sparse, least_dispersion: float) -> bool:
    """Whether particles have so few localisations, and in such varying numbers, that their poses are drawn by each localisation.

    Args:
        counts: Localisations of each particle, or labels where their localisations were merged ``[P]``.
        points: Of the cloud.
        settings: The bounds.
        least_dispersion: Of the numbers.
    """
    if not are_few(counts, settings) or float(counts.double().median()) * points > settings.most_pairs:
        return False
    return noisy_counts(counts, least_dispersion) is not None


def power_of(counts: Tensor, settings: Sparse) -> float:
    """Power of the likelihood of a particle's localisations, which are not independent where several come of each label.

    It is one over the variance of their numbers over its mean, the dispersion of quasi-likelihood, which is the number of
    localisations of a label where few are seen. Numbers that vary for other reasons do not make localisations count as fewer than
    ``settings.independent``.
    """
    least = settings.independent / float(counts.double().median())
    return min(1.0, max(least, 1 / max(1.0, dispersion_of(counts))))
