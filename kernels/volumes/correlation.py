r"""``fourier_correlation``: how well particles agree with a reference under many rotations and shifts.

A particle that is the reference v turned by R and moved by t, ``f(x) = v(R^T (x - t))``, has the spectrum::

    F(k) = V(R^T k) exp(-2 pi i k . t)

A tomogram knows it at some frequencies only. With the particle's weight w(k), which is 0 where nothing was measured (the
missing wedge), the score is the correlation inside it, from -1 to 1::

    score[p, r, s] = sum_k w_p Re[ F_p(k) conj V(R_r^T k) exp(2 pi i k . t_s) ]
                     / sqrt( sum_k w_p |F_p(k)|^2  sum_k w_p |V(R_r^T k)|^2 )

the constrained correlation of Förster et al. 2005. The reference's power below the root depends on the rotation, so a rotation
does not gain by turning strong frequencies of the reference out of the wedge. Where nothing was measured the score is 0.

The frequencies need only be half of space, as those of real volumes come in conjugate pairs. The two sums that depend on the
rotation are matrix products over all pairs (p, r), so the reference is sampled once per rotation, not once per pair.
"""

import torch
from torch import Tensor

from ..arguments import Backend, check_tensor, check_values, choose_backend
from ..autograd import public_operation
from .spectrum import FourierReference, check_reference, check_spectrum, phases

CHUNK_BYTES = 32 * 2**20
"""Bytes of the samples of the reference, and of the shifted spectra, held at a time."""
SAMPLE_VALUES = 28
"""Numbers held for each sample: eight corners of two values, and three quarters of them again while they are interpolated."""


def corner_table(reference: FourierReference) -> Tensor:
    """The samples at the eight corners of each cell ``[(M + 1)^3, 16]``: real and imaginary part of each.

    A row is read at once, about five times as fast on a CPU as eight values from eight places. The cells overlap the
    outside by one, where samples are 0.
    """
    padded = torch.nn.functional.pad(torch.view_as_real(reference.values.resolve_conj()), (0, 0, *(1, 1) * 3))
    cells = reference.side + 1
    corners = [
        padded[z : z + cells, y : y + cells, x : x + cells] for z in range(2) for y in range(2) for x in range(2)
    ]
    return torch.stack(corners, 3).view(cells**3, -1)


def sample_reference(table: Tensor, side: int, position: Tensor) -> Tensor:
    """Real and imaginary part ``[n, 2]`` at positions ``[n, 3]``, x y z in samples, by linear interpolation."""
    inside = (position + 1).clamp(0, side + 1)  # beyond, the samples are 0
    first = inside.nan_to_num().floor().clamp(max=side).long()
    fraction = inside - first
    cell = (first[:, 2] * (side + 1) + first[:, 1]) * (side + 1) + first[:, 0]
    corners = table.index_select(0, cell).view(len(position), 2, 2, 2, 2)
    x, y, z = fraction.unbind(1)
    plane = torch.lerp(corners[:, 0], corners[:, 1], z[:, None, None, None])
    line = torch.lerp(plane[:, 0], plane[:, 1], y[:, None, None])
    return torch.lerp(line[:, 0], line[:, 1], x[:, None])


