"""Framed models under torch.export, for all sizes; and which frames are refused."""

import logging
import sys
from pathlib import Path

import pytest
import torch
from helpers import traces_frames

from fa_pyg import FrameAveraging, PCAFrame

pytestmark = traces_frames
BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TRACED = [  # one of a kind
    'PCAFrame("SE(3)")',
    'PCAFrame("T(3)")',
    "WeightedPCAFrame(..., max_frames=8)",
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
SAME = [  # as one of these, but for signs or a number
    'PCAFrame("E(3)")',
    'PCAFrame("SO(3)")',
    'PCAFrame("O(3)")',
    "LearnedFrame",
    "RandomScaleFrame(PCAFrame(...))",
    "RandomBoostFrame(PCAFrame(...))",
]
FAST = 'WeightedPCAFrame(..., smoothness="fast")'
UNTRACED = [  # one of a kind
    'PCAFrame(..., on_degenerate="raise")',
    FAST,
    'WeightedPCAFrame(..., smoothness="forces")',
    'WeightedPCAFrame(..., smoothness="dynamics")',
    'PolarFrame("E(3)")',
    "GeneralizedQRFrame",
    "Sample(WeightedPCAFrame(...))",
    "LocalFrame(WeightedPCAFrame(...))",
    "CanonicalFrame",
    "SpectralFrame",
    "RandomNodeFrame",
]


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
def test_framed_models_are_exported_for_all_sizes(cases, name):
    assert cases.exported(cases.CASES[name]) < 1e-14


@pytest.mark.parametrize("name", UNTRACED)
def test_other_frames_are_refused_by_export(cases, name):
    with pytest.raises(ValueError, match=r"expected a frame that can be exported, found one of which "):
        cases.exported(cases.CASES[name])


def test_every_frame_is_tested(cases):
    assert set(cases.CASES) == {*TRACED, *SAME, *UNTRACED}


def test_graphs_cannot_be_counted_in_export(cases):
    pos, batch, _ = cases.CASES[FAST].inputs([4, 5])
    model = FrameAveraging(torch.nn.Linear(3, 3).double(), PCAFrame("O(3)"), {0: "vector"}, "vector")
    with pytest.raises(ValueError, match=r"num_graphs: expected the number of graphs"):
        torch.export.export(model, (pos,), {"batch": batch}, strict=False)


class Pooled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(3, 8, dtype=torch.float64))

    def forward(self, pos, batch, num_graphs):
        return pos.new_zeros(num_graphs).index_add(0, batch, torch.tanh(pos @ self.weight).sum(1))


@pytest.mark.parametrize("level", [None, "graph"])
def test_as_many_graphs_as_nodes_and_graphs_without_nodes(level):
    torch.manual_seed(0)
    net = Pooled()
    auto = torch.export.Dim.AUTO
    shapes = (({0: auto}, {0: auto}, auto),)
    example = torch.randn(30, 3, dtype=torch.float64), torch.arange(5).repeat_interleave(6), 5
    program = torch.export.export(
        FrameAveraging(net, PCAFrame("E(3)"), level=level), example, dynamic_shapes=shapes
    ).module()
    plain = FrameAveraging(net, PCAFrame("E(3)"), level="graph")
    sizes = {7: torch.tensor([0, 0, 0, 1, 1, 1, 6]), 4: torch.arange(4), 2: torch.tensor([0] * 12)}
    for graphs, batch in sizes.items():  # the last is one graph, as the guide says
        pos = torch.randn(len(batch), 3, dtype=torch.float64)
        torch.testing.assert_close(program(pos, batch, graphs), plain(pos, batch, graphs))
