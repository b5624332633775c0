"""Where the classes of a training lie in the space of linear activations, and how far from all of them a subtomogram is."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaussians:
    """A Gaussian for each class, all of one covariance (Lee et al. 2018, arXiv 1807.03888).

    Attributes:
        means: ``[L, L]`` float32, a row for each class.
        covariance: ``[L, L]`` float32, within the classes.
    """

    means: Tensor
    covariance: Tensor

    @classmethod
    def fitted(cls, linear: Tensor, truth: Tensor) -> Self | None:
        """Fit them to subtomograms that were not trained on.

        The covariance is shrunk towards a multiple of the identity as far as its error asks for (Chen et al. 2010, OAS,
        equation 23), so that it has an inverse however few subtomograms there are.

        Args:
            linear: Activations ``[N, L]``.
            truth: Index of the class of each ``[N]``.

        Returns:
            The Gaussians; None where a class is absent, or no class has two subtomograms that differ.
        """
        values, classes = linear.double(), linear.shape[1]
        counts = torch.bincount(truth, minlength=classes)
        freedom = len(truth) - classes
        if int(counts.min()) == 0 or freedom < 1:
            return None
        means = torch.zeros(classes, classes, dtype=torch.float64).index_add_(0, truth, values) / counts[:, None]
        apart = values - means[truth]
        sample = apart.T @ apart / freedom
        level = float(sample.trace()) / classes
        if level <= 0:
            return None
        squares, square = float(sample.square().sum()), float(sample.trace()) ** 2  # tr(S S) and tr(S)^2
        spread = (freedom + 1 - 2 / classes) * (squares - square / classes)
        share = min(1.0, ((1 - 2 / classes) * squares + square) / max(spread, 1e-30))
        covariance = (1 - share) * sample + share * level * torch.eye(classes, dtype=torch.float64)
        return cls(means.float(), covariance.float())

    def whitened(self, linear: Tensor) -> Tensor:
        """Activations ``[N, L]`` in coordinates in which the covariance within the classes is the identity."""
        lower = torch.linalg.cholesky(self.covariance.double())
        changed: Tensor = torch.linalg.solve_triangular(lower, linear.double().T, upper=False).T
        return changed.float()

    def distances(self, linear: Tensor) -> Tensor:
        """Mahalanobis distances ``[N, L]`` of activations ``[N, L]`` from every class."""
        return torch.cdist(self.whitened(linear), self.whitened(self.means))
