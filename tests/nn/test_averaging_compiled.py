"""Framed models in compiled code: the network is compiled once for all frames, whatever the sizes."""

import logging

import pytest
import torch
from helpers import traces_frames
from torch import nn

from fa_pyg import FrameAveraging, GroupFrame, PCAFrame, Rep
from fa_pyg.models import FAENet

pytestmark = traces_frames

SIZES = ([5, 7, 6], [4, 9], [3, 6, 2, 8])


@pytest.fixture(autouse=True)
def without_traces():
    """Trace logs of torch, which pytest would collect, take longer than the compilation."""
    log = logging.getLogger("torch.__trace")
    log.propagate, before = False, log.propagate
    torch._dynamo.reset()
    yield
    log.propagate = before


class Compiler:
    """A back end that counts graphs, and the times that an operation is in each."""

    def __init__(self, operation=torch.tanh):
        self.operation, self.counts = operation, []

    def __call__(self, graph, example):
        called = [node for node in graph.graph.nodes if node.target is self.operation]
        self.counts.append(len(called))
        return graph


class Energy(nn.Module):
    """An energy of each graph that is not invariant, and has a single tanh."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 8), nn.Linear(8, 1)

    def pooled(self, pos, batch, num_graphs):
        h = self.last(torch.tanh(self.first(pos)))
        return h.new_zeros(num_graphs, 1).index_add(0, batch, h)


class Told(Energy):
    def forward(self, pos, batch, num_graphs):
        return self.pooled(pos, batch, num_graphs)


class Fixed(Energy):
    """The number of graphs is built in: copies cannot share a call."""

    def forward(self, pos, batch):
        return self.pooled(pos, batch, 2)


def cloud(counts, dtype=torch.float64):
    batch = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return torch.randn(len(batch), 3, dtype=dtype), batch


@pytest.mark.parametrize(
    ("frame", "rep", "dtype"),
    [
        (PCAFrame("SE(3)"), "point", torch.float64),
        (GroupFrame("D2(3)"), "vector", torch.float32),
    ],
    ids=["pca", "group"],
)
def test_the_network_is_compiled_once_for_all_frames_and_sizes(frame, rep, dtype):
    model, compiler = FrameAveraging(Told(), frame, {"pos": rep}).to(dtype), Compiler()
    fast = torch.compile(model, backend=compiler, fullgraph=True, dynamic=True)
    for counts in SIZES:
        pos, batch = cloud(counts, dtype)
        difference = fast(pos, batch, len(counts)) - model(pos, batch, len(counts))
        assert difference.abs().max() < (1e-13 if dtype == torch.float64 else 1e-5)
    assert compiler.counts == [1]


@pytest.mark.parametrize(
    ("net", "chunk", "calls"), [(Told, 1, 4), (Told, 2, 2), (Told, None, 1), (Fixed, None, 4)]
)
def test_slots_that_share_a_call(net, chunk, calls):
    model, compiler = (
        FrameAveraging(net(), PCAFrame("SO(3)"), {"pos": "vector"}, chunk=chunk).double(),
        Compiler(),
    )
    pos, batch = cloud([4, 9])
    inputs = {"pos": pos, "batch": batch} | ({"num_graphs": 2} if net is Told else {})
    fast = torch.compile(model, backend=compiler, fullgraph=True, dynamic=True)
    assert torch.allclose(fast(**inputs, **({} if net is Told else {"num_graphs": 2})), model(**inputs))
    assert compiler.counts == [calls]


def molecules(counts):
    pos, batch = cloud(counts)
    edge_index = ((batch[:, None] == batch) & ~torch.eye(len(pos), dtype=torch.bool)).nonzero().T.contiguous()
    return {"z": torch.randint(1, 10, batch.shape), "pos": pos, "edge_index": edge_index, "batch": batch}


def test_invariants_and_forces_in_compiled_code():
    """Energies and their derivatives by positions and weights."""
    model = FrameAveraging(FAENet(4, 1), GroupFrame("D2(3)"), {"pos": "vector"}).double()
    inputs = {**molecules([4, 3]), "num_graphs": 2}
    pos = inputs.pop("pos").requires_grad_()
    fast = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=True)
    wanted = [pos, *model.parameters()]
    found = [
        torch.autograd.grad(call(pos=pos, **inputs).square().sum(), wanted, allow_unused=True)
        for call in (model, fast)
    ]
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(*found, strict=True) if a is not None)


@pytest.mark.parametrize("chunk", [None, 1])
def test_radial_functions_are_in_the_graph_once(chunk):
    """Also where the network is there for each frame."""
    model = FrameAveraging(FAENet(4, 1), GroupFrame("D2(3)"), {"pos": "vector"}, chunk=chunk).double()
    compiler = Compiler(torch.sin)
    fast = torch.compile(model, backend=compiler, fullgraph=True, dynamic=True)
    inputs = {**molecules([4, 3]), "num_graphs": 2}
    assert torch.allclose(fast(**inputs), model(**inputs), atol=1e-12)
    assert compiler.counts == [1]


def test_weights_of_representations_are_constants_of_a_compiler():
    """Floats would be symbols, for which torch.compile traces the model a second time."""
    for rep in (Rep(1), Rep(1, scale=1.0, boost=0.0), Rep.of("point")):
        assert all(isinstance(weight, int) for weight in (rep.scale, rep.boost))
    assert Rep(1, scale=1.0) == Rep(1, scale=1)
    assert Rep(1, scale=0.5).scale == 0.5
