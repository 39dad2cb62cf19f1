"""The degenerate catalogue: symmetric to rounding, of the point groups that it says."""

import math

import pytest
import torch

from fa_pyg.testing import (
    catalogue,
    idealized,
    lines,
    modified,
    modifiers,
    point_symmetries,
    random_motion,
)
from fa_pyg.testing.catalogue import KINDS


@pytest.mark.parametrize(("dim", "kind"), [(dim, kind) for dim in KINDS for kind in KINDS[dim]])
def test_point_groups_are_as_declared(dim, kind):
    clouds = list(catalogue(dim, [kind]))
    assert clouds
    for name, z, pos, order, rotations in clouds:
        assert (pos.dtype, pos.size(1)) == (torch.float64, dim), name
        assert z is None or z.shape == (len(pos),), name
        if order is None:
            continue
        if order == math.inf:
            with pytest.raises(ValueError, match="expected points of a finite point group"):
                point_symmetries(pos, z)
            continue
        group = point_symmetries(pos, z, tol=1e-12)
        assert len(group) == order, name
        assert (torch.linalg.det(group) > 0).sum() == rotations, name


def test_clouds_without_colors_can_have_equal_ones():
    """As the docstring says: they leave the point group as it is."""
    kinds = ["solids", "colored"]
    assert {cloud.z is None for cloud in catalogue(kinds=kinds)} == {True, False}
    for _, z, pos, order, _ in catalogue(kinds=kinds):
        z = torch.ones(len(pos), dtype=torch.long) if z is None else z
        assert len(point_symmetries(pos, z)) == order
    for text in (catalogue.__doc__, lines.__doc__):
        assert "z = torch.ones(len(pos), dtype=torch.long) if z is None else z" in text


def test_names_are_told_once():
    for dim in (2, 3):
        names = [cloud.name for cloud in catalogue(dim)]
        assert len(set(names)) == len(names)
    names = [modified(cloud, **how).name for cloud in catalogue(2) for how in modifiers()]
    uncolored = sum(cloud.z is None for cloud in catalogue(2))
    assert len(set(names)) == len(names) - uncolored


def test_point_groups_are_groups_and_turn_with_the_cloud():
    for name, z, pos, order, _ in catalogue(kinds=["molecules", "chiral"]):
        if order not in (math.inf, None):
            group, g = point_symmetries(pos, z), random_motion("E(3)").rotation
            products = (group.unsqueeze(0) @ group.unsqueeze(1)).reshape(-1, 1, 9)
            assert (products - group.reshape(1, -1, 9)).abs().amax(-1).amin(1).max() < 1e-9, name
            turned = (g @ group @ g.T).reshape(-1, 1, 9)
            again = point_symmetries(pos @ g.T + 3, z).reshape(1, -1, 9)
            assert len(again[0]) == order, name
            assert (turned - again).abs().amax(-1).amin(1).max() < 1e-9, name


def test_what_is_nearly_symmetric_becomes_so():
    for name, z, pos, order, _ in catalogue(kinds=["molecules", "solids"]):
        if order != math.inf:
            rough = pos + 1e-4 * pos.std() * torch.randn_like(pos)
            assert len(point_symmetries(rough, z, tol=1e-6)) == 1, name
            mended, group = idealized(rough, z, tol=1e-3)
            assert len(group) == len(point_symmetries(mended, z, tol=1e-12)) == order, name
            assert (mended - rough).abs().max() < 1e-3 * pos.norm(dim=1).max(), name


def test_nearly_degenerate_clouds_come_near():
    """Two singular values of the positions are apart by little, or one is little, but not by rounding."""
    for dim in (2, 3):
        for name, _, pos, *_ in catalogue(dim, ["nearly"]):
            values = torch.linalg.svdvals(pos - pos.mean(0))
            gaps = torch.cat([-values.diff(), values[-1:]]) / values[0]
            assert ((gaps > 1e-15) & (gaps < 0.2)).any(), name


def test_modifications():
    methane = next(cloud for cloud in catalogue(kinds=["molecules"]) if cloud.name == "methane")
    far = modified(methane, offset=1e6, scale=1e-6)
    assert (far.name, far.order, far.rotations) == ("methane, scale 1e-06, offset 1e+06", 24, 12)
    assert torch.allclose((far.pos - methane.pos * 1e-6).norm(dim=1), torch.tensor(1e6, dtype=torch.float64))
    plain = modified(methane, colored=False)
    assert (plain.z, plain.order) == (None, None)
    assert modified(plain, colored=False).name == plain.name


def test_wrong_requests_are_named():
    with pytest.raises(ValueError, match="dim: expected 2 or 3, found 4"):
        next(catalogue(4))
    with pytest.raises(ValueError, match=r"kinds: expected some of coincident, .*, found 'solids'"):
        next(catalogue(2, ["solids"]))
