"""Typed graphs: one frame for the nodes of all types."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, HeteroData
from torch_geometric.nn import HeteroConv, SAGEConv, global_add_pool

from fa_pyg import FrameAveraging, PCAFrame, WeightedPCAFrame
from fa_pyg.nn import TypedModel

EDGES = [("atom", "near", "atom"), ("atom", "near", "wall"), ("wall", "near", "atom")]


class Net(nn.Module):
    """Vectors of the atoms alone, from the features of all types."""

    def __init__(self):
        super().__init__()
        self.first = HeteroConv({edge: SAGEConv((-1, -1), 8) for edge in EDGES}, aggr="sum")
        self.last = HeteroConv({edge: SAGEConv((-1, -1), 3) for edge in EDGES}, aggr="sum")

    def forward(self, x_dict, edge_index_dict):
        h = {name: x.relu() for name, x in self.first(x_dict, edge_index_dict).items()}
        return {"atom": self.last(h, edge_index_dict)["atom"]}


def sample(atoms, walls):
    data = HeteroData()
    data["atom"].x = torch.randn(atoms, 3, dtype=torch.float64)
    data["wall"].x = torch.randn(walls, 3, dtype=torch.float64)
    sizes = {"atom": atoms, "wall": walls}
    for source, name, target in EDGES:
        ends = [torch.randint(sizes[one], (9,)) for one in (source, target)]
        data[source, name, target].edge_index = torch.stack(ends)
    return data


@pytest.fixture
def samples():
    torch.manual_seed(0)
    return [sample(5, 3), sample(4, 6), sample(7, 2)]


@pytest.fixture
def net(samples):
    net = TypedModel(Net(), *samples[0].metadata()).double()
    net(samples[0].to_homogeneous())  # lazy layers
    return net


def rotated(data, rotation):
    data = data.clone()
    for name in data.node_types:
        data[name].x = data[name].x @ rotation
    return data


@pytest.mark.parametrize("frame", [PCAFrame("O(3)"), WeightedPCAFrame("SO(3)", smoothness="fast")])
def test_one_frame_for_all_types(frame, net, samples):
    model = FrameAveraging(net, frame, {"x": "vector"}, "vector", level="node")
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    rotation = rotation * torch.linalg.det(rotation)
    batch = Batch.from_data_list(samples)
    out, moved = (model(data.to_homogeneous()) for data in (batch, rotated(batch, rotation)))
    assert out.abs().max() > 0.1
    assert torch.allclose(out @ rotation, moved, atol=1e-10)
    bare = [net(data.to_homogeneous()) for data in (batch, rotated(batch, rotation))]
    assert not torch.allclose(bare[0] @ rotation, bare[1], atol=1e-3)
    # The same as every sample alone.
    types = batch.to_homogeneous().node_type
    alone = [model(data.to_homogeneous()) for data in samples]
    kinds = [data.to_homogeneous().node_type for data in samples]
    atoms = torch.cat([net.by_type(*pair)["atom"] for pair in zip(alone, kinds, strict=True)])
    assert torch.allclose(net.by_type(out, types)["atom"], atoms, atol=1e-10)
    assert not net.by_type(out, types)["wall"].any()


def test_the_same_as_the_typed_model(net, samples):
    out = net(samples[0].to_homogeneous())
    expected = net.model(samples[0].x_dict, samples[0].edge_index_dict)["atom"]
    assert torch.equal(out[:5], expected)


def test_outputs_of_graphs(samples):
    class Energy(Net):
        def forward(self, x_dict, edge_index_dict, batch_dict):
            out = super().forward(x_dict, edge_index_dict)["atom"]
            return global_add_pool(out.relu().sum(1, keepdim=True), batch_dict["atom"])

    net = TypedModel(Energy(), *samples[0].metadata(), inputs=("x", "batch")).double()
    batch = Batch.from_data_list(samples)
    net(batch.to_homogeneous())
    model = FrameAveraging(net, PCAFrame("O(3)"), {"x": "vector"}, level="graph")
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    energies, moved = (model(data.to_homogeneous()) for data in (batch, rotated(batch, rotation)))
    assert energies.shape == (3, 1)
    assert torch.allclose(energies, moved, atol=1e-10)
    assert not torch.allclose(*(net(data.to_homogeneous()) for data in (batch, rotated(batch, rotation))))


def test_typed_data_and_dicts_are_refused_with_what_to_do(net, samples):
    model = FrameAveraging(net, PCAFrame("O(3)"), {"x": "vector"}, "vector", level="node")
    with pytest.raises(ValueError, match=r"found HeteroData: call fa_pyg.nn.TypedModel"):
        model(samples[0])
    with pytest.raises(ValueError, match=r"expected node_type and edge_type"):
        net(samples[0].to_homogeneous(add_node_type=False))
    framed = FrameAveraging(Net(), PCAFrame("O(3)"), {"x_dict": "vector"}, "vector")
    with pytest.raises(
        ValueError, match=r"found a dict: for several types of nodes see fa_pyg.nn.TypedModel"
    ):
        framed(samples[0].x_dict, samples[0].edge_index_dict)
