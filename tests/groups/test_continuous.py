"""Groups: names, signs, and Haar samples that are uniform."""

import itertools

import pytest
import torch

from fa_pyg import Group

NAMES = ["O", "SO", "E", "SE", "T"]


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 12])
@pytest.mark.parametrize("kind", NAMES)
def test_names(kind, dim):
    group = Group.of(f"{kind}({dim})")
    assert (group.kind, group.dim, str(group)) == (kind, dim, f"{kind}({dim})")
    assert Group.of(group) is group
    assert Group.of(f"{kind}( {dim} )") == group
    assert group.translates == (kind in ("E", "SE", "T"))
    assert group.reflects == (kind in ("O", "E"))
    assert group.rotates == (kind != "T")


@pytest.mark.parametrize(
    "spec", ["O(0)", "O(-1)", "SO", "SU(2)", "O(3", "xO(3)", "O(3)x", "o(3)", "O(d)", "", None, 3]
)
def test_an_unknown_name_lists_the_valid_ones(spec):
    with pytest.raises(ValueError, match=r"unknown group .*O\(d\), SO\(d\), E\(d\), SE\(d\) or T\(d\)"):
        Group.of(spec)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", NAMES)
def test_signs_are_the_diagonal_subgroup(kind, dim):
    signs = Group(kind, dim).signs(dtype=torch.float64)
    found = {tuple(row) for row in signs.tolist()}
    expected = set(itertools.product((1.0, -1.0), repeat=dim))
    if kind in ("SO", "SE"):
        expected = {s for s in expected if torch.tensor(s).prod() > 0}
    if kind == "T":
        expected = {(1.0,) * dim}
    assert found == expected
    assert len(signs) == len(expected)
    assert all(tuple(a * b for a, b in zip(s, t, strict=True)) in found for s in found for t in found)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", NAMES)
def test_haar_samples_lie_in_the_group(kind, dim):
    q = Group(kind, dim).haar(500, torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(q.mT @ q, torch.eye(dim, dtype=q.dtype).expand_as(q), atol=1e-14)
    det = torch.linalg.det(q)
    if kind in ("SO", "SE", "T"):
        assert (det > 0).all()
    else:
        assert 0.4 < (det > 0).double().mean() < 0.6
    if kind == "T":
        assert (q == torch.eye(dim)).all()


@pytest.mark.parametrize("kind", ["O", "SO"])
def test_haar_moments_are_those_of_the_uniform_measure(kind):
    """E[R] = 0, E[R_ij R_kl] = delta_ik delta_jl / d; E[tr^2] = 1 for O(3), SO(3); seen in 40 000 samples."""
    q = Group(kind, 3).haar(40_000, torch.Generator().manual_seed(1), dtype=torch.float64)
    tol = 5 / 200  # five standard deviations
    assert q.mean(0).abs().max() < tol
    second = torch.einsum("nij,nkl->ijkl", q, q) / len(q)
    eye = torch.eye(3, dtype=q.dtype)
    assert (second - torch.einsum("ik,jl->ijkl", eye, eye) / 3).abs().max() < tol
    trace = q.diagonal(dim1=1, dim2=2).sum(1)
    assert abs(trace.square().mean() - 1) < 3 * tol
    # A fixed motion moves samples to samples: <a, g R b> is distributed as <a, R b>.
    g = Group(kind, 3).haar(1, torch.Generator().manual_seed(2), dtype=torch.float64)
    quantiles = torch.linspace(0.1, 0.9, 9, dtype=q.dtype)
    assert (
        torch.quantile(q[:, 0, 1], quantiles) - torch.quantile((g @ q)[:, 2, 0], quantiles)
    ).abs().max() < tol


def test_haar_is_reproducible_and_takes_zero_samples():
    group = Group.of("SO(3)")
    a, b = (group.haar(4, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a, b)
    assert a.dtype == torch.get_default_dtype()
    assert group.haar(0).shape == (0, 3, 3)
    assert Group.of("T(2)").haar(0).shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("name", "text", "scales", "boosts"),
    [
        ("Sim(3)", "R+:E(3)", True, False),
        ("Gal(2)", "B:E(2)", False, True),
        ("R+:Gal(3)", "R+:B:E(3)", True, True),
        ("R+: SO(3)", "R+:SO(3)", True, False),
        ("B:T(3)", "B:T(3)", False, True),
        ("R+:Oh", "R+:Oh", True, False),
        ("R+:B:T(3):D4h", "R+:B:T(3):D4h", True, True),
    ],
)
def test_names_with_scaling_and_boosts(name, text, scales, boosts):
    group, plain = Group.of(name), Group.of(text.replace("R+:", "").replace("B:", ""))
    assert (str(group), group.scales, group.boosts, group.is_euclidean) == (text, scales, boosts, False)
    assert Group.of(text) == group != plain
    assert plain.is_euclidean
    for field in ("dim", "rotates", "reflects", "translates", "permutes"):
        assert getattr(group, field) == getattr(plain, field)


@pytest.mark.parametrize(
    "name", ["R+", "R+:", "Sim", "Sim(0)", "B:R+:E(3)", "R+:R+:E(3)", "R+:S(n)", "Gal(d)"]
)
def test_what_does_not_scale_or_boost(name):
    with pytest.raises(ValueError, match=r"unknown group .*R\+:E\(3\) or Sim\(3\)"):
        Group.of(name)
    with pytest.raises(ValueError, match=r"scales: expected False for S\(n\)"):
        Group("S", 0, scales=True)
