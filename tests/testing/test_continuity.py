"""Lines meet what they are built to meet, and jumps are told from steep slopes."""

import pytest
import torch

from fa_pyg import FrameAveraging, Frames, MotionFrame, PCAFrame
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.testing import LINES, Line, Probe, assert_continuous, framed_probe, largest_step, lines


def start(kind, dim=3):
    """The degenerate cloud of a kind, centered as its colors weigh, and its principal variances."""
    line = next(lines(1, dim, [kind]))
    w = (torch.ones(len(line.start)) if line.z is None else line.z).double()
    x = line.at(torch.zeros(1))[0]
    x = x - w @ x / w.sum()
    values, axes = torch.linalg.eigh((w.unsqueeze(1) * x).T @ x / w.sum())
    return x @ axes, values, w


@pytest.mark.parametrize(
    ("kind", "gaps"),
    [
        ("small eigenvalues equal", (0, 1)),
        ("large eigenvalues equal", (1, 0)),
        ("eigenvalues equal", (0, 0)),
        ("eigenvalues equal, colored", (0, 0)),
        ("plane of equal eigenvalues", (1, 0)),
        ("plane", (1, 1)),
        ("straight", (0, 1)),
        ("straight molecule", (0, 1)),
        ("mirror", (1, 1)),
        ("odd moment", (1, 1)),
    ],
)
def test_lines_meet_what_they_say(kind, gaps):
    _, values, _ = start(kind)
    found = values.diff() / values.max()
    assert all(gap > 1e-3 if apart else gap < 1e-13 for gap, apart in zip(found, gaps, strict=True))
    assert (values[0] < 1e-13) == ("plane" in kind or "straight" in kind)
    assert (values[1] < 1e-13) == ("straight" in kind)


@pytest.mark.parametrize("kind", ["mirror", "mirror, colored", "odd moment"])
@pytest.mark.parametrize("dim", [2, 3])
def test_odd_moments_vanish(kind, dim):
    x, _, w = start(kind, dim)
    moments = (w @ x.pow(3)).abs()
    assert moments.min() < 1e-12
    assert moments.max() > 1e-3
    line = next(lines(1, dim, [kind]))
    assert line.at(torch.tensor([-1.0, 1.0])).shape == (2, *line.start.shape)


def test_lines_come_in_all_kinds_and_offsets():
    for dim in (2, 3):
        names = [line.name for line in lines(dim=dim, gap=0.1)]
        assert len(set(names)) == len(names) == 3 * len(LINES[dim])
        assert set(names) == {f"{kind}, offset {o}" for kind in LINES[dim] for o in ("0", "0.01", "0.1")}
    many = list(lines(50, seed=1))
    assert len(many) == 50
    assert not torch.equal(many[0].direction, many[39].direction)  # drawn anew
    for line in many:
        spread = line.start.pow(2).sum(1).mean().sqrt()
        assert 0.8 < spread < 1.2, line.name
    assert torch.equal(next(lines(1, seed=1)).start, many[0].start)


def test_wrong_requests_are_named():
    with pytest.raises(ValueError, match="dim: expected 2 or 3, found 4"):
        next(lines(dim=4))
    with pytest.raises(ValueError, match=r"kinds: expected some of equal eigenvalues, .*, found 'plane'"):
        next(lines(dim=2, kinds=["plane"]))


def jump(z, pos, batch):
    return (pos[:, :1] > 0).double() + 1


def steep(z, pos, batch):
    return torch.tanh(pos[:, :1] / 0.001)


def test_jumps_are_told_from_slopes():
    line = Line("through 0", torch.zeros(1, 3).double(), torch.ones(1, 3).double())
    assert torch.allclose(largest_step(jump, line), torch.full((3,), 0.5).double())
    closer = "0.5, 0.5, 0.5, 0.5, 0.5"
    with pytest.raises(
        AssertionError, match=f"through 0: not continuous, largest steps after refinements: .*{closer}"
    ):
        assert_continuous(jump, line)
    with pytest.raises(AssertionError, match="nan"):
        assert_continuous(lambda z, pos, batch: pos / 0, line)
    assert assert_continuous(steep, line)[0] > 0.5
    slope = largest_step(lambda z, pos, batch: pos + 2, line)
    assert torch.allclose(slope, slope[0] * torch.tensor([1, 1 / 4, 1 / 16]).double())
    assert_continuous(lambda z, pos, batch: 0 * pos + 1, line)


class OneSided(MotionFrame):
    """One pose, signed by third moments: canonical, and no such frame is continuous."""

    def build(self, cloud):
        inner = PCAFrame(self.group).build(cloud)
        axes, x, index = inner.axes, *cloud.centered(cloud.read[0], inner.origin)[:2]
        skew = scatter_sum(torch.einsum("nd,nde->ne", x, axes[index]).pow(3), index, cloud.size)
        return Frames(
            axes * torch.where(skew < 0, -1, 1).unsqueeze(1), origin=inner.origin, batch=cloud.batch
        )


def output(model):
    def f(z, pos, batch):
        with torch.no_grad():
            return model(z, pos, batch)["node vector"]

    return f


@pytest.mark.parametrize("kind", ["small eigenvalues equal", "large eigenvalues equal", "symmetric molecule"])
def test_principal_axes_jump_where_eigenvalues_meet(kind):
    line = next(lines(1, kinds=[kind]))
    assert_continuous(output(Probe(3)), line)
    with pytest.raises(AssertionError, match="not continuous"):
        assert_continuous(output(framed_probe(PCAFrame("E(3)"))), line)


@pytest.mark.parametrize("kind", ["plane", "mirror", "odd moment"])
def test_canonical_poses_jump_where_signs_flip(kind):
    line = next(lines(1, kinds=[kind]))
    assert_continuous(output(framed_probe(PCAFrame("E(3)"))), line)
    with pytest.raises(AssertionError, match="not continuous"):
        assert_continuous(output(framed_probe(OneSided("E(3)"))), line)


def test_forces_are_measured_as_well():
    """Those of principal axes jump as their energies do; any function of a batch will do."""
    line = next(lines(1, kinds=["eigenvalues equal"]))
    model = FrameAveraging(Probe(3), PCAFrame("E(3)"), output=framed_probe(PCAFrame("E(3)")).output)

    def forces(z, pos, batch):
        pos = pos.clone().requires_grad_()
        return -torch.autograd.grad(model(z, pos, batch)["graph scalar"].sum(), pos)[0]

    with pytest.raises(AssertionError, match="not continuous"):
        assert_continuous(forces, line)
