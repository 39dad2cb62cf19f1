"""Symmetric parts: invariant sets of points, exact normals, equal eigenvalues."""

import pytest
import torch

from fa_pyg.cad import SURFACES
from fa_pyg.datasets.clouds import SYMMETRIC, symmetric_part, symmetric_rotations

KEYS = {"washer": 24, "hex_nut": 12, "square_nut": 8, "spur_gear": 24, "torus": 24, "sphere": 24, "cube": 24}


def distance(data, rotation):
    """Returns how far the rotated points, normals and kinds are from those of the set."""
    kind = data.surface[:, None].to(data.pos)
    rows = torch.cat([data.pos, data.normal, kind], 1)
    rotated = torch.cat([data.pos @ rotation.T, data.normal @ rotation.T, kind], 1)
    between = (rotated[:, None] - rows).abs().amax(-1)
    return max(between.amin(0).max(), between.amin(1).max())


@pytest.mark.parametrize("name", SYMMETRIC)
def test_the_set_is_invariant_under_its_group_alone(name):
    data, group = symmetric_part(name, 240, dtype=torch.float64), symmetric_rotations(name)
    assert len(group) == KEYS[name]
    assert torch.equal(group[0], torch.eye(3, dtype=torch.float64))
    assert max(distance(data, rotation) for rotation in group) < 1e-14
    angle = torch.tensor(0.1, dtype=torch.float64)
    c, s, o = angle.cos(), angle.sin(), torch.zeros((), dtype=torch.float64)
    other = torch.stack([c, -s, o, s, c, o, o, o, o + 1]).view(3, 3)
    assert distance(data, other) > 1e-2


@pytest.mark.parametrize("name", SYMMETRIC)
def test_the_group_is_closed(name):
    group = symmetric_rotations(name)
    products = torch.einsum("gij,hjk->ghik", group, group).reshape(-1, 1, 3, 3)
    assert (products - group).abs().amax((-1, -2)).amin(1).max() < 1e-14
    assert torch.linalg.det(group) == pytest.approx(1)
    assert torch.cdist(group.flatten(1), group.flatten(1)).fill_diagonal_(9).min() > 0.1


@pytest.mark.parametrize("name", SYMMETRIC)
def test_eigenvalues_coincide(name):
    pos = symmetric_part(name, dtype=torch.float64).pos
    values = torch.linalg.eigvalsh(pos.T @ pos / len(pos))
    assert pos.mean(0).abs().max() < 1e-14
    assert values[2] - values[1] < 1e-14
    assert (values[1] - values[0] < 1e-14) == (name in ("sphere", "cube"))


@pytest.mark.parametrize("name", SYMMETRIC)
def test_normals_are_those_of_the_surfaces(name):
    data = symmetric_part(name, 2000, dtype=torch.float64)
    pos, normal = data.pos, data.normal
    assert (normal.norm(dim=1) - 1).abs().max() < 1e-15
    axis = pos * torch.tensor([1, 1, 0])
    radial = axis / axis.norm(dim=1, keepdim=True)
    kinds = dict(enumerate(SURFACES))
    for kind in data.surface.unique().tolist():
        these = data.surface == kind
        n, x, r = normal[these], pos[these], radial[these]
        if kinds[kind] == "sphere":
            assert (n - x).abs().max() < 1e-14
        elif kinds[kind] == "torus":
            assert (x - 0.75 * r - 0.25 * n).abs().max() < 1e-14
        elif kinds[kind] == "cylinder":
            outer = axis[these].norm(dim=1) > 0.75
            assert (n - torch.where(outer[:, None], r, -r)).abs().max() < 1e-14
        else:  # few planes, each in front of which there is nothing nearby
            planes = torch.cat([n, (n * x).sum(1, keepdim=True)], 1).mul(1e9).round().unique(dim=0)
            assert (
                len(planes) == {"washer": 2, "hex_nut": 8, "square_nut": 6, "spur_gear": 50, "cube": 6}[name]
            )


def test_convex_parts_lie_behind_their_planes():
    cube = symmetric_part("cube", 1000, dtype=torch.float64)
    assert ((cube.pos @ cube.normal.T) - (cube.pos * cube.normal).sum(1)).max() < 1e-14


def test_numbers_seeds_and_types():
    data = symmetric_part("hex_nut", 100)
    assert data.pos.shape == data.normal.shape == (108, 3)  # a multiple of 12
    assert (data.pos.dtype, data.surface.dtype) == (torch.float32, torch.int64)
    assert torch.equal(data.pos, symmetric_part("hex_nut", 100).pos)
    assert not torch.equal(data.pos, symmetric_part("hex_nut", 100, seed=1).pos)
    first, rotations = symmetric_part("hex_nut", 100, dtype=torch.float64).pos, symmetric_rotations("hex_nut")
    assert torch.allclose(first.view(12, 9, 3), torch.einsum("gij,nj->gni", rotations, first[:9]))


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"name": "nut"}, "name"),
        ({"num_points": 0}, "num_points"),
        ({"seed": -1}, "seed"),
        ({"dtype": torch.int}, "dtype"),
    ],
)
def test_wrong_arguments(wrong, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        symmetric_part(**{"name": "washer", **wrong})
