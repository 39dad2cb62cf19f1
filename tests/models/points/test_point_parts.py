"""Edge convolutions, heads and pooling, against code without shortcuts."""

import pytest
import torch
from torch import nn

from fa_pyg.models.points.clouds import read_clouds
from fa_pyg.models.points.edge_conv import EdgeConv
from fa_pyg.models.points.heads import make_head, unit


@pytest.mark.parametrize("pool", ["max", "mean"])
@pytest.mark.parametrize("sizes", [(10, 10), (10, 14)])
def test_edge_conv_by_hand(pool, sizes, clouds):
    pos, batch = clouds(sizes)
    conv = EdgeConv(4, nn.LeakyReLU(0.2), pool, 3, 8, 5).double()
    distance = torch.cdist(pos, pos).masked_fill(batch[:, None] != batch, torch.inf)
    near = distance.topk(4, largest=False).indices
    edge = torch.cat([pos[near] - pos.unsqueeze(1), pos.unsqueeze(1).expand(-1, 4, -1)], dim=2)
    expected = conv.rest(conv.first(edge).flatten(0, 1)).unflatten(
        0, (-1, 4)
    )  # batch norm trains: over edges
    expected = expected.amax(1) if pool == "max" else expected.mean(1)
    torch.testing.assert_close(conv(pos, read_clouds(pos, batch)), expected)


@pytest.mark.parametrize("how", ["max", "mean"])
@pytest.mark.parametrize("sizes", [(6, 6, 6), (6, 1, 11)])
def test_pool_by_hand(how, sizes, clouds):
    pos, batch = clouds(sizes)
    parts = [pos[batch == i] for i in range(3)]
    expected = torch.stack([part.amax(0) if how == "max" else part.mean(0) for part in parts])
    torch.testing.assert_close(read_clouds(pos, batch).pool(pos, how), expected)


@pytest.mark.parametrize("sizes", [(6, 6, 6), (6, 1, 11)])
def test_transform_by_hand(sizes, clouds):
    pos, batch = clouds(sizes)
    matrix = torch.randn(3, 3, 3).double()
    expected = torch.cat([pos[batch == i] @ matrix[i] for i in range(3)])
    torch.testing.assert_close(read_clouds(pos, batch).transform(pos, matrix), expected)


def test_normal_head_reads_joined_features(clouds):
    pos, batch = clouds()
    clouds = read_clouds(pos, batch)
    of_cloud, of_points = torch.randn(3, 6).double(), torch.randn(37, 4).double()
    head = make_head(None, 6, 4, 0.1, nn.ReLU(), normalize=False).double()
    joined = torch.cat([of_cloud[batch], of_points], dim=1)
    torch.testing.assert_close(head(of_cloud, of_points, clouds), head.rest(head.first(joined)))
    bounded = make_head(None, 6, 4, 0.1, nn.ReLU(), bounded=True, normalize=False).double()
    bounded.load_state_dict(head.state_dict())
    v = head(of_cloud, of_points, clouds)
    torch.testing.assert_close(bounded(of_cloud, of_points, clouds), torch.tanh(v / 2))


def test_unit_of_zero():
    v = torch.zeros(2, 3, requires_grad=True)
    unit(v).sum().backward()
    assert torch.equal(unit(v), torch.zeros(2, 3))
    assert v.grad.isfinite().all()
