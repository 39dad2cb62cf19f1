"""The eigen-decomposition: right in value, finite in gradient."""

import pytest
import torch

from fa_pyg.math import eigh
from fa_pyg.math.eigh import safe_axes, safe_eigh

SPECTRA = {
    "apart": [1.0, 2.0, 5.0],
    "close": [1.0, 1.0 + 1e-9, 5.0],
    "two equal": [2.0, 2.0, 5.0],
    "all equal": [3.0, 3.0, 3.0],
    "planar": [0.0, 2.0, 5.0],
    "linear": [0.0, 0.0, 5.0],
    "point": [0.0, 0.0, 0.0],
    "tiny": [1e-200, 2e-200, 5e-200],
    "huge": [1e200, 2e200, 5e200],
    "wide": [1e-14, 1e-6, 1.0],
}


def matrix(values, seed=0):
    values = torch.tensor(values, dtype=torch.float64)
    g = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(len(values), len(values), generator=g, dtype=torch.float64))[0]
    a = q @ torch.diag(values) @ q.T
    return (a + a.T) / 2


@pytest.fixture(params=["lapack", "closed form"])
def solver(request, monkeypatch):
    """Both solvers, whatever the size of the batch."""
    monkeypatch.setattr(eigh, "_CLOSED_FROM", 0 if request.param == "closed form" else 10**9)
    return request.param


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_decomposition(solver, spectrum):
    a = torch.stack([matrix(SPECTRA[spectrum], seed) for seed in range(20)])
    values, vectors = safe_eigh(a)
    scale = a.abs().max().clamp(min=1e-300)
    assert (values.diff(dim=-1) >= 0).all()
    eye = torch.eye(3, dtype=a.dtype)
    assert torch.allclose(vectors.mT @ vectors, eye.expand_as(a), atol=1e-13)
    rebuilt = vectors @ torch.diag_embed(values / scale) @ vectors.mT
    assert (rebuilt - a / scale).abs().max() < 1e-13
    exact = torch.tensor(SPECTRA[spectrum], dtype=a.dtype)
    assert ((values - exact) / scale).abs().max() < 1e-13


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 6])
def test_any_dimension_and_shape(solver, dim):
    a = torch.randn(2, 5, dim, dim, dtype=torch.float64)
    a = a + a.mT
    values, vectors = safe_eigh(a)
    assert torch.allclose(a @ vectors, vectors * values.unsqueeze(-2), atol=1e-12)
    assert torch.allclose(values, torch.linalg.eigvalsh(a), atol=1e-12)
    for shape in [(0, dim, dim), (dim, dim)]:
        assert safe_eigh(torch.zeros(shape, dtype=torch.float64))[1].shape == shape


def test_a_nan_stays_in_its_matrix(solver):
    a = torch.stack([matrix(SPECTRA["apart"], seed) for seed in range(4)])
    good = safe_eigh(a)
    a[1, 0, 2] = a[1, 2, 0] = torch.nan
    a[2, 1, 1] = torch.inf
    a.requires_grad_()
    values, vectors = safe_eigh(a)
    assert values[[1, 2]].isnan().all()
    assert vectors[[1, 2]].isnan().all()
    for k in (0, 3):
        assert torch.allclose(values[k], good[0][k], atol=1e-14)
        assert torch.allclose(vectors[k].abs(), good[1][k].abs(), atol=1e-13)
    (values.sum() + vectors.pow(3).sum()).backward()
    assert a.grad[[0, 3]].isfinite().all()
    assert not a.grad[[1, 2]].isfinite().all()


def invariant(a):
    """A function of values and vectors that depends on neither signs nor the asymmetric part of a."""
    values, vectors = safe_eigh((a + a.mT) / 2)
    probe = torch.arange(1.0, a.size(-1) + 1, dtype=a.dtype)
    return values, (probe @ vectors).pow(2)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_first_and_second_derivative(solver, dim):
    a = torch.stack([matrix([1.0, 2.5, 4.5, 7.0][:dim], seed) for seed in range(2)]).requires_grad_()
    assert torch.autograd.gradcheck(invariant, a)
    assert torch.autograd.gradgradcheck(invariant, a)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_transforms_of_torch_func(solver, dim):
    a = torch.stack([matrix([1.0, 2.5, 4.5, 7.0][:dim], seed) for seed in range(2)])

    def total(a):
        return sum((x * x).sum() for x in invariant(a))

    first = torch.autograd.functional.jacobian(total, a)
    second = torch.autograd.functional.hessian(total, a)
    for transform in (torch.func.grad, torch.func.jacrev, torch.func.jacfwd):
        assert torch.allclose(transform(total)(a), first, atol=1e-11)
    for transform in (torch.func.hessian, lambda f: torch.func.jacrev(torch.func.jacrev(f))):
        assert torch.allclose(transform(total)(a), second, atol=1e-10)
    each = torch.func.vmap(torch.func.grad(total))(a)
    assert torch.allclose(each, first, atol=1e-11)


