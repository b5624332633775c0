"""Factors that make the predicted standard deviations honest, as a function of the photons and of the crowding.

A network of little training is too sure about dim emitters and not sure enough about bright ones; one factor for each axis
cannot serve both. In crowds any network is too sure: a detection that stands for two emitters lies between them.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from holly_triton.frames.config.localisation import FARTHEST_PULL, FEWEST_IN_BIN, LONE, MOST_BINS, MOST_CROWDS
from holly_triton.frames.detections import Detections

TYPICAL = 0.6745
"""Median of the magnitude of a standard normal number."""


class SigmaScales(NamedTuple):
    """Factors at some numbers of photons, times factors at some crowdings; each is linear in the logarithm in between."""

    log_photons: Tensor  # [K], ascending
    factors: Tensor  # [K, 4]: for x, y, z, log photons
    log_crowding: Tensor = torch.zeros(1)  # [C], ascending
    crowd_factors: Tensor = torch.ones(1, 4)  # [C, 4]; 1 for a lone emitter

    @staticmethod
    def none() -> "SigmaScales":
        """Factors of 1."""
        return SigmaScales(torch.zeros(1), torch.ones(1, 4))

    @staticmethod
    def fitted(photons: Tensor, pull: Tensor) -> "SigmaScales":
        """Factors from errors in units of predicted deviations ``[M, 4]`` of lone emitters with predicted photons ``[M]``."""
        centres, factors = _in_bins(photons.log(), pull, MOST_BINS)
        return SigmaScales(centres, factors) if len(centres) else SigmaScales.none()

    def fitted_in_crowds(self, crowding: Tensor, pull: Tensor) -> "SigmaScales":
        """The same with factors for crowds, from errors in units of deviations that these factors were applied to already.

        Args:
            crowding: As in ``Detections`` ``[M]``.
            pull: ``[M, 4]``.
        """
        crowd = crowding > LONE
        centres, factors = _in_bins(crowding[crowd].log(), pull[crowd], MOST_CROWDS)
        # Of a lone emitter the factor is that of its photons.
        return self._replace(
            log_crowding=torch.cat([torch.tensor([LONE]).log(), centres]),
            crowd_factors=torch.cat([torch.ones(1, 4), factors]),
        )

    def applied(self, found: Detections) -> Detections:
        """Detections with their deviations multiplied."""
        factors = _between(self.log_photons, self.factors, found.photons.log())
        crowd_factors = _between(self.log_crowding, self.crowd_factors, found.crowding.log())
        return found._replace(sigma=found.sigma * factors * crowd_factors)

    def payload(self) -> dict[str, Any]:
        """As a file holds them."""
        return {name: values.cpu() for name, values in self._asdict().items()}


def _in_bins(values: Tensor, pull: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Means of values ``[M]`` and deviations of their pulls ``[M, 4]`` in bins of equal number: ``[K]``, ``[K, 4]``."""
    bins = min(most, len(values) // FEWEST_IN_BIN)
    if bins == 0:
        return values.new_empty(0), pull.new_empty(0, pull.shape[1])
    parts = torch.tensor_split(values.argsort(), bins)
    return torch.stack([values[part].mean() for part in parts]), torch.stack([_spread(pull[part]) for part in parts])


def _between(knots: Tensor, factors: Tensor, at: Tensor) -> Tensor:
    """Factors ``[M, 4]`` at ``[M]``, linear between knots ``[K]`` and constant beyond them."""
    knots, factors = knots.to(at), factors.to(at)
    if len(knots) == 1:
        return factors
    at = at.clamp(float(knots[0]), float(knots[-1]))
    right = torch.searchsorted(knots, at).clamp(1, len(knots) - 1)
    share = ((at - knots[right - 1]) / (knots[right] - knots[right - 1]))[:, None]
    return factors[right - 1] * (1 - share) + factors[right] * share


def _spread(pull: Tensor) -> Tensor:
    """Standard deviation about 0 ``[4]`` of most of the pulls ``[m, 4]``."""
    typical = pull.abs().median(dim=0).values / TYPICAL
    kept = pull.abs() <= FARTHEST_PULL * typical
    return ((pull**2 * kept).sum(0) / kept.sum(0)).sqrt()
