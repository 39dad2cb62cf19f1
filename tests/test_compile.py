"""Frames under torch.compile: one graph, for any numbers of graphs and nodes, with gradients."""

import logging
import sys
from pathlib import Path

import pytest
import torch
from helpers import traces_frames
from torch._dynamo.testing import CompileCounter

from fa_pyg import FrameAveraging, PCAFrame

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TRACED = [  # one of a kind; test_export.py has the frames that are refused
    'PCAFrame("SE(3)")',
    "HaarFrame",
    "GroupFrame",
    "CosetFrame(PCAFrame(...))",
    "LearnedFrame(..., noise=1, k=2)",
    'PolarFrame("SE(3)")',
    "ScaleFrame(PCAFrame(...))",
    "GalileanFrame(PCAFrame(...))",
    "Sample(PCAFrame(...))",
    "PerMode(HaarFrame, PCAFrame)",
    "LocalPCAFrame",
]
SAME = [  # as one of these, but for signs or a number; the first is in builders/weighted/test_traced.py
    "WeightedPCAFrame(..., max_frames=8)",
    'PCAFrame("E(3)")',
    'PCAFrame("T(3)")',
    'PCAFrame("SO(3)")',
    'PCAFrame("O(3)")',
    "LearnedFrame",
    "RandomScaleFrame(PCAFrame(...))",
    "RandomBoostFrame(PCAFrame(...))",
]
LONG = "WeightedPCAFrame(..., max_frames=8)"  # compiled by the benchmark; exported in test_export.py
FAST = 'WeightedPCAFrame(..., smoothness="fast")'


def framed(frame, pos, batch, num_graphs):
    """A function of frames without a model around them."""
    frames = frame(pos, batch=batch, num_graphs=num_graphs)
    return frames.average(frames.to_frame(pos, "point").exp(), "vector")


@traces_frames
@torch._dynamo.config.patch(error_on_recompile=True)
def test_gradients_for_all_sizes():
    frame = PCAFrame("O(2)")
    compiled = torch.compile(framed, fullgraph=True, dynamic=True, backend="aot_eager")
    for counts in ([5, 7, 6], [4, 9]):
        batch = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        pos = torch.randn(len(batch), 2, dtype=torch.float64).requires_grad_()
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


@traces_frames
@pytest.mark.parametrize("name", TRACED)
def test_framed_models_compile_as_one_graph_for_all_sizes(cases, name):
    graphs, worst = cases.compiled(cases.CASES[name])
    assert graphs == 1
    assert worst < 1e-14


@traces_frames
def test_other_frames_are_computed_outside_the_compiled_code(cases):
    graphs, worst = cases.compiled(cases.CASES[FAST], fullgraph=False)
    assert graphs > 1
    assert worst < 1e-14


@traces_frames
def test_other_frames_are_refused_as_one_graph(cases):
    for case in (cases.CASES[name] for name in cases.CASES.keys() - {*TRACED, *SAME, LONG}):
        with pytest.raises(torch._dynamo.exc.Unsupported, match="compile the network inside"):
            cases.compiled(case)


def test_the_network_inside_is_compiled_once_for_all_frames(cases):
    model, fast = cases.CASES[FAST].model(), cases.CASES[FAST].model()
    counter = CompileCounter()
    fast.model = torch.compile(fast.model, backend=counter, fullgraph=True, dynamic=True)
    for counts in cases.SIZES:
        assert cases.difference(model, fast, cases.CASES[FAST].inputs(counts)) < 1e-14
    assert counter.frame_count == 1


@traces_frames
def test_forces_of_a_compiled_model():
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    model = FrameAveraging(net, PCAFrame("E(3)"), {0: "point"})
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    pos = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    forces, expected = (torch.autograd.grad(f(pos).sum(), pos)[0] for f in (compiled, model))
    assert torch.allclose(forces, expected, atol=1e-12)
