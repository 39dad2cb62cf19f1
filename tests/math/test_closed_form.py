"""The closed form against the equations that eigenvectors satisfy, and LAPACK."""

import pytest
import torch

from fa_pyg import Group
from fa_pyg.math.closed_form import closed_form


def hard(d: int, dtype: torch.dtype) -> torch.Tensor:
    """Random matrices, multiples of the identity, equal and nearly equal eigenvalues, zeros, rank 1."""
    torch.manual_seed(0)
    spectra = [
        [1, 1, 1],
        [1, 1, 2],
        [1, 2, 2],
        [1, 1 + 1e-9, 2],
        [1, 2, 2 + 1e-13],
        [0, 0, 0],
        [0, 0, 1],
        [-1, 0, 1],
    ]
    values = torch.tensor(spectra, dtype=torch.float64)[:, :d].repeat(20, 1)
    axes = Group.of(f"O({d})").haar(len(values), torch.Generator().manual_seed(0), dtype=torch.float64)
    symmetric = (axes * values[:, None]) @ axes.mT
    random = torch.randn(200, d, d, dtype=torch.float64)
    return torch.cat([symmetric + symmetric.mT, random + random.mT]).to(dtype)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25])
def test_eigenvectors(d, dtype, scale):
    a = hard(d, dtype) * scale
    values, v = closed_form(a)
    eps = torch.finfo(dtype).eps
    size = a.abs().amax((1, 2))[:, None, None] + torch.finfo(dtype).tiny
    assert ((a @ v - v * values[:, None]).abs() / size).max() < 20 * eps
    assert (v.mT @ v - torch.eye(d, dtype=dtype)).abs().max() < 20 * eps
    assert ((values - torch.linalg.eigvalsh(a)).abs() / size[:, 0]).max() < 20 * eps
    assert (values.diff() >= 0).all()
    assert torch.equal(closed_form(a, values=False)[1], v)


@pytest.mark.parametrize("d", [2, 3])
def test_one_matrix_that_is_not_finite_does_not_affect_others(d):
    a = hard(d, torch.float64)
    expected = closed_form(a)
    for wrong in (torch.nan, torch.inf):
        b = a.clone()
        b[3, 0, 0] = wrong
        for found, clean in zip(closed_form(b), expected, strict=True):
            assert found[3].isnan().all()
            others = torch.arange(len(a)) != 3
            assert torch.equal(found[others], clean[others])


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
@pytest.mark.parametrize("d", [2, 3])
def test_shapes(shape, d):
    values, vectors = closed_form(torch.eye(d, dtype=torch.float64).expand(*shape, d, d))
    assert values.shape == (*shape, d)
    assert vectors.shape == (*shape, d, d)
    assert vectors.is_contiguous()
