"""Frames under torch.compile: one graph, for any numbers of graphs and nodes, with gradients."""

import logging
import sys
from pathlib import Path

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from fa_pyg import FrameAveraging, PCAFrame, Rep, ScaleFrame

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TRACED = ['PCAFrame("SE(3)")', "CosetFrame(PCAFrame(...))", "LocalPCAFrame"]  # test_export.py has all
FAST = 'WeightedPCAFrame(..., smoothness="fast")'
REPS = ("point", "vector")
SCALED = (Rep(1, affine=True, scale=1), Rep(1, scale=1))


def framed(frame, pos, batch, num_graphs):
    frames = frame(pos, batch=batch, num_graphs=num_graphs)
    point, vector = SCALED if frame.group.scales else REPS
    copies = frames.to_frame(pos, point)
    return frames.average(copies.exp(), vector)


@pytest.mark.parametrize("group", ["SE(3)", "O(2)", "R+:SE(3)"])
def test_one_graph_without_breaks(group):
    frame, dim = PCAFrame(group.removeprefix("R+:")), int(group[-2])
    frame = ScaleFrame(frame) if group.startswith("R+:") else frame
    compiled = torch.compile(framed, fullgraph=True, dynamic=True, backend="aot_eager")
    for counts in ([5, 7, 6], [4, 9]):
        batch = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        pos = torch.randn(len(batch), dim, dtype=torch.float64).requires_grad_()
        out, expected = (f(frame, pos, batch, len(counts)) for f in (compiled, framed))
        assert torch.allclose(out, expected, atol=1e-12)
        grads = [torch.autograd.grad(y.pow(3).sum(), pos)[0] for y in (out, expected)]
        assert torch.allclose(*grads, atol=1e-10)


@pytest.fixture(autouse=True, scope="module")
def without_traces():
    """Trace logs of torch, which pytest would collect, take longer than the compilation."""
    log = logging.getLogger("torch.__trace")
    log.propagate, before = False, log.propagate
    yield
    log.propagate = before


@pytest.fixture(scope="module")
def cases():
    """The module ``benchmarks/compiled.py``, which has a framed model for every frame."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import compiled
    finally:
        sys.path.remove(str(BENCHMARKS))
    yield compiled
    torch._dynamo.reset()


@pytest.mark.parametrize("name", TRACED)
def test_framed_models_compile_as_one_graph_for_all_sizes(cases, name):
    graphs, worst = cases.compiled(cases.CASES[name])
    assert graphs == 1
    assert worst < 1e-14


def test_other_frames_are_computed_outside_the_compiled_code(cases):
    graphs, worst = cases.compiled(cases.CASES[FAST], fullgraph=False)
    assert graphs > 1
    assert worst < 1e-14
    with pytest.raises(torch._dynamo.exc.Unsupported, match="compile the network inside"):
        cases.compiled(cases.CASES[FAST])


def test_the_network_inside_is_compiled_once_for_all_frames(cases):
    model, fast = cases.CASES[FAST].model(), cases.CASES[FAST].model()
    counter = CompileCounter()
    fast.model = torch.compile(fast.model, backend=counter, fullgraph=True, dynamic=True)
    for counts in cases.SIZES:
        assert cases.difference(model, fast, cases.CASES[FAST].inputs(counts)) < 1e-14
    assert counter.frame_count == 1


def test_forces_of_a_compiled_model():
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    model = FrameAveraging(net, PCAFrame("E(3)"), {0: "point"})
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    pos = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    forces, expected = (torch.autograd.grad(f(pos).sum(), pos)[0] for f in (compiled, model))
    assert torch.allclose(forces, expected, atol=1e-12)
