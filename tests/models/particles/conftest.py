"""Charged particles in ragged batches."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def charged():
    """Arguments of a model: particles on a jittered grid, at least about 0.5 apart, all pairs as edges."""

    def make(sizes=(5, 3, 1, 6), dtype=torch.float64):
        batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        grid = torch.cartesian_prod(*[torch.arange(3.0)] * 3)
        pos = torch.cat([grid[torch.randperm(27)[:size]] for size in sizes])
        pos = (pos + 0.25 * torch.rand(len(pos), 3)).to(dtype)
        charge = (torch.randint(2, (len(pos), 1)) * 2 - 1).to(dtype)
        edge_index = ((batch[:, None] == batch) & ~torch.eye(len(pos), dtype=torch.bool)).nonzero().T
        inputs = {"pos": pos, "vel": 0.5 * torch.randn_like(pos), "charge": charge}
        return {**inputs, "edge_index": edge_index, "batch": batch}

    return make


@pytest.fixture
def two():
    """Arguments of a model: two particles of opposite charge at a distance, moving slowly past each other."""

    def make(distance, dtype=torch.float64, speed=0.3):
        pos = torch.tensor([[0.6, 0.64, -0.48], [0, 0, 0]], dtype=dtype) * distance
        vel = torch.tensor([[0.8, 0, 1.0], [0, 0.6, 0]], dtype=dtype) * speed
        charge = torch.tensor([[1], [-1]], dtype=dtype)
        edge_index = torch.tensor([[0, 1], [1, 0]])
        return {"pos": pos, "vel": vel, "charge": charge, "edge_index": edge_index}

    return make


@pytest.fixture
def single():
    """One graph of a batch."""

    def take(inputs, graph):
        nodes = (inputs["batch"] == graph).nonzero().flatten()
        edges = inputs["edge_index"]
        edges = edges[:, (inputs["batch"] == graph)[edges[0]]]
        place = torch.zeros(len(inputs["batch"]), dtype=torch.long)
        place[nodes] = torch.arange(len(nodes))
        return {**{key: inputs[key][nodes] for key in ("pos", "vel", "charge")}, "edge_index": place[edges]}

    return take
