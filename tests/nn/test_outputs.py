"""Outputs of any structure and level, and what is said of those that are not as declared."""

from typing import NamedTuple

import pytest
import torch
from torch import nn

from fa_pyg import FrameAveraging, PCAFrame, Rep
from fa_pyg.testing import assert_equivariant


class Returns(nn.Module):
    """Gives back what a function makes of the points."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, pos, batch=None):
        return self.make(pos, batch)


POS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_outputs_keep_their_structure():
    class Both(NamedTuple):
        energy: torch.Tensor
        forces: torch.Tensor

    make = {
        "tuple": lambda p, b: (p.sum(), p),
        "list": lambda p, b: [p.sum(), p],
        "named": lambda p, b: Both(p.sum(), p),
        "dict": lambda p, b: {"e": p.sum(), "nested": {"f": p, "more": (p.sum(), p)}},
    }
    nested = {"e": "scalar", "nested": {"f": "vector", "more": ("scalar", "vector")}}
    for name, one in make.items():
        spec = nested if name == "dict" else ("scalar", "vector")
        out = FrameAveraging(Returns(one), PCAFrame("SO(3)"), output=spec)(POS)
        plain = one(POS, None)
        assert type(out) is type(plain)
        if name == "dict":
            assert out.keys() == plain.keys()
            assert isinstance(out["nested"]["more"], tuple)
            out = out["e"], out["nested"]["f"]
        assert out[0].shape == ()
        assert torch.allclose(out[1], POS)


@pytest.mark.parametrize(
    ("rep", "shape"), [("scalar", ()), ("vector", (3,)), ("tensor", (3, 3)), (Rep(3), (3,) * 3)]
)
def test_outputs_of_one_graph_without_a_row(rep, shape):
    axes = "abc"[: Rep.of(rep).rank]

    def make(pos, batch):
        return torch.einsum(f"na,nb,nc->{axes}", pos.sin(), pos, pos)

    model = FrameAveraging(Returns(make), PCAFrame("O(3)"), output=rep)
    out = model(POS)
    assert out.shape == shape
    row = FrameAveraging(Returns(lambda p, b: make(p, b).unsqueeze(0)), PCAFrame("O(3)"), output=rep)
    assert torch.allclose(row(POS)[0], out)
    assert_equivariant(model, {"pos": POS}, "O(3)", {"pos": "vector"}, rep, level="graph")


def test_unclear_levels_list_the_counts():
    batch = torch.tensor([0, 0, 1, 1, 1])
    wrong = FrameAveraging(Returns(lambda p, b: p[:4]), PCAFrame("E(3)"))
    with pytest.raises(
        ValueError,
        match=r"output: expected .* found \[4, 3\] for 5 nodes and 2 graphs: it fits none.*level=",
    ):
        wrong(POS, batch)
    whole = FrameAveraging(Returns(lambda p, b: p.sum()), PCAFrame("E(3)"))
    with pytest.raises(ValueError, match=r"output: .* found \[\] for 5 nodes and 2 graphs"):
        whole(POS, batch)
    for level in ("node", "graph"):
        said = FrameAveraging(Returns(lambda p, b: p[:4]), PCAFrame("E(3)"), level=level)
        with pytest.raises(ValueError, match=f"it is not a {level}-level output"):
            said(POS, batch)
    nested = FrameAveraging(Returns(lambda p, b: {"a": p, "b": (p, p[:4])}), PCAFrame("E(3)"))
    nested.output = {"a": Rep(0), "b": (Rep(0), Rep(0))}
    with pytest.raises(ValueError, match=r"output\['b'\]\[1\]: expected rows of one level"):
        nested(POS, batch)
    with pytest.raises(
        ValueError, match='level of output: expected "node", "graph" or "edge", found \'nodes\''
    ):
        FrameAveraging(Returns(lambda p, b: p), PCAFrame("E(3)"), level="nodes")(POS)
    with pytest.raises(ValueError, match="edge level: expected an argument or attribute `edge_index`"):
        FrameAveraging(Returns(lambda p, b: p), PCAFrame("E(3)"), level="edge")(POS, batch)


@pytest.mark.parametrize(
    ("spec", "value", "message"),
    [
        (
            "scalar",
            (1, 2),
            r"output: expected a tensor \(a scalar\), found a tuple; declare the representation",
        ),
        ("scalar", {"a": POS}, "found a dict with a; declare"),
        ("scalar", None, "found a NoneType"),
        (("scalar", "vector"), POS, "output: expected 2 values, found a Tensor"),
        (("scalar", "vector"), (POS,), "expected 2 values, found 1 values"),
        ({"a": "scalar"}, {"b": POS}, "output: expected a dict with a, found b"),
        ({"a": "scalar"}, {"a": POS, "b": POS}, "expected a dict with a, found a, b"),
        ({"a": "scalar"}, (POS,), "expected a dict with a, found tuple"),
        ({"a": ("vector",)}, {"a": POS}, r"output\['a'\]: expected 1 values, found a Tensor"),
        ("vector", POS[:, :2], r"output of shape \[5, 2\] cannot be a vector in 3 dimensions"),
        ("scalar", POS.long(), "floating point"),
    ],
)
def test_outputs_that_are_not_as_declared(spec, value, message):
    model = FrameAveraging(Returns(lambda p, b: value), PCAFrame("E(3)"), output=spec)
    with pytest.raises(ValueError, match=message):
        model(POS)


@pytest.mark.parametrize(
    ("output", "level", "message"),
    [
        ({"e": "scalar"}, {"f": "graph"}, "level of output: expected some of e, found 'f'"),
        ({"e": ("scalar", "vector")}, {"e": ("node",)}, r"level of output\['e'\]: expected 2 levels"),
        (("scalar", "vector"), ("node", "atom"), r"level of output\[1\]: .*found 'atom'"),
        ("scalar", {"e": "node"}, "level of output: expected .*found {'e': 'node'}"),
    ],
)
def test_levels_that_no_output_has(output, level, message):
    with pytest.raises(ValueError, match=message):
        FrameAveraging(Returns(lambda p, b: p), PCAFrame("E(3)"), output=output, level=level)


def test_levels_may_be_said_of_some_outputs():
    def make(pos, batch):
        return {"e": pos.sum(), "f": pos}

    spec = {"e": "scalar", "f": "vector"}
    out = FrameAveraging(Returns(make), PCAFrame("SO(3)"), output=spec, level={"f": "node"})(POS)
    assert out["e"].shape == ()
    assert torch.allclose(out["f"], POS)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x.to_sparse(),
        lambda x: x.to_sparse_csr(),
        lambda x: x.to_mkldnn(),
        lambda x: torch.nested.nested_tensor([x, x]),
        lambda x: torch.nested.nested_tensor([x, x], layout=torch.jagged),
    ],
)
@pytest.mark.parametrize("key", [None, "x"])
@pytest.mark.filterwarnings("ignore:.*prototype:UserWarning", "ignore:.*beta:UserWarning")
def test_outputs_that_are_not_dense(make, key):
    def call(pos, batch):
        return make(pos.float()) if key is None else {key: make(pos.float())}

    spec = "vector" if key is None else {key: "vector"}
    model = FrameAveraging(Returns(call), PCAFrame("E(3)"), output=spec, level="node")
    path = "output" if key is None else r"output\['x'\]"
    with pytest.raises(ValueError, match=f"{path}: expected a dense tensor .a vector., found a "):
        model(POS)
