"""Finite groups: closed, of the right order, and told apart by what their elements are."""

import pytest
import torch

from fa_pyg.groups import FiniteGroup, Group

ORDERS = {  # name: order, number of rotations among its elements
    "C1": (1, 1),
    "C2": (2, 2),
    "C4": (4, 4),
    "C7": (7, 7),
    "C360": (360, 360),
    "D1": (2, 1),
    "D3": (6, 3),
    "D4": (8, 4),
    "C5(3)": (5, 5),
    "D2(3)": (4, 4),
    "D5(3)": (10, 10),
    "C3v": (6, 3),
    "C4v": (8, 4),
    "C3h": (6, 3),
    "C6h": (12, 6),
    "D3h": (12, 6),
    "D4h": (16, 8),
    "D2d": (8, 4),
    "D3d": (12, 6),
    "S2": (2, 1),
    "S4": (4, 2),
    "S6": (6, 3),
    "Cs": (2, 1),
    "Ci": (2, 1),
    "T": (12, 12),
    "Td": (24, 12),
    "Th": (24, 12),
    "O": (24, 24),
    "Oh": (48, 24),
    "I": (60, 60),
    "Ih": (120, 60),
}


@pytest.mark.parametrize("name", ORDERS)
def test_a_group_of_the_right_order(name):
    group, (order, proper) = Group.of(name), ORDERS[name]
    e = group.elements()
    assert (len(e), group.order) == (order, order)
    eye = torch.eye(group.dim, dtype=torch.float64)
    assert torch.equal(e[0], eye)
    assert (e.mT @ e - eye).abs().max() < 2e-15
    det = torch.linalg.det(e)
    assert (det.abs() - 1).abs().max() < 2e-15
    assert int((det > 0).sum()) == proper
    assert (group.reflects, group.rotates) == (order != proper, order > 1)
    assert len(torch.unique(e.round(decimals=6), dim=0)) == order
    assert group.distance(e.mT).max() < 2e-15  # inverses
    assert max(group.distance(g @ e).max() for g in e) < 2e-15  # products


# The number of elements of each kind: det and order, (+1, n) a rotation by a multiple of 2 pi / n.
CLASSES = {
    "D4": {(1, 1): 1, (1, 2): 1, (1, 4): 2, (-1, 2): 4},
    "D2d": {(1, 1): 1, (1, 2): 3, (-1, 4): 2, (-1, 2): 2},
    "D3d": {(1, 1): 1, (1, 3): 2, (1, 2): 3, (-1, 2): 4, (-1, 6): 2},
    "D3h": {(1, 1): 1, (1, 3): 2, (1, 2): 3, (-1, 2): 4, (-1, 6): 2},
    "C4v": {(1, 1): 1, (1, 2): 1, (1, 4): 2, (-1, 2): 4},
    "S6": {(1, 1): 1, (1, 3): 2, (-1, 2): 1, (-1, 6): 2},
    "T": {(1, 1): 1, (1, 3): 8, (1, 2): 3},
    "Td": {(1, 1): 1, (1, 3): 8, (1, 2): 3, (-1, 4): 6, (-1, 2): 6},
    "Th": {(1, 1): 1, (1, 3): 8, (1, 2): 3, (-1, 2): 4, (-1, 6): 8},
    "O": {(1, 1): 1, (1, 3): 8, (1, 2): 9, (1, 4): 6},
    "Oh": {(1, 1): 1, (1, 3): 8, (1, 2): 9, (1, 4): 6, (-1, 2): 10, (-1, 4): 6, (-1, 6): 8},
    "I": {(1, 1): 1, (1, 5): 24, (1, 3): 20, (1, 2): 15},
    "Ih": {(1, 1): 1, (1, 5): 24, (1, 3): 20, (1, 2): 15, (-1, 2): 16, (-1, 6): 20, (-1, 10): 24},
}