def _correlation_torch(
    spectra: Tensor, reference: FourierReference, rotation: Tensor, shift: Tensor, frequencies: Tensor, weight: Tensor
) -> Tensor:
    (P, K), R, S = spectra.shape, len(rotation), len(shift)
    phase = phases(shift, frequencies)
    table = corner_table(reference)
    power = (weight * (spectra.real.square() + spectra.imag.square())).sum(1, keepdim=True)  # [P, 1]
    scores = power.new_empty(P, R, S)
    width = power.element_size() * max(1, K)
    turns, rows = max(1, CHUNK_BYTES // (SAMPLE_VALUES * width)), max(1, CHUNK_BYTES // (4 * width * max(1, S)))
    for start in range(0, R, turns):
        some = slice(start, start + turns)
        position = (frequencies @ rotation[some]) / reference.step + reference.side // 2  # [r, K, 3]
        expected = sample_reference(table, reference.side, position.view(-1, 3)).view(len(position), K, 2)
        both = expected.flatten(1).T  # [2 K, r]: real and imaginary parts in turn
        scale = (power * (weight @ expected.square().sum(-1).T)).sqrt()  # [P, r]
        scale = torch.where(scale == 0, torch.inf, scale)
        for first in range(0, P, rows):
            few = slice(first, first + rows)
            weighted = spectra[few] * (weight if len(weight) == 1 else weight[few])
            shifted = torch.view_as_real(weighted[:, None] * phase).view(len(weighted) * S, 2 * K)  # [p S, 2 K]
            agreement = (shifted @ both).view(len(weighted), S, both.shape[1])
            scores[few, some] = (agreement / scale[few, None]).transpose(1, 2)
    return scores


@public_operation
def fourier_correlation(
    spectra: Tensor,
    reference: FourierReference,
    rotation: Tensor,
    shift: Tensor,
    frequencies: Tensor,
    weight: Tensor,
    *,
    backend: Backend | None = None,
    check: bool = False,
) -> Tensor:
    """Correlation of particles with a turned and shifted reference, in Fourier space, inside what the particles know.

    The score of particle p, rotation r and shift s is the real part of ``sum_k w F_p(k) conj V(R_r^T k) exp(2 pi i k . t_s)``
    divided by the root of ``sum_k w |F_p|^2 sum_k w |V|^2``, with the particle's weight w: from -1 to 1, and 1 where the particle
    is the reference turned by R_r (active, reference to particle) and then moved by t_s. Where nothing was measured it is 0
    (Förster et al. 2005). V is interpolated linearly; it is 0 outside its samples. Nothing of size P x R x K is held. There is no gradient. The same
    input gives the same bits. A NaN in a particle, a rotation or a shift makes NaN of its own scores alone.

    Args:
        spectra: Spectra of the particles ``[P, K]``, complex64 or complex128; the origin of each is where its centre is
            thought to be.
        reference: The spectrum of the reference; ``fourier_reference`` makes it from a volume.
        rotation: ``[R, 3, 3]``, which act on x, y, z.
        shift: ``[S, 3]``: x, y, z in voxels.
        frequencies: ``[K, 3]``: x, y, z in cycles per voxel. Half of space is enough.
        weight: ``[P, K]``, or ``[1, K]`` for all particles: at least 0, and 0 where nothing was measured.
        backend: ``"triton"`` (complex64 on CUDA), ``"separable"`` (PyTorch on any device), or None to choose by device
            and dtype.
        check: Also check that all values are finite, which waits for the device.

    Returns:
        ``[P, R, S]``, real.

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: An argument of another shape, device or, with ``check``, value.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import fourier_correlation, fourier_reference
        >>> volume = torch.randn(8, 8, 8, generator=torch.Generator().manual_seed(0)).double()
        >>> frequencies = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)).double() / 4
        >>> x = torch.cartesian_prod(*[torch.arange(8.0) - 4] * 3).double().flip(1)
        >>> spectrum = torch.exp(-2j * torch.pi * (frequencies @ x.T)) @ volume.flatten().to(torch.complex128)
        >>> rotation, shift = torch.eye(3).double().expand(1, 3, 3), torch.tensor([[0.0, 0, 0], [2, 0, 0]]).double()
        >>> reference = fourier_reference(volume, padding=4)
        >>> scores = fourier_correlation(spectrum[None], reference, rotation, shift, frequencies, torch.ones(1, 50).double())
        >>> scores.shape, bool(scores[0, 0, 0] > 0.999), bool(scores[0, 0, 1] < 0.5)
        (torch.Size([1, 1, 2]), True, True)
    """
    spectra = check_spectrum("spectra", spectra, "P K")
    real = spectra.real
    reference = check_reference(reference, real)
    P, K = spectra.shape
    rotation = check_tensor("rotation", rotation, "R 3 3", real).detach()
    shift = check_tensor("shift", shift, "S 3", real).detach()
    frequencies = check_tensor("frequencies", frequencies, "K 3", real, K=K).detach()
    weight = check_tensor("weight", weight, "P K", real, K=K).detach()
    if len(weight) not in (1, P):
        raise ValueError(f"weight must be [1, K] or [P, K] with P = {P}, got {list(weight.shape)}")
    chosen = choose_backend(backend, real)
    if check:
        check_values(
            spectra=torch.view_as_real(spectra), rotation=rotation, shift=shift, frequencies=frequencies, weight=weight,
            **{"reference.values": torch.view_as_real(reference.values)},
        )  # fmt: skip
    if chosen == "triton":
        from .triton_correlation import fourier_correlation_triton

        return fourier_correlation_triton(spectra, reference, rotation, shift, frequencies, weight)
    return _correlation_torch(spectra, reference, rotation, shift, frequencies, weight)
