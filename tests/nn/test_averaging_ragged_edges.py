"""Framed models at the edges: graphs without nodes, inputs whose size misleads, frames of others."""

import pytest
import torch
from torch_geometric.nn import global_add_pool

from fa_pyg import FrameAveraging, GeneralisedQRFrame, PCAFrame, WeightedPCAFrame
from fa_pyg.testing import random_motion

D = torch.float64


class Energy(torch.nn.Module):
    def forward(self, pos, batch):
        return global_add_pool(pos.square().sum(1) + pos[:, 0], batch)


@pytest.mark.parametrize("make", [WeightedPCAFrame, GeneralisedQRFrame, PCAFrame])
def test_an_empty_graph_among_others(make):
    """It has one frame: alone in a call, a model could not count it."""
    pos, batch = torch.randn(8, 3, dtype=D), torch.tensor([0] * 4 + [2] * 4)
    model = FrameAveraging(Energy(), make("E(3)"))
    found = model(pos, batch)
    alone = [model(pos[batch == b], torch.zeros(4, dtype=torch.long))[0] for b in (0, 2)]
    assert torch.allclose(found, torch.stack([alone[0], torch.zeros((), dtype=D), alone[1]]))


class Periodic(torch.nn.Module):
    def forward(self, z, pos, cell):
        reach = torch.tanh(pos) @ torch.tanh(cell.T)
        return (z * (reach.sin().sum(1) + reach[:, 0])).sum().reshape(1)


def test_the_cell_of_three_atoms_has_no_atomic_numbers():
    """Its three rows are no nodes, though there are three: the order of the nodes must not count."""
    z, pos, cell = torch.tensor([8.0, 1, 1]).to(D), torch.randn(3, 3, dtype=D), torch.randn(3, 3, dtype=D)
    given = {"inputs": {"pos": "point", "cell": "vector"}, "reads": ["pos", "cell"], "node_weight": "z"}
    order = torch.tensor([2, 0, 1])
    for levels in (None, {"cell": "graph"}):
        model = FrameAveraging(Periodic(), WeightedPCAFrame("E(3)"), levels=levels, **given)
        plain = model(z, pos, cell)
        assert torch.allclose(model(z[order], pos[order], cell), plain, rtol=1e-10)


def test_frames_of_another_group_are_refused():
    pos = torch.randn(5, 3, dtype=D)
    net = torch.nn.Linear(3, 1).double()
    model = FrameAveraging(net, PCAFrame("E(3)"), {"input": "point"})
    with pytest.raises(ValueError, match=r"expected frames of E\(3\), with an origin, found without one"):
        model(pos, frames=PCAFrame("O(3)")(pos))
    turning = FrameAveraging(net, PCAFrame("O(3)"), {"input": "vector"})
    with pytest.raises(ValueError, match=r"without an origin, found with one"):
        turning(pos, frames=PCAFrame("E(3)")(pos))


def test_small_vectors_far_from_the_origin_have_directions():
    """The distance of points says nothing of the rounding of velocities."""

    class Scaled(torch.nn.Module):
        def forward(self, pos, vel):
            return (vel / vel.norm()).exp()[:, 0].sum().reshape(1)

    model = FrameAveraging(
        Scaled(), WeightedPCAFrame("E(3)"), {"pos": "point", "vel": "vector"}, reads=["vel"], node_weight=None
    )
    pos, vel = torch.randn(5, 3, dtype=D), 1e-12 * torch.randn(5, 3, dtype=D)
    plain, motion = model(pos, vel), random_motion("E(3)", torch.Generator().manual_seed(0))
    assert torch.allclose(model(pos + 100, vel), plain, rtol=1e-10)
    assert torch.allclose(model(motion(pos), motion(vel, "vector")), plain, rtol=1e-8)


def test_smooth_across_a_line_for_what_tells_mirror_images_apart():
    """The slopes on both sides of a line are one, for pseudo-outputs and tensors as well."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            sizes = [torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 16), torch.nn.Tanh()]
            self.layers = torch.nn.Sequential(*sizes, torch.nn.Linear(16, 13)).double()

        def forward(self, pos):
            y = self.layers(pos).sum(0, keepdim=True)
            return y[:, 0], y[:, 1:4], y[:, 4:].unflatten(1, (3, 3))

    line = torch.zeros(5, 3, dtype=D)
    line[:, 0] = torch.tensor([0, 1, 2.2, 3.1, 4.7])
    off = torch.randn(5, 3, dtype=D)
    off[:, 0] = 0
    model = FrameAveraging(
        Net(), WeightedPCAFrame("E(3)"), output=("pseudoscalar", "pseudovector", "tensor"), level="graph"
    )

    def kink(d):
        sides = [model(line + s * off) for s in (d, -d, 0)]
        return max(((a + b - 2 * c).norm() / d).item() for a, b, c in zip(*sides, strict=True))

    with torch.no_grad():
        assert kink(1e-4) < 0.02 * (kink(1e-2) + 1e-3) + 1e-6
