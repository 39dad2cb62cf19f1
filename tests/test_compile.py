"""Frames under torch.compile: one graph, for any numbers of graphs and nodes, with gradients."""

import pytest
import torch

from fa_pyg import PCAFrame, Rep, ScaleFrame

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