def order_of(g):
    power, n = g, 1
    while (power - torch.eye(len(g), dtype=g.dtype)).abs().max() > 1e-9:
        power, n = power @ g, n + 1
    return n


@pytest.mark.parametrize("name", CLASSES)
def test_elements_of_each_kind_as_in_the_character_tables(name):
    found = {}
    for g in Group.of(name).elements():
        kind = (int(torch.linalg.det(g).round()), order_of(g))
        found[kind] = found.get(kind, 0) + 1
    assert found == CLASSES[name]


def golden():
    """The vertices of an icosahedron: (0, +-1, +-phi) and their cyclic permutations."""
    phi = (1 + 5**0.5) / 2
    return [p for a in (1, -1) for b in (phi, -phi) for p in ([0, a, b], [a, b, 0], [b, 0, a])]


def polygon(n, *z):
    angle = 2 * torch.pi * torch.arange(n, dtype=torch.float64) / n
    return torch.stack([angle.cos(), angle.sin(), *(torch.full_like(angle, h) for h in z)], dim=1).tolist()


SOLIDS = {  # the vertices of a solid about the origin, and its full symmetry group
    "Td": [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]],
    "Oh": [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]],
    "Ih": golden(),
    "C4v": [*polygon(4, 0), [0, 0, 2]],
    "D3h": [*polygon(3, 1), *polygon(3, -1)],
    "D3d": [v for x, y, z in polygon(3, 1) for v in ([y, x, z], [-y, -x, -z])],
    "D5": polygon(5),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_symmetries_of_a_solid(name):
    group, x = Group.of(name), torch.tensor(SOLIDS[name], dtype=torch.float64)
    assert torch.cdist(x @ group.elements().mT, x).amin(-1).max() < 1e-6
    # All there are: a symmetry is known by where it takes d vertices.
    dim, found = group.dim, 0
    base = next(
        b for b in torch.combinations(torch.arange(len(x)), dim) if torch.linalg.det(x[b]).abs() > 0.1
    )
    images = torch.cartesian_prod(*[torch.arange(len(x))] * dim)
    matrices = torch.linalg.solve(x[base], x[images]).mT
    eye = torch.eye(dim, dtype=x.dtype)
    matrices = matrices[(matrices.mT @ matrices - eye).abs().amax((-2, -1)) < 1e-6]
    found = sum(torch.cdist(x @ m.T, x).amin(-1).max() < 1e-6 for m in matrices)
    assert found == group.order


@pytest.mark.parametrize("name", ORDERS)
def test_which_groups_hold_the_inversion(name):
    group = Group.of(name)
    inversion = -torch.eye(group.dim, dtype=torch.float64).unsqueeze(0)
    holds = name in ("C2", "C4", "C360", "D4", "C6h", "D4h", "D3d", "S2", "S6", "Ci", "Th", "Oh", "Ih")
    assert (group.distance(inversion).item() < 1e-14) == holds


@pytest.mark.parametrize("name", ["C4", "D2", "C4(3)", "D4h", "S4", "T", "Td", "Th", "O", "Oh"])
def test_elements_that_map_a_grid_onto_itself_are_integers(name):
    elements = Group.of(name).elements()
    assert torch.equal(elements, elements.round())


# ------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "kind", "dim", "text"),
    [
        ("C_4", "C4", 2, "C4"),
        ("C4(2)", "C4", 2, "C4"),
        ("C_4(3)", "C4", 3, "C4(3)"),
        ("D12(3)", "D12", 3, "D12(3)"),
        ("C_4v", "C4v", 3, "C4v"),
        ("D3_d", "D3d", 3, "D3d"),
        ("O_h", "Oh", 3, "Oh"),
        ("T", "T", 3, "T"),
        ("O", "O", 3, "O"),
        ("Cs", "C1h", 3, "C1h"),
        ("C_i", "S2", 3, "S2"),
    ],
)
def test_names(name, kind, dim, text):
    group = Group.of(name)
    assert isinstance(group, FiniteGroup)
    assert (group.kind, group.dim, group.translates, str(group)) == (kind, dim, False, text)
    assert Group.of(text) == group == FiniteGroup(kind, dim)
    moved = Group.of(f"T({dim}):{name}")
    assert (moved.kind, moved.dim, moved.translates, str(moved)) == (kind, dim, True, f"T({dim}):{text}")
    assert Group.of(str(moved)) == moved != group
    assert len({group, moved, Group.of(name)}) == 2


