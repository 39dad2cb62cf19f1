"""Inputs and outputs that may transform and are not declared: one warning, and a test that fails."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GATConv

from fa_pyg import CanonicalFrame, FrameAveraging, PCAFrame, WeightedPCAFrame
from fa_pyg.models import FAGNN
from fa_pyg.nn import FAConv
from fa_pyg.testing import assert_equivariant, equivariance_error

BATCH = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
EDGES = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7, 8, 4], [1, 2, 3, 0, 5, 6, 7, 8, 4, 6]])
ROWS = {"node": (9,), "channels": (9, 2), "edge": (10,), "graph": (2,), "cell": (2, 3), "tensor": (9, 3)}


def randn(*shape):
    return torch.randn(*shape, dtype=torch.float64)


class Net(nn.Module):
    """Reads positions and one more argument, with weights of its own for each component."""

    def forward(self, pos, extra, edge_index, batch):
        own = (extra.exp() * torch.linspace(-1, 1, 3, dtype=pos.dtype)).flatten(1).sum(1)
        node = (pos.sin() * torch.arange(1, 4)).sum(1)
        if len(own) == 2:
            own = own[batch]
        elif len(own) == 10:
            own = torch.zeros(9, dtype=own.dtype).index_add(0, edge_index[1], own)
        return node * own


def call(rows, **options):
    frame = WeightedPCAFrame("E(3)", smoothness="fast")  # all signs average an odd function away
    model = FrameAveraging(Net(), frame, level="node", output="scalar", **options)
    extra = randn(*ROWS[rows], 3)
    return model, {"pos": randn(9, 3), "extra": extra, "edge_index": EDGES, "batch": BATCH}


@pytest.mark.parametrize("rows", ROWS)
def test_one_warning_that_says_what_to_write(rows, caught):
    model, inputs = call(rows)
    found = caught(lambda: (model(**inputs), model(**inputs), copy.deepcopy(model)(**inputs)))
    assert len(found) == 1
    assert found[0].startswith(f"'extra': found {list(inputs['extra'].shape)}, taken as invariant")
    assert 'inputs={"pos": "point", "extra": "vector"}' in found[0]
    assert '"extra": "scalar"' in found[0]


@pytest.mark.parametrize("rep", ["vector", "scalar", "pseudovector"])
@pytest.mark.parametrize("rows", ROWS)
def test_what_is_declared_is_silent(rows, rep, caught):
    model, inputs = call(rows, inputs={"pos": "point", "extra": rep})
    assert not caught(lambda: model(**inputs))


@pytest.mark.parametrize("rows", ROWS)
def test_the_test_fails_for_a_wrong_declaration_and_passes_for_the_right_one(rows):
    model, inputs = call(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        errors = equivariance_error(model, inputs, "E(3)")
        with pytest.raises(AssertionError, match=r"'extra' \[.*\] is not declared; pass"):
            assert_equivariant(model, inputs, "E(3)")
    assert errors["undeclared"] > 1e-2
    assert max(e for case, e in errors.items() if case != "undeclared") < 1e-10
    right, _ = call(rows, inputs={"pos": "point", "extra": "tensor" if rows == "tensor" else "vector"})
    assert "undeclared" not in assert_equivariant(right, inputs, "E(3)")
    features, _ = call(rows, inputs={"pos": "point", "extra": "scalar"})
    assert "undeclared" not in assert_equivariant(features, inputs, "E(3)")
    reps = {"pos": "point", "extra": "scalar"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_equivariant(model, inputs, "E(3)", reps)


def test_scalars_that_are_declared_are_those_that_are_not():
    model, inputs = call("node")
    said, _ = call("node", inputs={"pos": "point", "extra": "scalar"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.testing.assert_close(said(**inputs), model(**inputs), rtol=0, atol=0)


@pytest.mark.parametrize(
    "extra",
    [
        torch.ones(9, 3, dtype=torch.long),
        torch.ones(9, 3, dtype=torch.bool),
        randn(9),
        randn(9, 4),
        randn(9, 3, 1),
        randn(10, 2),
        randn(2, 9),
        torch.eye(9).to_sparse(),
        None,
        1.5,
    ],
    ids=lambda x: f"{x.dtype} {list(x.shape)}" if isinstance(x, torch.Tensor) else str(x),
)
def test_what_is_no_vector_is_silent(extra, caught):
    class Any(nn.Module):
        def forward(self, pos, extra, edge_index, batch):
            return pos.sum(1)

    model = FrameAveraging(Any(), PCAFrame("E(3)"), chunk=1)
    assert not caught(lambda: model(randn(9, 3), extra, EDGES, BATCH))


def test_a_field_that_is_the_same_for_all(caught):
    class InField(nn.Module):
        def forward(self, pos, field):
            return pos @ field

    model = FrameAveraging(InField(), PCAFrame("E(3)"))
    assert "[n, 3] with a row for each graph" in caught(lambda: model(randn(9, 3), randn(3)))[0]
    assert not caught(lambda: model(randn(3, 3), randn(3)))  # a number for each of three nodes


class OnData(nn.Module):
    def forward(self, data):
        return data.pos.exp().sum(1) + data.normal.sin()[:, 0]


def data(**more):
    one = {"pos": randn(4, 3), "normal": randn(4, 3), "y": randn(1, 3), "force_target": randn(4, 3), **more}
    return Batch.from_data_list([Data(**one), Data(**{k: v + 1 for k, v in one.items()})])


def test_attributes_of_data(caught):
    model, batch = FrameAveraging(OnData(), PCAFrame("E(3)")), data()
    found = caught(lambda: (model(batch), model(batch)))
    assert [text.split(":")[0] for text in found] == ["'normal'"]
    with pytest.raises(AssertionError, match="undeclared"):
        assert_equivariant(model, batch, "E(3)")
    right = FrameAveraging(OnData(), PCAFrame("E(3)"), {"pos": "point", "normal": "vector"})
    assert_equivariant(right, batch, "E(3)")  # what the model does not read is turned, too
    assert not caught(lambda: right(batch))


def test_scalars_of_data_may_be_missing(caught):
    inputs = {"pos": "point", "normal": "vector", "force": "scalar"}
    model, batch = FrameAveraging(OnData(), PCAFrame("E(3)"), inputs), data()
    assert not caught(lambda: (model(batch), model(data(force=randn(4, 3)))))
    with pytest.raises(ValueError, match="expected a tensor 'nromal' in the call"):
        FrameAveraging(OnData(), PCAFrame("E(3)"), {"pos": "point", "nromal": "vector"})(batch)


def test_scalars_may_come_first():
    model, inputs = call("node", inputs={"extra": "scalar", "pos": "point"})
    assert model.reads == ["pos"]
    assert_equivariant(model, inputs, "E(3)")


def test_misspelt_scalars_of_arguments_are_refused():
    model, inputs = call("node", inputs={"pos": "point", "xetra": "scalar"})
    with pytest.raises(ValueError, match="expected a tensor 'xetra' in the call"):
        model(**inputs)


# ------------------------------------------------------------------------------------ outputs


class Gives(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, pos, batch):
        node = pos.sin() + pos.square().flip(-1)
        if self.shape == "node":
            return node
        if self.shape == "channels":
            return torch.stack([node, pos], 1)
        if self.shape == "tensor":
            return node.unsqueeze(2) * pos.unsqueeze(1)
        return torch.zeros(2, 3, dtype=pos.dtype).index_add(0, batch, node)


SHAPES = ("node", "channels", "tensor", "graph")


@pytest.mark.parametrize("shape", SHAPES)
def test_an_output_that_nobody_describes_warns_once_and_fails_the_test(shape, caught):
    model = FrameAveraging(Gives(shape), WeightedPCAFrame("O(3)"), {"pos": "vector"})
    inputs = {"pos": randn(9, 3), "batch": BATCH}
    found = caught(lambda: (model(**inputs), model(**inputs)))
    assert len(found) == 1
    assert 'expected output="vector"' in found[0]
    with pytest.raises(AssertionError, match="is tested as a vector; pass output="):
        assert_equivariant(model, inputs, "O(3)")
    rep = "tensor" if shape == "tensor" else "vector"
    for output in (rep, "scalar"):
        model = FrameAveraging(Gives(shape), WeightedPCAFrame("O(3)"), {"pos": "vector"}, output)
        assert not caught(lambda model=model: model(**inputs))
        assert_equivariant(model, inputs, "O(3)")
    model = FrameAveraging(Gives(shape), WeightedPCAFrame("O(3)"), {"pos": "vector"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_equivariant(model, inputs, "O(3)", output="scalar")  # said to the test


def test_outputs_of_bare_models():
    class Centered(nn.Module):
        def forward(self, pos):
            return pos - pos.mean(0)

    assert_equivariant(Centered(), (randn(9, 3),), "E(3)")
    with pytest.raises(AssertionError, match="pass output="):
        assert_equivariant(Gives("node"), (randn(9, 3), None), "E(3)")


@pytest.mark.parametrize("make", [lambda p: p.sum(1), lambda p: p[:, :2], lambda p: p.sum()])
def test_other_outputs_are_silent(make, caught):
    class Any(nn.Module):
        def forward(self, pos):
            return make(pos)

    assert not caught(lambda: FrameAveraging(Any(), PCAFrame("T(3)"))(randn(9, 3)))


# ------------------------------------------------------------------------------------ layers and compilers


def test_edge_vectors_of_a_layer(caught):
    h, v, edge_attr = randn(9, 3), randn(9, 2, 3), randn(10, 3)
    conv = GATConv(9, 9, edge_dim=3)
    inputs = {"h": h, "v": v, "edge_index": EDGES, "edge_attr": edge_attr, "batch": BATCH}
    layer = FAConv(conv, PCAFrame("O(3)"), 3, 2).double().eval()
    assert [text.split(":")[0] for text in caught(lambda: layer(**inputs))] == ["'edge_attr'"]
    reps, spec = {"v": "vector", "h": "scalar"}, ("scalar", "vector")
    with pytest.raises(AssertionError, match="undeclared"):
        assert_equivariant(layer, inputs, "O(3)", reps, spec, level="node")
    for rep in ("vector", "scalar"):
        layer = FAConv(conv, PCAFrame("O(3)"), 3, 2, inputs={"edge_attr": rep}).double().eval()
        assert not caught(lambda layer=layer: layer(**inputs))
        assert_equivariant(layer, inputs, "O(3)", {**reps, "edge_attr": rep}, spec, level="node")
    by_place = FAConv(conv, PCAFrame("O(3)"), 3, 2, inputs={3: "vector"}).double().eval()
    by_name = FAConv(conv, PCAFrame("O(3)"), 3, 2, inputs={"edge_attr": "vector"}).double().eval()
    found = by_place(h, v, EDGES, edge_attr, batch=BATCH)
    torch.testing.assert_close(found, by_name(h, v, EDGES, edge_attr=edge_attr, batch=BATCH))


@pytest.mark.parametrize("fused", [True, False])
def test_the_models_of_the_package_are_silent(fused, caught):
    model = FAGNN(hidden_channels=6, num_layers=2, edge_dim=2, fused=fused).double()
    assert not caught(lambda: model(randn(9, 3), randn(9, 3), None, EDGES, randn(10, 2), BATCH))


def test_permutations_know_of_no_space(caught):
    class Any(nn.Module):
        def forward(self, x, edge_index, batch):
            return x.cumsum(0)

    model = FrameAveraging(Any(), CanonicalFrame("S(n)"))
    assert not caught(lambda: model(randn(9, 3), EDGES, BATCH))
    assert "undeclared" not in equivariance_error(model, (randn(9, 3), EDGES, BATCH), "S(n)")


def test_compiled_and_functional_calls(caught):
    def run(model, inputs):
        return torch.func.grad(lambda pos: model(**{**inputs, "pos": pos}).sum())(inputs["pos"])

    model, inputs = call("node")
    assert len(caught(lambda: run(model, inputs))) == 1
    assert not caught(lambda: run(call("node", inputs={"pos": "point", "extra": "vector"})[0], inputs))
    framed = FrameAveraging(Gives("node"), PCAFrame("T(3)"), {"pos": "point"})  # its output is not said
    compiled, pos = torch.compile(framed, backend="eager"), randn(9, 3)
    torch.testing.assert_close(compiled(pos, BATCH), framed(pos, BATCH))
    torch.testing.assert_close(pickle.loads(pickle.dumps(framed))(pos, BATCH), framed(pos, BATCH))


def test_a_dense_batch_is_refused_while_compiling():
    framed = FrameAveraging(nn.Identity(), PCAFrame("E(3)"), {0: "point"}, "point")
    with pytest.raises(Exception, match="expected `batch`"):
        torch.compile(framed, backend="eager")(randn(4, 5, 3))
