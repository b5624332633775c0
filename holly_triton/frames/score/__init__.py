"""Localisations against the truth: the figures of the SMLM challenge 2016, and those beyond it."""

from .evaluate import evaluate
from .figures import Score
from .intervals import differences
from .matching import Pairs, match
from .reading import read_localisations, read_truth

__all__ = ["Pairs", "Score", "differences", "evaluate", "match", "read_localisations", "read_truth"]
