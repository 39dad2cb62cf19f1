"""Center and size of clouds."""

import math

import pytest
import torch
from torch_geometric.data import Batch, Data

from fa_pyg.transforms import NormalizeCloud


def test_center_and_size(dtype):
    pos = torch.randn(50, 3, dtype=dtype) * 7 + 30
    normal = torch.randn(50, 3, dtype=dtype)
    out = NormalizeCloud()(Data(pos=pos, normal=normal))
    assert torch.allclose(out.pos.mean(0), torch.zeros(3, dtype=dtype), atol=1e-6)
    assert math.isclose(out.pos.square().sum(1).mean(), 1, rel_tol=1e-6)
    assert torch.equal(out.normal, normal)
    moved = pos - pos.double().mean(0).to(dtype)
    assert torch.allclose(out.pos / out.pos.norm(), moved / moved.norm(), atol=1e-6)


def test_a_sphere_has_a_size():
    """The standard deviation of its norms is 0."""
    pos = torch.eye(3).repeat(2, 1) * torch.tensor([1.0, 1, 1, -1, -1, -1])[:, None]
    assert torch.equal(NormalizeCloud()(Data(pos=5 * pos)).pos, pos)


def test_clouds_of_a_batch_are_apart():
    clouds = [Data(pos=torch.randn(n, 3, dtype=torch.float64) * 10**n + 5) for n in (4, 9, 2)]
    batch = NormalizeCloud()(Batch.from_data_list(clouds))
    for one, found in zip(clouds, batch.to_data_list(), strict=True):
        assert torch.allclose(NormalizeCloud()(one).pos, found.pos)


def test_commutes_with_motions():
    pos = torch.randn(20, 3, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    moved = NormalizeCloud()(Data(pos=5 * pos @ rotation + 3)).pos
    assert torch.allclose(moved, NormalizeCloud()(Data(pos=pos)).pos @ rotation)


@pytest.mark.parametrize("at", [0.0, 0.1, 1e6 / 3])
def test_coincident_points_are_centered_only(dtype, at):
    out = NormalizeCloud()(Data(pos=torch.full((7, 3), at, dtype=dtype))).pos
    assert out.abs().max() < 1e-8


def test_other_data_are_refused():
    for data in (Data(), Data(pos=torch.zeros(3)), Data(pos=torch.zeros(3, 3).long())):
        with pytest.raises(ValueError, match="pos: expected"):
            NormalizeCloud()(data)
