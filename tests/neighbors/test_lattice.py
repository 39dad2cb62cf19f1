"""Short vectors of lattices: of the lattice alone, smooth in it, and enough to span it."""

import itertools

import numpy as np
import pytest
import torch
from ase.build import bulk

from fa_pyg.neighbors.lattice import lattice_vectors, reduced_basis

PBC = torch.ones(1, 3) > 0
CELLS = {
    "fcc": bulk("Cu").cell.array,
    "bcc": bulk("Fe").cell.array,
    "hcp": bulk("Mg").cell.array,
    "triclinic": np.array([[3.0, 0.1, 0.2], [0.5, 4.1, 0.3], [0.9, 1.2, 5.0]]),
    "needle": np.diag([20.0, 21.0, 3.0]),
    "plate": np.diag([3.0, 3.2, 20.0]),
}
OTHER_BASES = [
    np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]]),
    np.array([[1, 0, 0], [3, 1, 0], [-2, 5, 1]]) @ np.array([[1, 2, 0], [0, 1, 0], [0, -4, -1]]),
    np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
    -np.eye(3),
]


def distance(one, other):
    """The furthest that a vector of either set is from the nearest of the other."""
    apart = torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")
    return max(apart.min(0).values.max(), apart.min(1).values.max()).item()


@pytest.mark.parametrize("name", CELLS)
def test_the_same_set_in_every_basis(name):
    cell = torch.tensor(CELLS[name])[None]
    one, owner = lattice_vectors(cell, PBC)
    assert not owner.any()
    assert torch.linalg.matrix_rank(one.mT @ one, hermitian=True, rtol=1e-3) == 3
    for basis in OTHER_BASES:
        assert abs(np.linalg.det(basis)) == pytest.approx(1)
        other, _ = lattice_vectors(torch.tensor(basis).double() @ cell, PBC)
        assert len(other) == len(one)
        assert distance(other, one) < 1e-11
    longer, _ = lattice_vectors(3 * cell, PBC)
    assert distance(longer / 3, one) < 1e-11
    other, _ = lattice_vectors(torch.tensor(np.diag([2.0, 1, 1])) @ cell, PBC)  # another lattice
    assert distance(other, one) > 1e-2


def test_they_are_the_vectors_of_a_sum_over_all():
    cell = torch.tensor(CELLS["triclinic"])[None]
    steps = torch.tensor(list(itertools.product(range(-12, 13), repeat=3))).double()
    vectors, dual = steps @ cell[0], steps @ torch.linalg.inv(cell[0]).mT
    size = dual.norm(dim=1)
    radius = 2 * size[size > 0].pow(-12).sum().pow(1 / 12)
    weight = (1 - (vectors.norm(dim=1, keepdim=True) / radius) ** 2).clamp(min=0) ** 10
    slow = (weight * vectors)[(weight * vectors).norm(dim=1) > 1e-6]
    fast, _ = lattice_vectors(cell, PBC)
    assert distance(fast[fast.norm(dim=1) > 1e-6], slow) < 1e-8


def test_moments_are_smooth_and_have_the_gradient_of_finite_differences():
    def moment(cell):
        vectors, _ = lattice_vectors(cell, PBC)
        return vectors.mT @ vectors

    cell = torch.tensor(CELLS["hcp"])[None].requires_grad_()
    assert torch.autograd.gradcheck(moment, cell, atol=1e-4, rtol=1e-4)
    # Along a shear of one whole vector, which leads to the same lattice.
    ends = [CELLS["triclinic"] + t * np.array([[0, 0, 0], CELLS["triclinic"][0], [0, 0, 0]]) for t in (0, 1)]
    path = [torch.tensor(ends[0] + t * (ends[1] - ends[0]))[None] for t in np.linspace(0, 1, 201)]
    values = torch.stack([moment(one) for one in path])
    torch.testing.assert_close(values[0], values[-1])
    step = values.diff(dim=0).norm(dim=(1, 2))
    assert step.sum() > 1e-2 * values[0].norm()
    assert values.diff(n=2, dim=0).norm(dim=(1, 2)).max() < 0.1 * step.max()  # no step is a jump


def test_slabs_have_vectors_in_their_plane_and_molecules_none():
    cell, pbc = torch.tensor([CELLS["hcp"]] * 3), torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1]]) > 0
    vectors, owner = lattice_vectors(cell, pbc)
    assert owner.unique().tolist() == [0, 2]
    plane = torch.linalg.cross(cell[0, 0], cell[0, 2])
    assert (vectors[owner == 0] @ plane).abs().max() < 1e-12
    assert lattice_vectors(cell, torch.zeros(3, 3) > 0)[0].shape == (0, 3)


def test_a_reduced_basis_is_one_and_short():
    for name, basis in itertools.product(CELLS, OTHER_BASES):
        cell = basis @ CELLS[name]
        whole = reduced_basis(cell)
        assert abs(np.linalg.det(whole)) == pytest.approx(1)
        assert (whole == np.rint(whole)).all()
        lengths = np.linalg.norm(whole @ cell, axis=1)
        shortest = np.sort(np.linalg.norm(CELLS[name], axis=1))
        assert (np.sort(lengths) <= shortest * (1 + 1e-9)).all()


def test_flat_and_overlong_cells_are_named():
    flat = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [1, 1, 0]]]).double()
    with pytest.raises(ValueError, match=r"cell: expected independent vectors .* in graph 0"):
        lattice_vectors(flat, PBC)
    with pytest.raises(ValueError, match=r"cell: expected a lattice of fewer than 100000 short vectors"):
        lattice_vectors(torch.diag(torch.tensor([1.0, 1, 1e4])).double()[None], PBC)
