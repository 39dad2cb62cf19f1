"""The shares of the families of frames sum to 1 and are smooth; so are forces where families meet."""

import pytest
import torch

from fa_pyg import WeightedPCAFrame
from fa_pyg.builders.weighted.blend import Blend, step
from fa_pyg.testing import catalogue
from fa_pyg.testing.continuity import Line, largest_step
from fa_pyg.testing.exactness import assert_exact
from fa_pyg.testing.probe import framed_probe

FAMILIES = ("generic", "top", "line", "bottom", "free")


def blend(rows, origin=None, gap=0.1, line=0.1):
    values = torch.tensor(rows, dtype=torch.float64)
    return Blend.of(values, None if origin is None else torch.tensor(origin, dtype=torch.float64), gap, line)


def shares(found):
    return torch.stack([getattr(found, name) for name in FAMILIES])


def test_the_step_is_once_differentiable():
    t = torch.linspace(-1, 2, 3001, dtype=torch.float64, requires_grad=True)
    for start in (0.0, 0.5):
        value = step(t, start)
        (slope,) = torch.autograd.grad(value.sum(), t)
        assert value[t <= start].eq(0).all()
        assert value[t >= 1].eq(1).all()
        assert (value.diff() >= 0).all()
        assert slope.diff().abs().max() < 12 / (1 - start) ** 2 * 0.001 * 1.01  # no jump in it
        assert slope.max() > 1


@pytest.mark.parametrize(
    ("values", "family"),
    [
        ([1.0, 2, 3], "generic"),
        ([1.0, 1, 3], "top"),
        ([1.0, 1.01, 3], "top"),
        ([0.0, 0.003, 1], "line"),
        ([0.0, 0, 1], "line"),
        ([1.0, 3, 3], "bottom"),
        ([0.0, 3, 3], "bottom"),
        ([1.0, 2.98, 3], "bottom"),
        ([0.0, 2, 3], "generic"),
        ([2.0, 2, 2], "free"),
        ([0.0, 0, 0], "free"),
    ],
)
def test_families(values, family):
    for scale in (1.0, 1e-12, 1e12):
        found = blend([[scale * value for value in values]])
        assert getattr(found, family) == 1
        assert shares(found).sum() == 1
        assert found.point.item() == (max(values) == 0)


def test_shares_sum_to_one_everywhere():
    values = torch.rand(5000, 3, dtype=torch.float64).pow(4).sort(1).values
    values[::3, 1] = values[::3, 2] * (1 - 0.1 * torch.rand(len(values[::3]), dtype=torch.float64))
    values[::2, 0] = values[::2, 1] * (1 - 0.1 * torch.rand(len(values[::2]), dtype=torch.float64))
    found = shares(Blend.of(values, None, 0.1, 0.2))
    assert (found.sum(0) - 1).abs().max() < 1e-14
    assert found.min() >= 0
    assert ((found > 0).sum(0) > 1).sum() > 500  # many blended
    assert (found > 0.01).any(1).all()
    plane = shares(Blend.of(values[:, 1:], None, 0.1, 0.2))
    assert (plane.sum(0) - 1).abs().max() < 1e-14
    assert torch.equal(Blend.of(values[:, 2:], None, 0.1, 0.2).generic, torch.ones(5000, dtype=torch.float64))


def test_they_change_smoothly_and_only_within_their_gap():
    t = torch.linspace(0, 0.2, 401, dtype=torch.float64)
    values = torch.stack([0.2 + 0 * t, 1 - t, 1 + 0 * t], 1).requires_grad_()
    found = Blend.of(values, None, 0.1, 0.1)
    assert found.generic[t >= 0.1].eq(1).all()
    assert found.bottom[t <= 0.025].eq(1).all()
    assert ((found.generic > 0) & (found.bottom > 0)).sum() > 40
    (slope,) = torch.autograd.grad(found.generic.sum(), values)
    assert slope.isfinite().all()
    assert slope.diff(dim=0).abs().max() < slope.abs().max() / 10


def test_a_point_is_what_rounding_leaves_of_it():
    far = [[0.0, 0.0, 0.0], [1e6, 0.0, 0.0], [1e6, 0.0, 0.0]]
    found = blend([[0.0, 0.0, 1e-20]] * 3, far)
    assert found.point.tolist() == [False, True, True]
    assert not blend([[0.0, 0.0, 1e-12]], [[1e6, 0.0, 0.0]]).point
    assert found.line.tolist() == [1, 0, 0]


def test_a_nan_stays_in_its_body():
    found = blend([[1.0, 2, 3], [float("nan")] * 3, [1.0, 2, 3]])
    assert found.generic.isnan().tolist() == [False, True, False]
    assert found.generic[[0, 2]].eq(1).all()


# ------------------------------ framed models where families meet

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


@pytest.mark.parametrize("group", ["E(2)", "SE(3)", "E(3)"])
def test_coincident_points_leave_the_axes_to_their_vectors(group):
    frame = WeightedPCAFrame(group, smoothness="fast")
    clouds = list(catalogue(frame.group.dim, ["coincident"]))
    assert_exact(frame, clouds, velocities=True, trials=3)
