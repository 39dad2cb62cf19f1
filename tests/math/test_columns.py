"""Moments and rotations of columns against loops over graphs."""

import pytest
import torch

from fa_pyg.math import columns as of_columns
from fa_pyg.math.columns import centered, columns, from_columns, moments, rotated, sums, take

BATCH = torch.tensor([2, 0, 0, 2, 4, 2, 4])  # unsorted; graphs 1 and 3 are empty


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_columns_and_back(dtype):
    x = torch.randn(7, 3).to(dtype)
    y = columns(x)
    assert y.dtype is torch.float64
    assert y.is_contiguous()
    assert torch.equal(y, x.double().mT)
    back = from_columns(y, dtype)
    assert torch.equal(back, x)
    assert back.is_contiguous()


def test_derivatives_of_columns():
    for dtype in (torch.float32, torch.float64):
        x = torch.randn(7, 3, dtype=dtype, requires_grad=True)
        (from_columns(columns(x), dtype) ** 2).sum().backward()
        assert torch.equal(x.grad, 2 * x)
    many = torch.randn(4, 7, 3)
    assert torch.equal(torch.vmap(columns)(many), many.double().mT)


@pytest.mark.parametrize("few", [0, 1 << 11])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_mean_and_moments(dim, weighted, few, monkeypatch):
    monkeypatch.setattr(of_columns, "_FEW", few)
    x = torch.randn(dim, 7, dtype=torch.float64) + 100
    w = torch.rand(7, dtype=torch.float64) + 0.1 if weighted else None
    mean, apart = centered(x.clone(), BATCH, 5, w)
    found = moments(apart, BATCH, 5, w)
    for graph in range(5):
        rows, share = x[:, graph == BATCH], torch.ones(7, dtype=x.dtype) if w is None else w
        share = share[graph == BATCH]
        expected = rows @ share / share.sum() if len(share) else torch.zeros(dim, dtype=x.dtype)
        rows = rows - expected[:, None]
        assert torch.allclose(mean[:, graph], expected, rtol=1e-14)
        assert torch.allclose(apart[:, graph == BATCH], rows, atol=1e-12)
        assert torch.allclose(found[graph], rows @ torch.diag(share) @ rows.mT, atol=1e-11)
    alone, apart = centered(x.clone(), None, 1, w)
    again, _ = centered(x.clone(), BATCH * 0, 1, w)
    assert torch.allclose(alone, again, rtol=1e-14)
    assert torch.allclose(moments(apart, None, 1, w), moments(apart, BATCH * 0, 1, w), atol=1e-11)


def test_a_graph_alone_and_in_a_batch_to_the_last_bit(monkeypatch):
    """Sums are in the order of the nodes: the axes of symmetric clouds do not depend on the batch."""
    x = torch.randn(3, 60, dtype=torch.float64)
    batch = torch.arange(4).repeat_interleave(15)
    for few in (0, 1 << 11):
        monkeypatch.setattr(of_columns, "_FEW", few)
        mean, apart = centered(x.clone(), batch, 4)
        found, turned = moments(apart, batch, 4), rotated(apart, take(torch.randn(3, 3, 4).double(), batch))
        assert turned.shape == (3, 60)
        for graph in range(4):
            one = x[:, batch == graph].clone()
            alone, here = centered(one, batch[:15] * 0, 1)
            assert torch.equal(alone[:, 0], mean[:, graph])
            assert torch.equal(moments(here, batch[:15] * 0, 1)[0], found[graph])


def test_the_mean_of_a_cloud_far_away_keeps_its_digits():
    far = torch.tensor([1e8, -3e8, 2e8], dtype=torch.float64)[:, None]
    x = torch.randn(3, 100_000, dtype=torch.float64) + far
    exact = (x - far).mean(1, keepdim=True)
    mean, apart = centered(x.clone(), None, 1)
    assert (mean - exact - far).abs().max() < 1e-7
    assert (apart - (x - far - exact)).abs().max() < 1e-6


def test_rotated():
    x, m = torch.randn(3, 7), torch.randn(3, 3, 7)
    assert torch.allclose(rotated(x, m), torch.einsum("in,ian->an", x, m), atol=1e-6)
    assert torch.allclose(rotated(x, m[..., :1]), m[..., 0].mT @ x, atol=1e-6)
    assert torch.equal(take(m, torch.tensor([3, 3, 0])), m[..., [3, 3, 0]])


def test_no_vectors():
    none = torch.zeros(3, 0, dtype=torch.float64)
    mean, apart = centered(none.clone(), BATCH[:0], 5)
    assert mean.eq(0).all()
    assert moments(apart, BATCH[:0], 5).shape == (5, 3, 3)
    assert sums(none, None, 1).shape == (3, 1)