def test_names_of_the_continuous_groups_stay_theirs():
    assert not isinstance(Group.of("O(3)"), FiniteGroup)
    assert not isinstance(Group.of("T(3)"), FiniteGroup)
    assert Group.of("O(3)") != Group.of("O")
    assert Group.of("T(3)") != Group.of("T")


@pytest.mark.parametrize(
    "name",
    ["C", "C0", "C4(4)", "D4(1)", "S3", "S", "Ch", "O4", "Os", "Cvh", "C4i", "T(3):C4", "T(4):O", "oh"],
)
def test_unknown_names(name):
    with pytest.raises(ValueError, match=r"unknown group .*Schoenflies notation"):
        Group.of(name)


@pytest.mark.parametrize(("kind", "dim"), [("O", 2), ("C4v", 2), ("C4", 4), ("C_4", 2), ("", 3), ("SO", 3)])
def test_missing_inputs(kind, dim):
    with pytest.raises(ValueError, match=f"kind: expected .* found '{kind}' in {dim} dimensions"):
        FiniteGroup(kind, dim)


# ------------------------------------------------------------------------------------ draws


@pytest.mark.parametrize("name", ["C5", "D4", "Td"])
def test_draws_are_uniform(name, dtype):
    group, n = Group.of(name), 20_000
    drawn = group.haar(n, torch.Generator().manual_seed(0), dtype=dtype)
    assert drawn.dtype == dtype
    distance = (drawn.unsqueeze(1) - group.elements(dtype=dtype)).abs().amax((-2, -1))
    assert distance.amin(1).max() == 0
    counts = distance.argmin(1).bincount(minlength=group.order).double()
    expected = n / group.order
    assert (counts - expected).abs().max() < 5 * expected**0.5
    assert torch.equal(drawn, group.haar(n, torch.Generator().manual_seed(0), dtype=dtype))


def test_draws_of_none_and_the_default_type():
    assert Group.of("Ih").haar(0).shape == (0, 3, 3)
    assert Group.of("Ih").haar(2).dtype == torch.get_default_dtype()


@pytest.mark.parametrize("name", [n for n, (order, proper) in ORDERS.items() if order != proper])
def test_mirror(name):
    group = Group.of(name)
    assert torch.linalg.det(group.mirror) < 0
    assert group.distance(group.mirror.unsqueeze(0)) == 0


def test_principal_axes_are_not_elements():
    with pytest.raises(ValueError, match=r"expected .*SO\(2\).*finite group C4.*GroupFrame"):
        Group.of("C4").signs()


# ------------------------------------------------------------------------------------ how much of SO(3)


@pytest.mark.parametrize(("name", "degree"), [("T", 2), ("O", 3), ("I", 5), ("C5(3)", 0), ("D3(3)", 1)])
def test_the_first_harmonics_that_a_group_leaves_alone(name, degree):
    """By characters: sum_g chi_l(g) / |G| counts the invariants: none for 1 <= l <= ``degree``."""
    trace = Group.of(name).elements().diagonal(dim1=1, dim2=2).sum(1)
    angle = ((trace - 1) / 2).clamp(-1, 1).acos()

    def invariants(degree):
        return sum((m * angle).cos().mean() for m in range(-degree, degree + 1))

    counts = [int(invariants(n).round()) for n in range(degree + 2)]
    assert counts[:-1] == [1] + [0] * degree
    assert counts[-1] > 0
