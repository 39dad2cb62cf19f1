"""Batched numerics against loops, and both ways to sum over graphs."""

import pytest
import torch

from fa_pyg.math import linalg

BATCH = torch.tensor([2, 0, 0, 2, 4, 2, 4])  # unsorted; graphs 1 and 3 are empty


def loop_sum(src, index, size):
    out = torch.zeros(size, *src.shape[1:], dtype=src.dtype)
    for row, graph in zip(src, index.tolist(), strict=True):
        out[graph] += row
    return out


@pytest.fixture(params=["torch", "torch_scatter"])
def kernels(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(linalg, "torch_scatter", None)
    elif linalg.torch_scatter is None:
        pytest.skip("torch_scatter is not installed")


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_scatter_sum(kernels, shape):
    src = torch.randn(7, *shape, dtype=torch.float64, requires_grad=True)
    out = linalg.scatter_sum(src, BATCH, 5)
    assert torch.allclose(out, loop_sum(src, BATCH, 5), rtol=0, atol=1e-14)
    grad = torch.randn_like(out)
    out.backward(grad)
    assert torch.equal(src.grad, grad[BATCH])
    assert linalg.scatter_sum(src[:0], BATCH[:0], 5).eq(0).all()
    assert linalg.scatter_sum(src[:0], BATCH[:0], 0).shape == (0, *shape)


def test_scatter_sum_can_be_differentiated_twice(kernels):
    src = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: linalg.scatter_sum(x, BATCH, 5).pow(2), src)


def test_added_writes_to_the_first_tensor():
    first, wide, narrow = torch.randn(4, 2, 3), torch.randn(4, 2, 3), torch.randn(4, 1, 3)
    expected = first + wide + narrow
    out = linalg.added(first, wide, narrow)
    assert torch.equal(out, expected)
    assert out is first
    assert torch.equal(linalg.added(first), expected)


def test_added_can_be_differentiated_twice():
    x, y = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (5, 7))

    def total(x, y):
        return linalg.added(x.index_select(0, BATCH), y**2).sin()

    assert torch.autograd.gradcheck(total, (x, y))
    assert torch.autograd.gradgradcheck(total, (x, y))


@pytest.mark.parametrize("batched", [0, 1])
def test_added_under_vmap_where_only_one_tensor_is_batched(batched):
    x, y, many = torch.randn(4, 3), torch.randn(4, 3), torch.randn(5, 4, 3)
    pair = (many, y) if batched == 0 else (x, many)
    out = torch.vmap(linalg.added, in_dims=(0, None) if batched == 0 else (None, 0))(*pair)
    assert torch.equal(out, pair[0] + pair[1])
    assert not torch.equal(out[0], pair[0] if batched else pair[0][0])  # not overwritten


def test_both_kernels_agree():
    if linalg.torch_scatter is None:
        pytest.skip("torch_scatter is not installed")
    src, index = torch.randn(1000, 4), torch.randint(0, 50, (1000,))
    native = src.new_zeros(50, 4).index_add_(0, index, src)
    assert torch.allclose(linalg.scatter_sum(src, index, 50), native, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_mean(kernels, weighted):
    x = torch.randn(7, 3, dtype=torch.float64)
    w = torch.rand(7, dtype=torch.float64) + 0.1 if weighted else None
    mean = linalg.mean(x, BATCH, 5, w)
    for graph in range(5):
        rows = x[graph == BATCH]
        share = (w if weighted else torch.ones(7, dtype=x.dtype))[graph == BATCH]
        expected = share @ rows / share.sum() if len(rows) else torch.zeros(3, dtype=x.dtype)
        assert torch.allclose(mean[graph], expected, atol=1e-14)
    assert torch.allclose(linalg.mean(x, None, 1, w), linalg.mean(x, BATCH * 0, 1, w), atol=1e-14)


def test_the_mean_of_a_cloud_far_away_keeps_its_digits():
    far = torch.tensor([1e8, -3e8, 2e8], dtype=torch.float64)
    x = torch.randn(100_000, 3, dtype=torch.float64) + far
    error = (linalg.mean(x, None, 1)[0] - (x - far).mean(0) - far).abs().max()
    naive = (x.float().mean(0).double() - (x - far).mean(0) - far).abs().max()
    assert error < 1e-7 < naive


def test_integer_weights():
    x = torch.randn(7, 3, dtype=torch.float64)
    z = torch.tensor([1, 6, 8, 1, 1, 7, 6])
    assert torch.equal(linalg.mean(x, BATCH, 5, z), linalg.mean(x, BATCH, 5, z.double()))


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
@pytest.mark.parametrize("channels", [(), (2,), (2, 5)])
def test_rotate(dim, rank, channels):
    x = torch.randn(4, *channels, *(dim,) * rank, dtype=torch.float64)
    m = torch.randn(4, dim, dim, dtype=torch.float64)
    out = linalg.rotate(x, m, rank)
    back = linalg.rotate_back(x, m, rank)
    for row in range(4):
        expected, inverse = x[row], x[row]
        for axis in range(len(channels), len(channels) + rank):
            expected = torch.tensordot(expected, m[row], dims=([axis], [0])).movedim(-1, axis)
            inverse = torch.tensordot(inverse, m[row], dims=([axis], [1])).movedim(-1, axis)
        assert torch.allclose(out[row], expected, atol=1e-12)
        assert torch.allclose(back[row], inverse, atol=1e-12)


def test_rotate_takes_leading_axes():
    x, m = torch.randn(6, 2, 3), torch.randn(5, 6, 3, 3)
    many = linalg.rotate(x.unsqueeze(0), m, 1)
    assert torch.allclose(many, torch.einsum("ncd,kndb->kncb", x, m), atol=1e-6)


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5])
def test_det(dim):
    m = torch.randn(9, 2, dim, dim, dtype=torch.float64)
    assert torch.allclose(linalg.det(m), torch.linalg.det(m), atol=1e-13)


def test_frames_are_computed_in_float64():
    assert all(
        linalg.working_dtype(torch.zeros(1, dtype=t)) == torch.float64 for t in (torch.half, torch.float)
    )
