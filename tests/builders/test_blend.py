"""Weighted frames where families of frames meet: shares, forces, points all in one place."""

import pytest
import torch

from fa_pyg import WeightedPCAFrame
from fa_pyg.builders.weighted.moments import Blend
from fa_pyg.testing import catalogue
from fa_pyg.testing.continuity import Line, largest_step
from fa_pyg.testing.exactness import assert_exact
from fa_pyg.testing.probe import framed_probe

# Eigenvalues of covariances, the third at its blend (gap 0.05, line 0.1, flat 0.1).
CROSSINGS = {
    "largest in its blend": (1.0, 1.0, 1.04),
    "smallest in its blend": (0.9625, 1.0, 1.0),
    "on the verge of a line": (0.004, 0.004, 1.0),
    "flat": (0.002, 1.0, 1.0),
}


def through(values, seed):
    """A line of clouds whose covariance at t = 0 has these eigenvalues."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(8, 3, generator=g, dtype=torch.float64)
    white = torch.linalg.qr(torch.cat([torch.ones_like(x[:, :1]), x], 1))[0][:, 1:] * 8**0.5
    u = torch.randn(8, 3, generator=g, dtype=torch.float64)
    return Line("crossing", white * torch.tensor(values, dtype=x.dtype).sqrt(), 2e-3 * u)


def forces(z, pos, batch):
    pos = pos.clone().requires_grad_()
    out = framed_probe(WeightedPCAFrame("E(3)", smoothness="fast"))(z, pos, batch)
    return torch.autograd.grad(out["graph scalar"].sum() + out["node scalar"].sum(), pos)[0]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("case", CROSSINGS)
def test_forces_do_not_jump_where_the_other_two_meet(case, seed):
    coarse, fine = largest_step(forces, through(CROSSINGS[case], seed), steps=(64, 512))
    assert fine < coarse / 4  # 8 times shorter steps; a jump stays


def test_shares_are_once_differentiable_where_two_eigenvalues_meet():
    def slopes(values, side):
        values = torch.tensor([values], dtype=torch.float64)
        split = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        pair = 0 if values[0, 0] == values[0, 1] else 1
        apart = torch.zeros(1, 3, dtype=torch.float64)
        apart[0, pair], apart[0, pair + 1] = -1, 1
        blend = Blend.of(values + (split + side) * apart, None, gap=0.05, line=0.1)
        shares = [blend.generic, blend.top, blend.line, blend.bottom, blend.free]
        return torch.stack([torch.autograd.grad(s, split, retain_graph=True)[0][0] for s in shares])

    for values in list(CROSSINGS.values())[:3]:
        # As the two part, whichever way, the derivative along their distance begins at 0.
        assert slopes(values, 1e-9).abs().max() < 1e-4
    assert slopes((0.98, 0.99, 1.03), 0.0).abs().max() > 1  # what is no crossing has a slope


def test_shares_sum_to_one():
    values = torch.rand(1000, 3, dtype=torch.float64).sort(1).values * torch.tensor([1.0, 1.0, 1.2])
    blend = Blend.of(values.sort(1).values, None, gap=0.3, line=0.5)
    total = blend.generic + blend.top + blend.line + blend.bottom + blend.free
    assert torch.allclose(total, torch.ones_like(total))


@pytest.mark.parametrize("group", ["E(2)", "SE(3)", "E(3)"])
def test_points_all_in_one_place_leave_the_axes_to_what_they_carry(group):
    frame = WeightedPCAFrame(group, smoothness="fast")
    clouds = list(catalogue(frame.group.dim, ["coincident"]))
    assert_exact(frame, clouds, velocities=True, trials=3)
