"""Scores of directions across an axis against the third moments themselves."""

import torch

from fa_pyg.builders.weighted.across import Across, combined
from fa_pyg.builders.weighted.candidates import Candidates
from fa_pyg.builders.weighted.cubics import along, components, cubes


def vectors(n, seed):
    return torch.randn(3, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_symmetric_tensors_are_ten_numbers():
    x, y = vectors(6, 0), vectors(4, 1)
    third = cubes(x).sum(1, keepdim=True)
    expected = torch.einsum("in,jn,kn->ijk", x, x, x)
    torch.testing.assert_close(components(third).squeeze(-1), expected)
    torch.testing.assert_close(along(third, y), torch.einsum("ijk,in,jn,kn->n", expected, y, y, y))


def test_scores_are_those_of_third_moments():
    """With w = a x e: distance from the axis, height, eee, and for mirror images www + eew + aaw + aew."""
    n, third = 12, cubes(vectors(6, 2)).sum(1, keepdim=True)
    axis = vectors(3, 3)
    axis = axis / axis.norm(dim=0)
    x, bonus, ray = vectors(n, 4), torch.rand(n, dtype=torch.float64), torch.arange(n) % 3
    candidates = Candidates(x, bonus, torch.zeros(n, dtype=torch.long), None, third)
    averaged, oriented = torch.tensor([False, True, False]), torch.tensor([True, True, False])
    across = Across.of(axis, third.expand(-1, 3), averaged, oriented, chiral=True)
    score, flat = across.scores(candidates, ray, torch.arange(n), 2)
    e, w = combined(flat, across.u[:, ray], across.v[:, ray])
    a, tensor = axis[:, ray], components(third).squeeze(-1)
    across_axis = x - (x * a).sum(0) * a
    torch.testing.assert_close(e, across_axis / across_axis.norm(dim=0))
    torch.testing.assert_close(w, torch.linalg.cross(a, e, dim=0))

    def t(*three):
        return torch.einsum("ijk,in,jn,kn->n", tensor, *three)

    height = (x * a).sum(0)
    side = torch.where(oriented[ray], height / (1 + height.square()).sqrt(), 0)
    even = across_axis.square().sum(0).log() + side + t(e, e, e) + bonus
    odd = t(w, w, w) + t(e, e, w) + t(a, a, w) + t(a, e, w)
    odd = torch.where(averaged[ray] | ~oriented[ray], 0, odd)
    assert odd.abs().max() > 0.1
    torch.testing.assert_close(score, torch.stack([even + odd, even - odd]))
    one = Across.of(axis, third.expand(-1, 3), averaged, oriented, chiral=False)
    torch.testing.assert_close(one.scores(candidates, ray, torch.arange(n), 1)[0], even.unsqueeze(0))


def test_directions_turn_with_the_axis_and_not_about_it():
    axis = vectors(5, 5)
    axis = axis / axis.norm(dim=0)
    like, third = torch.zeros(5, dtype=torch.bool), torch.zeros(10, 5, dtype=torch.float64)

    def directions(a):
        across = Across.of(a / a.norm(dim=0), third, like, like, chiral=False)
        return torch.stack([across.u, across.v])

    change = vectors(5, 6)
    found = torch.func.jvp(directions, (axis,), (change,))
    base, moved = found[0], found[1]
    torch.testing.assert_close((base[0] * moved[1]).sum(0), torch.zeros(5, dtype=torch.float64))
    tilt = change - (change * axis).sum(0) * axis
    torch.testing.assert_close((axis * moved[0]).sum(0), -(base[0] * tilt).sum(0))
    assert tilt.abs().max() > 0.1
