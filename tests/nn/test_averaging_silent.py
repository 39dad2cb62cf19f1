"""Calls that could go wrong silently: each gives the right numbers, or an error with a reason."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import GraphConv

from fa_pyg import FrameAveraging, Frames, MotionFrame, PCAFrame
from fa_pyg.nn import FAMLP, FAConv
from fa_pyg.testing import assert_equivariant, assert_frame

BATCH = torch.tensor([0, 0, 0, 1, 1, 1])
RINGS = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3]])  # as many edges as nodes


@pytest.fixture
def pos():
    return torch.randn(6, 3, dtype=torch.float64)


class Net(nn.Module):
    """Adds what ``read`` makes of an extra argument to a function of the positions."""

    def __init__(self, read):
        super().__init__()
        self.read = read

    def forward(self, pos, extra, batch=None):
        return pos.exp().sum(-1) * self.read(pos, extra)


def both(read, pos, extra, **kwargs):
    """The results slot by slot, and all copies in one call."""
    return [
        FrameAveraging(Net(read), PCAFrame("E(3)"), chunk=chunk, level="node", **kwargs)(pos, extra, BATCH)
        for chunk in (1, 8)
    ]


def test_a_model_that_changes_its_arguments(pos):
    model = FrameAveraging(Net(lambda p, extra: extra.mul_(2)), PCAFrame("E(3)"))
    with pytest.raises(ValueError, match="'extra': expected a model that does not modify its arguments"):
        model(pos, torch.ones(6), BATCH)


def test_one_frame_is_the_users_own_call(pos):
    model = FrameAveraging(Net(lambda p, extra: extra.mul_(2)), PCAFrame("T(3)"))
    assert model(pos, torch.ones(6), BATCH).shape == (6,)


def test_numbers_of_nodes_by_another_name(pos):
    one, all_ = both(lambda p, nodes: p[nodes].sum(-1), pos, RINGS[1], levels={"extra": "index"})
    torch.testing.assert_close(one, all_)


def test_padding_stays_padding(pos):
    padded = torch.tensor([1, -1, 0, 4, -1, 3])

    def read(p, nodes):
        return torch.where(nodes < 0, 0, p[nodes.clamp(min=0)].sum(-1))

    torch.testing.assert_close(*both(read, pos, padded, levels={"extra": "index"}))


def test_whole_numbers_of_edges_need_a_word(pos):
    class Edges(nn.Module):
        def forward(self, pos, edge_index, idx, batch=None):
            return pos.sum(-1)

    model = FrameAveraging(Edges(), PCAFrame("E(3)"), chunk=8)
    with pytest.raises(ValueError, match=r"'idx': .*found 4 rows.*index"):
        model(pos, RINGS[:, :4], torch.arange(4), BATCH)


@pytest.mark.parametrize("extra", [np.ones(6), [torch.ones(6)]])
def test_what_holds_numbers_that_cannot_be_copied(pos, extra):
    with pytest.raises(ValueError, match="use chunk=1"):
        both(lambda p, x: 1, pos, extra)


def test_dense_adjacency(pos):
    class Dense(nn.Module):
        def forward(self, pos, adj, batch=None):
            return (adj @ pos).exp().sum(-1)

    assert FrameAveraging(Dense(), PCAFrame("E(3)"))(pos, torch.eye(6).double(), batch=BATCH).shape == (6,)
    with pytest.raises(ValueError, match="dense adjacency"):
        FrameAveraging(Dense(), PCAFrame("E(3)"), chunk=8)(pos, torch.eye(6).double(), batch=BATCH)


def test_numbers_that_only_collation_knows(pos):
    class Own(Data):
        def __inc__(self, key, value, *args, **kwargs):
            return 5 if key == "tri" else super().__inc__(key, value, *args, **kwargs)

    class Reads(nn.Module):
        def forward(self, data):
            return data.pos.sum(-1) + data.tri

    data = Own(pos=pos, tri=torch.arange(6), batch=BATCH)
    with pytest.raises(ValueError, match=r"expected a collated Batch for the __inc__ of its Own"):
        FrameAveraging(Reads(), PCAFrame("E(3)"), chunk=8)(data)


def test_as_many_edges_or_graphs_as_nodes(pos):
    h, v = torch.randn(6, 2).double(), torch.randn(6, 3, 3).double()
    conv = FAConv(GraphConv(11, 11), PCAFrame("O(3)"), 2, 3).double()
    inputs = {"h": h, "v": v, "edge_index": RINGS, "batch": BATCH}
    for chunk in (1, 8):
        conv.averaging.chunk = chunk
        said = {"level": "node", "levels": {"h": "node", "v": "node"}}
        assert_equivariant(conv, inputs, "O(3)", {"v": "vector"}, ("scalar", "vector"), **said)
    apart = torch.tensor([0, 0, 2, 2, 2, 5])
    assert FAMLP(PCAFrame("O(3)"), 2, 3).double()(h, v, apart)[1].shape == v.shape


def test_frames_replaced_in_parts(pos):
    frames = PCAFrame("O(3)")(pos)  # axes and signs, of which a new weight or rotation must not be overruled
    y = frames.to_frame(pos.exp()).sin()
    with pytest.raises(TypeError, match="weight"):
        replace(frames, weight=frames.weight)
    frames = frames.explicit()
    third = replace(frames, weight=torch.eye(8).double()[3])
    torch.testing.assert_close(third.average(y, "vector"), frames.from_frame(y).view(8, 6, 3)[3])
    turned = frames.rotation[:, :, [1, 2, 0]]
    torch.testing.assert_close(replace(frames, rotation=turned).to_frame(pos)[:6], pos @ turned[0])


def test_frames_that_cannot_tell_nodes_from_graphs():
    frames = PCAFrame("O(3)")(torch.randn(3, 3), batch=torch.tensor([0, 0, 2]), num_graphs=3)
    with pytest.raises(ValueError, match='"node" or "graph" for 3 rows, which fit both'):
        frames.to_frame(torch.randn(3, 3))
    assert frames.to_frame(torch.randn(3, 3), level="graph").shape == (24, 3)


def test_a_frame_without_its_origin_is_found(pos):
    class Forgetful(MotionFrame):
        def build(self, cloud):
            return Frames(PCAFrame("O(3)")(cloud.read[0].value - cloud.read[0].value.mean(0)).rotation[:1])

    with pytest.raises(AssertionError, match="origin"):
        assert_frame(Forgetful("E(3)"), pos)


def test_the_test_knows_what_a_framed_model_declares(pos):
    class Two(nn.Module):
        def forward(self, x, batch=None):
            return {"a": x.exp(), "b": x.exp().sum(-1)}

    model = FrameAveraging(
        Two(), PCAFrame("O(3)"), {"x": "vector"}, {"a": "vector", "b": "scalar"}, level="node"
    )
    assert_equivariant(model, {"x": pos, "batch": BATCH}, "O(3)")
    with pytest.raises(ValueError, match="found a dict"):
        assert_equivariant(Two(), {"x": pos}, "O(3)", {"x": "vector"})
    for wrong in ((), ("vector",)):
        with pytest.raises(ValueError, match="one or more"):
            assert_equivariant(nn.Identity(), [pos], "O(3)", {0: "vector"}, wrong)


def test_a_batch_of_the_wrong_length_is_named(pos):
    model = FrameAveraging(Net(lambda p, x: x), PCAFrame("E(3)"))
    with pytest.raises(ValueError, match=r"batch: expected .* \[6\], found \[5\]"):
        model(pos, torch.ones(6), BATCH[:5])
