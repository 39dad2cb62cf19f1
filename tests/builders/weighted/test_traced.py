"""Frames of fixed number in compilers, with forces; and how often the others synchronize."""

import logging
import sys
from pathlib import Path

import pytest
import torch
from helpers import traces_frames
from torch import nn

from fa_pyg import FrameAveraging, WeightedPCAFrame
from fa_pyg.testing import catalogue

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
CLOUDS = {cloud.name: cloud for cloud in catalogue(3)}


class Energy(nn.Module):
    """An energy that is not invariant."""

    def __init__(self):
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.w = nn.Parameter(torch.randn(3, 4, generator=g, dtype=torch.float64))

    def forward(self, pos, batch, num_graphs):
        h = (pos @ self.w + 0.3).tanh().sum(1)
        return h.new_zeros(num_graphs).index_add(0, batch, h)


def framed():
    frame = WeightedPCAFrame("E(3)", smoothness="fast", max_frames=8)
    return FrameAveraging(Energy(), frame, {"pos": "point"})


def graphs(*sizes):
    g = torch.Generator().manual_seed(len(sizes))
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    pos = torch.randn(len(batch), 3, generator=g, dtype=torch.float64) * torch.tensor([1.0, 2.0, 3.0])
    return pos.double().requires_grad_(), batch, len(sizes)


def energy_and_forces(model, pos, batch, num_graphs):
    energy = model(pos, batch, num_graphs)
    return energy, torch.autograd.grad(energy.sum(), pos)[0]


@pytest.fixture(autouse=True, scope="module")
def without_traces():
    """Trace logs of torch, which pytest would collect, take longer than the compilation."""
    log = logging.getLogger("torch.__trace")
    log.propagate, before = False, log.propagate
    yield
    log.propagate = before
    torch._dynamo.reset()


@traces_frames
def test_compiled_as_one_graph_for_all_sizes_with_forces():
    model = framed()
    fast = torch.compile(model, fullgraph=True, dynamic=True, backend="eager")
    torch._dynamo.utils.counters.clear()
    for sizes in ([5, 7, 6], [4, 9, 8, 12]):
        given = graphs(*sizes)
        found, expected = energy_and_forces(fast, *given), energy_and_forces(model, *given)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)
    pos, batch, num_graphs = graphs(5, 6, 7)
    pos = torch.cat([CLOUDS["methane"].pos, pos[5:]])
    with pytest.raises(ValueError, match="max_frames: expected at most 8"):
        model(pos, batch, num_graphs)
    assert fast(pos, batch, num_graphs).isnan().tolist() == [True, False, False]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@traces_frames
def test_exported_for_all_sizes():
    model, auto = framed(), torch.export.Dim.AUTO
    pos, batch, num_graphs = graphs(5, 7, 6)
    program = torch.export.export(
        model, (pos, batch, num_graphs), dynamic_shapes=(({0: auto}, {0: auto}, auto),), strict=False
    )
    given = graphs(4, 9, 8, 12)
    found, expected = (energy_and_forces(run, *given) for run in (program.module(), model))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


@pytest.fixture(scope="module")
def counted():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from counted import counted
    finally:
        sys.path.remove(str(BENCHMARKS))
    return counted


def syncs(counted, frame, pos, batch, num_graphs):
    return sum(counted(lambda: frame(pos.detach(), batch=batch, num_graphs=num_graphs))[1].values())


def test_clear_clouds_take_a_single_synchronization(counted):
    given = graphs(9, 12, 8, 20)
    for smoothness, slots in (("fast", 1), ("forces", 4)):
        frame = WeightedPCAFrame("SE(3)", smoothness=smoothness, tau=1e-3, gap=1e-3)
        assert frame(given[0], batch=given[1], num_graphs=given[2]).slots == slots
        assert syncs(counted, frame, *given) == syncs(counted, frame.read, *given) + 1
    clouds = [CLOUDS["methane"], CLOUDS["generic"]]
    batch = torch.arange(2).repeat_interleave(torch.tensor([len(c.pos) for c in clouds]))
    many = syncs(counted, WeightedPCAFrame("SE(3)"), torch.cat([c.pos for c in clouds]), batch, 2)
    assert many > 4  # what is counted is there


def test_frames_of_fixed_number_are_read_for_errors_alone(counted):
    given = graphs(9, 12, 8, 20)
    frame = WeightedPCAFrame("E(3)", smoothness="fast", max_frames=8)
    assert syncs(counted, frame, *given) == syncs(counted, frame.read, *given) + 1
