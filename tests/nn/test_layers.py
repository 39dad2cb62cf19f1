"""FAConv and FAMLP: equivariant round layers that are not, stackable, and usable in a MessagePassing."""

import pytest
import torch
from torch import nn
from torch_geometric.nn import GATConv, GCNConv, GraphConv, MessagePassing, SAGEConv

from fa_pyg import HaarFrame, PCAFrame
from fa_pyg.nn import FAMLP, FAConv
from fa_pyg.testing import assert_equivariant, equivariance_error

SIZES = (7, 5, 9)


def graphs(dim=3, scalars=2, vectors=3, dtype=torch.float64):
    batch = torch.arange(len(SIZES)).repeat_interleave(torch.tensor(SIZES))
    same = batch[:, None] == batch[None, :]
    edge_index = (same & (torch.rand(len(batch), len(batch)) < 0.5)).nonzero().T
    h = torch.randn(len(batch), scalars, dtype=dtype)
    v = torch.randn(len(batch), vectors, dim, dtype=dtype)
    return {"h": h, "v": v, "edge_index": edge_index, "batch": batch}


REPS = {"v": "vector", "h": "scalar"}


def check(layer, inputs, group, **kwargs):
    return assert_equivariant(
        layer, inputs, group, REPS, ("scalar", "vector"), level="node", tol=1e-10, **kwargs
    )


@pytest.mark.parametrize("conv", [GCNConv, GATConv, SAGEConv, GraphConv])
@pytest.mark.parametrize("group", ["O(3)", "SO(3)", "O(2)", "SO(2)", "O(4)"])
def test_conv_is_equivariant(conv, group):
    d = int(group[-2])
    layer = FAConv(conv(2 + 3 * d, 4 + 2 * d), PCAFrame(group), 2, 3, 4, 2).double().eval()
    check(layer, graphs(d), group)


def test_the_bare_conv_is_not():
    layer = FAConv(GCNConv(11, 11), PCAFrame("O(3)"), 2, 3).double().eval()
    inputs = graphs()
    inputs.pop("batch")
    errors = equivariance_error(
        layer.averaging.model, inputs, "O(3)", {"v": "vector"}, ("scalar", "vector"), level="node"
    )
    assert min(errors["proper"], errors["improper"]) > 1e-2


def test_layers_stack_and_learn():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            frame = PCAFrame("O(3)")
            self.first = FAConv(GraphConv(11, 16 + 12), frame, 2, 3, 16, 4)
            self.update = FAMLP(frame, 16, 4, 8, 2, hidden_channels=32)
            self.last = FAConv(GATConv(8 + 6, 1 + 3), frame, 8, 2, 1, 1)

        def forward(self, h, v, edge_index, batch=None):
            h, v = self.first(h, v, edge_index, batch=batch)
            h, v = self.update(h.relu(), v, batch)
            return self.last(h, v, edge_index, batch=batch)

    net, inputs = Net().double(), graphs()
    check(net, inputs, "O(3)")
    h, v = net(**inputs)
    (h.square().sum() + v.square().sum()).backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
    assert all(p.grad.abs().sum() > 0 for n, p in net.named_parameters() if n.endswith("weight"))


@pytest.mark.parametrize("group", ["O(3)", "SO(3)", "SO(2)"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_mlp_is_equivariant_and_the_bare_one_is_not(group, layers):
    d = int(group[-2])
    mlp = FAMLP(PCAFrame(group), 2, 3, 4, 5, hidden_channels=16, num_layers=layers).double()
    inputs = graphs(d)
    inputs.pop("edge_index")
    check(mlp, inputs, group)
    bare = {k: inputs[k] for k in ("h", "v")}
    args = (mlp.averaging.model, bare, group, {"v": "vector"}, ("scalar", "vector"))
    assert equivariance_error(*args, level="node")["proper"] > 1e-2


def test_mlp_as_the_update_of_a_message_passing():
    class Conv(MessagePassing):
        def __init__(self):
            super().__init__(aggr="sum")
            self.mlp = FAMLP(PCAFrame("O(3)"), 2, 3, hidden_channels=16)

        def forward(self, h, v, edge_index, batch=None):
            x = torch.cat([h, v.flatten(1)], dim=1)
            total = self.propagate(edge_index, x=x)
            return self.mlp(total[:, :2], total[:, 2:].view(-1, 3, 3), batch)

        def message(self, x_j):
            return x_j

    check(Conv().double(), graphs(), "O(3)")


def test_vectors_alone():
    mlp = FAMLP(PCAFrame("O(3)"), 0, 3, 0, 2).double()
    h, v = mlp(None, graphs()["v"])
    assert h.shape == (21, 0)
    assert v.shape == (21, 2, 3)


def test_chunks_agree():
    inputs = graphs()
    layer = FAConv(GraphConv(11, 11), PCAFrame("O(3)"), 2, 3).double()
    reference = layer(**inputs)
    for chunk in (2, 3, 8):
        layer.averaging.chunk = chunk
        for a, b in zip(layer(**inputs), reference, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_any_frame_serves():
    layer = FAConv(GraphConv(11, 11), HaarFrame("O(3)", k=2), 2, 3).double()
    assert [x.shape for x in layer(**graphs())] == [(21, 2), (21, 3, 3)]


def test_features_that_do_not_fit():
    inputs = graphs()
    with pytest.raises(ValueError, match="h, v: expected 1 scalars and 3 vectors"):
        FAConv(GraphConv(10, 10), PCAFrame("O(3)"), 1, 3).double()(**inputs)
    with pytest.raises(ValueError, match=r"\[N, 2 \+ 3 \* 3\], found"):
        FAConv(GraphConv(11, 7), PCAFrame("O(3)"), 2, 3).double()(**inputs)
    with pytest.raises(ValueError, match=r"num_layers: expected a positive integer, found"):
        FAMLP(PCAFrame("O(3)"), 2, 3, num_layers=0)


def test_old_names_of_arguments_build_the_same_weights():
    torch.manual_seed(0)
    with pytest.warns(DeprecationWarning, match="layers= is deprecated, use num_layers="):
        old = FAMLP(PCAFrame("O(3)"), 2, 3, hidden=8, layers=3).state_dict()
    torch.manual_seed(0)
    new = FAMLP(PCAFrame("O(3)"), 2, 3, hidden_channels=8, num_layers=3).state_dict()
    assert len(old) == 6
    assert all(torch.equal(value, new[name]) for name, value in old.items())


@pytest.mark.parametrize("make", [lambda x: (x, x), lambda x: None, lambda x: x.to_sparse()])
def test_layers_that_return_no_dense_tensor(make):
    class Layer(nn.Module):
        def forward(self, x, edge_index):
            return make(x)

    conv = FAConv(Layer(), PCAFrame("O(3)"), scalars=4, vectors=2)
    with pytest.raises(ValueError, match=r"layer: expected (one output, a tensor|a dense tensor), found"):
        conv(torch.randn(5, 4), torch.randn(5, 2, 3), torch.zeros(2, 0, dtype=torch.long))
