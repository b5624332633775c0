"""Factors that make the predicted standard deviations honest, as a function of the photons.

A network of little training is too sure about dim emitters and not sure enough about bright ones; one factor for each axis
cannot serve both.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from holly_triton.frames.detections import Detections

FEWEST_IN_BIN = 60
"""Pairs from which a factor is estimated; its own relative error is then 9 %."""
MOST_BINS = 12
FARTHEST = 5.0
"""Errors of more typical deviations than this are of another emitter, and are left out."""
TYPICAL = 0.6745
"""Median of the magnitude of a standard normal number."""


class SigmaScales(NamedTuple):
    """Factors at some numbers of photons, linear in their logarithm in between."""

    log_photons: Tensor  # [K], ascending
    factors: Tensor  # [K, 4]: for x, y, z, log photons

    @staticmethod
    def none() -> "SigmaScales":
        """Factors of 1."""
        return SigmaScales(torch.zeros(1), torch.ones(1, 4))

    @staticmethod
    def fitted(photons: Tensor, pull: Tensor) -> "SigmaScales":
        """Factors from errors in units of predicted deviations ``[M, 4]`` of emitters with predicted photons ``[M]``."""
        bins = min(MOST_BINS, len(photons) // FEWEST_IN_BIN)
        if bins == 0:
            return SigmaScales.none()
        order = photons.argsort()
        parts = torch.tensor_split(order, bins)
        centres = torch.stack([photons[part].log().mean() for part in parts])
        return SigmaScales(centres, torch.stack([_spread(pull[part]) for part in parts]))

    def applied(self, found: Detections) -> Detections:
        """Detections with their deviations multiplied."""
        if len(self.log_photons) == 1:
            return found._replace(sigma=found.sigma * self.factors.to(found.sigma))
        knots, factors = self.log_photons.to(found.sigma), self.factors.to(found.sigma)
        at = found.photons.log().clamp(float(self.log_photons[0]), float(self.log_photons[-1]))
        right = torch.searchsorted(knots, at).clamp(1, len(knots) - 1)
        share = ((at - knots[right - 1]) / (knots[right] - knots[right - 1]))[:, None]
        return found._replace(sigma=found.sigma * (factors[right - 1] * (1 - share) + factors[right] * share))

    def payload(self) -> dict[str, Any]:
        """As a file holds them."""
        return self._asdict()


def _spread(pull: Tensor) -> Tensor:
    """Standard deviation about 0 ``[4]`` of most of the pulls ``[m, 4]``."""
    typical = pull.abs().median(dim=0).values / TYPICAL
    kept = pull.abs() <= FARTHEST * typical
    return ((pull**2 * kept).sum(0) / kept.sum(0)).sqrt()
