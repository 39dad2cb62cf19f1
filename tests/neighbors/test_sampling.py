"""Farthest point sampling, against a loop in Python; PointNet++'s set abstraction on top of it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch_geometric.nn import MLP, PointNetConv

from fa_pyg.neighbors import fps, radius

SIZES = [7, 0, 1, 23, 2, 40, 5]


def clouds(sizes=SIZES, d=3, dtype=torch.float64):
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return torch.randn(len(batch), d, dtype=dtype), batch


def oracle(x, batch, count):
    """Sample by a loop, from the first point of each cloud on; of equal distances the lowest index."""
    found = []
    for graph in batch.unique().tolist():
        members = (batch == graph).nonzero().view(-1).tolist()
        taken = members[:1]
        while len(taken) < count(len(members)):
            rest = [i for i in members if i not in taken]
            distance = [min(float((x[i] - x[j]).square().sum()) for j in taken) for i in rest]
            taken.append(rest[distance.index(max(distance))])
        found += taken
    return torch.tensor(found)


@pytest.mark.parametrize("d", [1, 2, 3, 7])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0])
def test_ratio_is_that_of_the_loop(d, ratio):
    x, batch = clouds(d=d)
    expected = oracle(x, batch, lambda n: math.ceil(ratio * n))
    assert torch.equal(fps(x, batch, ratio, random_start=False), expected)


@pytest.mark.parametrize("number", [1, 4, 1000])
def test_number_is_that_of_the_loop(number):
    x, batch = clouds()
    found = fps(x, batch, num_samples=number, random_start=False)
    assert torch.equal(found, oracle(x, batch, lambda n: min(n, number)))


@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(0, 2), st.integers(0, 10**6))
def test_ties_go_to_the_lowest_index(sizes, width, seed):
    """Integer coordinates have many equal distances, and coincident points (all of them for a width of 0)."""
    generator = torch.Generator().manual_seed(seed)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    x = torch.randint(width + 1, (len(batch), 3), generator=generator).float()
    assert torch.equal(fps(x, batch, 0.7, random_start=False), oracle(x, batch, lambda n: math.ceil(0.7 * n)))


def test_unsorted_batch_is_the_sorted_one():
    x, batch = clouds()
    mixed = torch.randperm(len(x))
    by_cloud = batch[mixed].argsort(stable=True)
    found = fps(x[mixed], batch[mixed], random_start=False)
    assert torch.equal(found, by_cloud[fps(x[mixed][by_cloud], batch, random_start=False)])


def test_single_cloud_and_numbers():
    x, _ = clouds([20])
    assert torch.equal(fps(x, random_start=False), oracle(x, torch.zeros(20), lambda n: 10))
    line = torch.tensor([0.0, 1.0, 10.0, 4.0])
    assert fps(line, random_start=False, ratio=1.0).tolist() == [0, 2, 3, 1]


def test_random_start_is_any_point():
    x, batch = clouds([3, 5])
    found = torch.stack([fps(x, batch, num_samples=1) for _ in range(200)])
    assert found[:, 0].unique().tolist() == [0, 1, 2]
    assert found[:, 1].unique().tolist() == [3, 4, 5, 6, 7]


def test_sampled_points_cover_the_cloud():
    """No point is farther from the samples than the last sample was, which random ones do not achieve."""
    x, _ = clouds([400])
    found = fps(x, num_samples=50)
    last = torch.cdist(x[found[-1:]], x[found[:-1]]).min()
    assert torch.cdist(x, x[found]).amin(1).max() <= last
    assert torch.cdist(x, x[torch.randperm(400)[:50]]).amin(1).max() > last


def test_points_that_are_not_numbers_are_not_sampled():
    x, batch = clouds([6, 4, 2])
    x[1, 0], x[7, 2], x[10:] = math.nan, math.inf, math.nan
    found = fps(x, batch, 1.0)
    assert sorted(found.tolist()) == [0, 2, 3, 4, 5, 6, 8, 9]


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_precision(dtype, offset):
    x = torch.cat([torch.zeros(1, 3), torch.eye(3) * 2, torch.eye(3)]).to(dtype) + offset
    assert fps(x, ratio=1.0, random_start=False)[:4].tolist() == [0, 1, 2, 3]
    assert fps(x * 1e30 if offset == 0 else x, ratio=0.3, random_start=False)[:2].tolist() == [0, 1]


def test_many_unequal_clouds_need_little_memory():
    """Padded to the largest, they would need 20 000 x 20 000 numbers."""
    x, batch = clouds([20_000] + [1] * 20_000, dtype=torch.float32)
    assert len(fps(x, batch, num_samples=2)) == 20_002


def test_nothing():
    assert fps(torch.zeros(0, 3)).shape == (0,)
    assert fps(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), batch_size=3).shape == (0,)


@pytest.mark.parametrize(
    ("name", "options"),
    [("ratio", {"ratio": 0.0}), ("ratio", {"ratio": 1.5}), ("num_samples", {"num_samples": 0}),
     ("random_start", {"random_start": 1}), ("batch", {"batch": torch.zeros(2).long()}),
     ("batch", {"batch_size": 0})],
)  # fmt: skip
def test_bad_arguments_are_named(name, options):
    with pytest.raises(ValueError, match=name):
        fps(torch.zeros(4, 3), **options)


class SetAbstraction(nn.Module):
    """The layer of PyG's example of PointNet++, with these functions in place of those of torch-cluster."""

    def __init__(self, ratio, r, channels):
        super().__init__()
        self.ratio, self.r = ratio, r
        self.conv = PointNetConv(MLP(channels), add_self_loops=False)

    def forward(self, x, pos, batch):
        index = fps(pos, batch, ratio=self.ratio, random_start=False)
        row, col = radius(pos, pos[index], self.r, batch, batch[index], max_num_neighbors=64)
        x = self.conv((x, None if x is None else x[index]), (pos, pos[index]), torch.stack([col, row]))
        return x, pos[index], batch[index]


def test_pointnet_plus_plus():
    pos, batch = clouds([60, 40])
    one, two = SetAbstraction(0.5, 0.8, [3, 8, 16]).double(), SetAbstraction(0.25, 1.5, [19, 16]).double()
    x, _, coarse_batch = two(*one(None, pos, batch))
    assert x.shape == (13, 16)
    assert coarse_batch.tolist() == [0] * 8 + [1] * 5
    x.sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in one.parameters())
    one.eval(), two.eval()
    together, alone = two(*one(None, pos, batch))[0], two(*one(None, pos[:60], batch[:60]))[0]
    assert torch.allclose(together[:8], alone)


@pytest.mark.parametrize(("size", "ratio"), [(25, 0.6), (45, 0.6), (10, 0.7), (100, 0.07)])
def test_counts_are_not_rounded_in_single_precision(size, ratio):
    assert len(fps(torch.randn(size, 3), ratio=ratio)) == math.ceil(ratio * size)
