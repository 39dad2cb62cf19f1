"""Weighted frames are continuous through degenerate clouds, their forces too, where plain ones jump."""

import pytest
import torch

from fa_pyg import PCAFrame, WeightedPCAFrame
from fa_pyg.testing.continuity import LINES, lines
from fa_pyg.testing.probe import framed_probe


def outputs(model, vel=None):
    def f(z, pos, batch):
        more = {} if vel is None else {"vel": vel.repeat(int(batch[-1]) + 1, 1)}
        with torch.no_grad():
            found = model(z=z, pos=pos, batch=batch, **more)
        return torch.cat([x.reshape(int(batch[-1]) + 1, -1) for x in found.values()], 1)

    return f


def forces(model, vel=None):
    def f(z, pos, batch):
        more = {} if vel is None else {"vel": vel.repeat(int(batch[-1]) + 1, 1)}
        pos = pos.clone().requires_grad_()
        energy = model(z=z, pos=pos, batch=batch, **more)["graph scalar"]
        return torch.autograd.grad(energy.sum(), pos)[0]

    return f


def steps(f, line, levels=3):
    """The largest step of f along a line, then 32 and 1024 times finer where it was found.

    Relative to the largest value. It shrinks as the steps do where f is continuous (once they resolve the
    blend), and stays where f jumps.
    """
    start, half, scale, found = 0.0, 1.0, None, []
    for level in range(levels):
        t = start + half * torch.linspace(-1, 1, 64 if level else 256, dtype=torch.float64)
        values = line.evaluate(f, t)
        change = values.diff(dim=0).norm(dim=1)
        scale = values.norm(dim=1).max() if scale is None else scale
        worst, start, half = change.max(), t[change.argmax()].item(), (t[1] - t[0]).item()
        found.append((worst / scale).item())
    return found


def shrinks(found):
    """Whether the steps of the last level are in proportion, or rounding."""
    return found[2] < found[1] / 10 or found[2] < 1e-8


@pytest.mark.parametrize(
    ("group", "offsets"), [("E(3)", (0, 1)), ("SE(3)", (1, 2)), ("E(2)", (0, 1)), ("SE(2)", (1, 2))]
)
def test_continuous_through_degenerate_clouds(group, offsets):
    """Outputs and forces, on lines through them, within the gap in which frames blend, and at its edge."""
    model = framed_probe(WeightedPCAFrame(group)).double()
    many = list(lines(dim=int(group[-2]), seed=sum(offsets)))
    kinds = len(many) // 3
    for line in [line for k in offsets for line in many[k * kinds :][:kinds]]:
        for f in (outputs(model), forces(model)):
            found = steps(f, line)
            assert shrinks(found), (line.name, found)


def through(dim, kinds):
    return [line for line in lines(dim=dim, kinds=kinds) if line.name.endswith("offset 0")]


@pytest.mark.parametrize(
    ("group", "kind"), [("E(3)", "small eigenvalues equal"), ("SE(2)", "equal eigenvalues")]
)
def test_plain_frames_jump(group, kind):
    for line in through(int(group[-2]), [kind]):
        found = steps(outputs(framed_probe(PCAFrame(group)).double()), line)
        assert found[2] > 0.9 * found[0] > 0.1
        assert shrinks(steps(outputs(framed_probe(WeightedPCAFrame(group)).double()), line))


@pytest.mark.parametrize("group", ["E(3)", "SE(2)"])
def test_sparsemax_is_continuous_but_its_forces_are_not(group):
    """The reason for 1.5-entmax."""
    model, jumps = (
        framed_probe(WeightedPCAFrame(group, projection="sparsemax", smoothness="fast")).double(),
        [],
    )
    for line in through(int(group[-2]), None):
        assert shrinks(steps(outputs(model), line)), line.name
        found = steps(forces(model), line)
        jumps.append(found[2] > 0.5 * found[0] > 0.05)
    assert sum(jumps) > len(jumps) / 3


@pytest.mark.parametrize(("group", "seed"), [("E(3)", 0), ("SE(2)", 2)])
def test_continuous_with_velocities(group, seed):
    """That leave the plane or the line, declared though the axes are not made of them."""
    model, g = (
        framed_probe(WeightedPCAFrame(group), velocities=True).double(),
        torch.Generator().manual_seed(seed),
    )
    for line in lines(
        dim=int(group[-2]), seed=seed, kinds=[kind for kind in LINES[int(group[-2])] if kind != "mirror"]
    ):
        if "straight" in line.name or "plane" in line.name or "symmetric" in line.name:
            vel = torch.randn(line.start.shape, generator=g, dtype=torch.float64)
            for f in (outputs(model, vel), forces(model, vel)):
                found = steps(f, line)
                assert shrinks(found), (line.name, found)