@pytest.mark.parametrize("spectrum", ["two equal", "all equal", "planar", "linear", "point"])
def test_the_gradient_is_finite_where_eigenvalues_meet(solver, spectrum):
    a = matrix(SPECTRA[spectrum]).requires_grad_()
    values, vectors = safe_eigh(a)
    out = values.sum() + vectors.pow(3).sum()  # cares for the direction inside an eigenspace
    (grad,) = torch.autograd.grad(out, a, create_graph=True)
    (second,) = torch.autograd.grad(grad.pow(2).sum(), a)
    assert grad.isfinite().all()
    assert second.isfinite().all()
    forward = torch.func.jvp(safe_eigh, (a.detach(),), (torch.ones_like(a),))[1]
    assert all(x.isfinite().all() for x in forward)
    if spectrum != "point":
        assert grad.abs().max() < 1e3  # not 1 / (rounding noise)


def test_torchs_own_gradient_is_not():
    """The negative control: without the safe backward the same gradient is NaN or infinite."""
    a = torch.eye(3, dtype=torch.float64).requires_grad_()
    torch.linalg.eigh(a)[1].pow(3).sum().backward()
    assert not a.grad.isfinite().all()


def test_the_gradient_of_eigenvalues_is_exact_where_they_meet(solver):
    a = matrix(SPECTRA["all equal"]).requires_grad_()
    safe_eigh(a)[0].sum().backward()  # the trace
    assert torch.allclose(a.grad, torch.eye(3, dtype=a.dtype), atol=1e-12)


def test_solvers_agree(monkeypatch):
    a = torch.randn(300, 3, 3, dtype=torch.float64)
    a = a @ a.mT
    results = []
    for limit in (0, 10**9):
        monkeypatch.setattr(eigh, "_CLOSED_FROM", limit)
        results.append(safe_eigh(a))
    (values, vectors), (values2, vectors2) = results
    assert torch.allclose(values, values2, atol=1e-12)
    assert torch.allclose((vectors.mT @ vectors2).abs(), torch.eye(3, dtype=a.dtype).expand_as(a), atol=1e-9)


def test_rounding_errors_are_not_shapes(solver):
    """Multiples of the identity but for the last bits: every decision of a closed form hangs on rounding."""
    ulp = 2.0**-52
    diagonal = torch.cartesian_prod(*[torch.tensor([-1, 0, 1, 2], dtype=torch.float64)] * 3) * ulp + 1
    off = torch.cartesian_prod(*[torch.tensor([-2, -0.5, 0, 1], dtype=torch.float64)] * 3) * ulp
    for factor in (1.0, 1 / 3, 7.3e-7):
        a = torch.diag_embed(diagonal).unsqueeze(1).repeat(1, len(off), 1, 1)
        a[..., 0, 1], a[..., 0, 2], a[..., 1, 2] = off.unbind(-1)
        a = a.triu() + a.triu(1).mT
        values, vectors = safe_eigh(a * factor)
        assert torch.allclose(vectors.mT @ vectors, torch.eye(3, dtype=a.dtype).expand_as(a), atol=1e-14)
        assert ((a @ vectors) - vectors * values.unsqueeze(-2) / factor).abs().max() < 1e-14


def test_float32(solver):
    a = torch.randn(50, 3, 3)
    a = (a @ a.mT).requires_grad_()
    values, vectors = safe_eigh(a)
    assert values.dtype == vectors.dtype == torch.float32
    assert torch.allclose(vectors @ torch.diag_embed(values) @ vectors.mT, a, atol=1e-4)
    vectors.pow(3).sum().backward()
    assert a.grad.isfinite().all()


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_axes_alone_are_those_of_the_decomposition(solver, dim):
    a = torch.randn(20, dim, dim, dtype=torch.float64)
    a = a + a.mT
    assert torch.equal(safe_axes(a), safe_eigh(a)[1])
    a.requires_grad_()
    assert safe_axes(a).requires_grad


def test_many_matrices_are_solved_in_parts(monkeypatch):
    """Some solvers fail on tens of thousands at once; four dimensions have no closed form."""
    a = torch.randn(3, 7, 4, 4, dtype=torch.float64)
    whole = safe_eigh(a + a.mT)
    monkeypatch.setattr(eigh, "_AT_ONCE", 5)
    parts = safe_eigh(a + a.mT)
    assert all(torch.equal(x, y) for x, y in zip(whole, parts, strict=True))
