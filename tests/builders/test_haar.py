"""Group averaging by samples; for all elements of finite groups see tests/builders/test_group.py."""

import pytest
import torch

from fa_pyg import HaarFrame

BATCH = torch.arange(4).repeat(3)


@pytest.mark.parametrize("kind", ["O", "SO", "E", "SE", "T"])
@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_elements_of_the_group_about_the_centroid(kind, dim):
    pos = torch.randn(12, dim) + 5
    frames = HaarFrame(f"{kind}({dim})", k=5)(pos, batch=BATCH)
    assert (frames.slots, frames.num_bodies, frames.rotation.dtype) == (5, 4, torch.float64)
    assert torch.allclose(
        frames.rotation.mT @ frames.rotation, torch.eye(dim, dtype=torch.float64), atol=1e-13
    )
    if kind in ("SO", "SE"):
        assert frames.determinant.eq(1).all()
    if kind in ("E", "SE", "T"):
        assert torch.allclose(frames.origin.float(), pos.view(3, 4, dim).mean(0), atol=1e-5)
    else:
        assert frames.origin is None


def test_every_graph_has_its_own_motion_and_every_call_another():
    frame, pos = HaarFrame("SO(3)", k=2), torch.randn(12, 3)
    rotation = torch.cat([frame(pos, batch=BATCH).rotation for _ in range(2)]).flatten(1)
    distance = torch.cdist(rotation, rotation) + 10 * torch.eye(16)
    assert distance.min() > 1e-3


def test_reproducible():
    pos = torch.randn(12, 3)
    a, b = (HaarFrame("E(3)", generator=torch.Generator().manual_seed(1))(pos).rotation for _ in range(2))
    assert torch.equal(a, b)
    torch.manual_seed(2)
    c = HaarFrame("E(3)")(pos).rotation
    torch.manual_seed(2)
    assert torch.equal(c, HaarFrame("E(3)")(pos).rotation)


def test_averages_approach_the_group_average():
    """The mean of (e . R^-1 x)^2 over O(3) is |x|^2 / 3, with an error that falls like 1 / sqrt(k)."""
    x, errors = torch.randn(1, 3, dtype=torch.float64), []
    for k in (100, 10_000):
        frames = HaarFrame("O(3)", k=k, generator=torch.Generator().manual_seed(0))(x)
        y = frames.to_frame(x, "vector")[:, :1].square()
        errors.append((frames.average(y) - x.square().sum() / 3).abs().item() / x.square().sum().item())
        assert errors[-1] < 5 * 0.3 / k**0.5
    assert errors[1] < errors[0]


@pytest.mark.parametrize("k", [0, -1, 1.5, True, None, "1"])
def test_wrong_numbers(k):
    with pytest.raises(ValueError, match="k: expected a positive integer"):
        HaarFrame("O(3)", k=k)


def test_repr():
    assert repr(HaarFrame("O(3)", k=2)) == 'HaarFrame("O(3)", k=2)'
