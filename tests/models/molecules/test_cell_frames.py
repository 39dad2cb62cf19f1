"""What frames of crystals depend on: turned, written in another basis, repeated, strained, wrapped."""

import copy

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111

from fa_pyg import PolarFrame, WeightedPCAFrame
from fa_pyg.models import (
    CellFrame,
    CellVectors,
    FAENet,
    LabeledCell,
    LatticeVectors,
    NeighborVectors,
    Potential,
)
from fa_pyg.testing.probe import EdgeProbe

KINDS = {"labeled": LabeledCell, "lattice": LatticeVectors, "neighbors": NeighborVectors, "cell": CellVectors}
SHEAR = np.array([[1, 1, 0], [0, 1, 0], [-2, 0, 1]])


def potential(kind, group="E(3)", seed=0):
    reads = KINDS[kind]() if isinstance(kind, str) else kind
    frame = WeightedPCAFrame(group) if group else None
    return Potential(EdgeProbe(seed=seed), frame, cell_frame=reads).eval()


def crystal(kind="triclinic"):
    if kind == "triclinic":
        cell = [[4.0, 0.3, 0.1], [0.9, 3.6, -0.2], [-0.5, 1.1, 4.3]]
        inside = np.random.default_rng(0).random((3, 3))
        return Atoms("SiOCu", scaled_positions=inside, cell=cell, pbc=True)
    if kind == "slab":
        return fcc111("Cu", (1, 1, 2), vacuum=5.0)
    return bulk("NaCl", "rocksalt", a=5.64) if kind == "NaCl" else bulk("Mg")


def run(model, atoms, stress=False):
    return model(
        torch.tensor(atoms.numbers), torch.tensor(atoms.positions), cell=torch.tensor(atoms.cell.array)[None],
        pbc=torch.tensor(atoms.pbc)[None], stress=stress,
    )  # fmt: skip


def per_atom(model, atoms):
    return run(model, atoms)["energy"].item() / len(atoms)


def rewritten(atoms, basis):
    other = atoms.copy()
    other.set_cell(basis @ atoms.cell.array, scale_atoms=False)
    return other


def turned(atoms, q):
    other = atoms.copy()
    other.set_cell(atoms.cell.array @ q.T, scale_atoms=False)
    other.positions = atoms.positions @ q.T
    return other


def rotation(determinant=1):
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    return q * np.linalg.det(q) * determinant


# ------------------------------------------------------------------------------ what holds for all


@pytest.mark.parametrize("kind", ["triclinic", "NaCl", "hcp", "slab"])
@pytest.mark.parametrize("reads", KINDS)
@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
def test_crystals_turn_and_wrapping_changes_nothing(group, reads, kind):
    atoms, model = crystal(kind), potential(reads, group)
    q = rotation(-1 if group == "E(3)" else 1)
    one, other = run(model, atoms, stress=True), run(model, turned(atoms, q), stress=True)
    q = torch.tensor(q)
    torch.testing.assert_close(other["energy"], one["energy"], rtol=0, atol=1e-10)
    torch.testing.assert_close(other["forces"], one["forces"] @ q.T, rtol=0, atol=1e-9)
    torch.testing.assert_close(other["stress"], q @ one["stress"] @ q.T, rtol=0, atol=1e-9)
    shifted = atoms.copy()
    shifted.positions[0] += atoms.cell.array[0] - 2 * atoms.cell.array[1]
    assert per_atom(model, shifted) == pytest.approx(per_atom(model, atoms), abs=1e-11)
    bare = potential(None, None)
    assert abs(per_atom(bare, turned(atoms, q.numpy())) - per_atom(bare, atoms)) > 1e-5


@pytest.mark.parametrize("reads", KINDS)
def test_left_handed_cells_turn(reads):
    atoms, model = rewritten(crystal(), np.diag([1, 1, -1])), potential(reads, "SE(3)")
    assert np.linalg.det(atoms.cell.array) < 0
    assert per_atom(model, turned(atoms, rotation())) == pytest.approx(per_atom(model, atoms), abs=1e-11)


@pytest.mark.parametrize("reads", KINDS)
def test_forces_and_stress_are_derivatives_of_the_energy(reads):
    atoms, model, h = crystal(), potential(reads), 1e-4
    out, rng = run(model, atoms, stress=True), np.random.default_rng(2)
    move, strain = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    strain = 0.1 * (strain + strain.T)
    values = []
    for step in (h, -h):
        other = atoms.copy()
        grow = np.eye(3) + step * strain
        other.set_cell(atoms.cell.array @ grow, scale_atoms=False)
        other.positions = (atoms.positions + step * move) @ grow
        values.append(run(model, other)["energy"].item())
    work = (
        -(out["forces"].numpy() * move).sum() + atoms.get_volume() * (out["stress"][0].numpy() * strain).sum()
    )
    assert (values[0] - values[1]) / (2 * h) == pytest.approx(work, rel=1e-5, abs=1e-8)
    assert abs(work) > 1e-3


# ------------------------------------------------------------------------------ what differs


@pytest.mark.parametrize(("reads", "holds"), [
    ("labeled", {"repeated"}),
    ("lattice", {"doubled", "sheared", "reversed", "swapped"}),
    ("neighbors", {"repeated", "doubled", "sheared", "reversed", "swapped"}),
    ("cell", {"doubled", "reversed", "swapped"}),
])  # fmt: skip
def test_which_other_cells_of_a_crystal_have_its_energy(reads, holds):
    """A table of docs/benchmarks/molecules.md. Uniform repetition is a repetition."""
    atoms, model = crystal(), potential(reads)
    others = {
        "repeated": atoms * (2, 1, 3),
        "doubled": atoms * (2, 2, 2),
        "sheared": rewritten(atoms, SHEAR),
        "reversed": rewritten(atoms, np.diag([1, -1, 1])),
        "swapped": rewritten(atoms, np.eye(3)[[1, 0, 2]]),
    }
    holds = holds | ({"doubled"} if "repeated" in holds else set())
    start = per_atom(model, atoms)
    for name, other in others.items():
        assert (abs(per_atom(model, other) - start) < 1e-10) == (name in holds), name


@pytest.mark.parametrize("reads", KINDS)
def test_a_perfect_crystal_has_no_forces_and_no_shear_but_of_a_labeled_cell(reads):
    out = run(potential(reads), crystal("NaCl"), stress=True)
    stress = out["stress"][0] - out["stress"][0].trace() / 3 * torch.eye(3)
    wrong = max(out["forces"].abs().max(), stress.abs().max()).item()
    # Two of the cell's vectors and their reverse know fewer symmetries than the crystal.
    assert (wrong < 1e-8) == (reads in ("lattice", "neighbors"))


def test_a_labeled_cell_takes_one_run_and_is_smooth_through_the_cube():
    model, seen = potential("labeled"), []
    model.network.model.register_forward_hook(
        lambda module, args, given, out: seen.append(given["num_graphs"]), with_kwargs=True
    )
    cube, second = bulk("NaCl", "rocksalt", a=5.64, cubic=True), []
    for pieces in (8, 16):
        energies = []
        for t in np.linspace(-1, 1, pieces + 1):
            other = cube.copy()
            other.set_cell(cube.cell.array @ np.diag([1, 1, 1 + 0.03 * t]), scale_atoms=True)
            energies.append(per_atom(model, turned(other, rotation())))
        second.append(np.abs(np.diff(energies, 2)).max())
    assert set(seen) == {1}
    assert second[0] / second[1] == pytest.approx(4, rel=0.3)


def test_wires_have_neighbors():
    wire = Atoms("CuOCu", [[0, 0, 0], [0.4, 1.5, 0.2], [1.1, 0.1, 1.4]], cell=[3.1, 0, 0], pbc=[1, 0, 0])
    model, q = potential("neighbors"), rotation(-1)
    assert per_atom(model, turned(wire, q)) == pytest.approx(per_atom(model, wire), abs=1e-11)
    assert per_atom(model, wire * (3, 1, 1)) == pytest.approx(per_atom(model, wire), abs=1e-11)
    for reads in ("labeled", "lattice", "cell"):
        with pytest.raises(ValueError, match="cell: expected at least two periodic directions"):
            run(potential(reads), wire)


def test_crystals_without_neighbors_are_atoms_alone():
    far = Atoms("CuO", [[0, 0, 0], [5, 5, 5]], cell=[10, 10, 10], pbc=True)
    energies = {round(per_atom(potential(reads), far), 12) for reads in KINDS}
    assert len(energies) == 1


# ------------------------------------------------------------------------------ models of before


@pytest.mark.parametrize("signed", [False, True])
def test_signed_cell_is_deprecated_and_does_what_it_did(signed):
    torch.manual_seed(0)
    net = FAENet(hidden_channels=8, num_layers=1, num_radial=4, cutoff=3.4).double()
    with pytest.warns(DeprecationWarning, match=f"signed_cell={signed} is deprecated"):
        old = Potential(copy.deepcopy(net), WeightedPCAFrame("E(3)"), signed_cell=signed).eval()
    new = Potential(net, WeightedPCAFrame("E(3)"), cell_frame=CellVectors(signed=signed)).eval()
    assert per_atom(old, crystal()) == per_atom(new, crystal())
    assert isinstance(Potential(net, WeightedPCAFrame("E(3)")).cell_frame, LatticeVectors)
    state = old.state_dict()
    del state["stress_scale"]  # of a checkpoint of before
    new.load_state_dict(state)
    with pytest.raises(ValueError, match="signed_cell: expected None beside a cell_frame, found True"):
        Potential(net, WeightedPCAFrame("E(3)"), cell_frame=LabeledCell(), signed_cell=True)


def test_a_frame_of_cells_alone():
    model = potential(LabeledCell(PolarFrame("SE(3)")), "E(3)")
    assert model.cell_frame.of_cells(None).group == PolarFrame("SE(3)").group
    with pytest.raises(ValueError, match="cell_frame: expected what frames of cells read"):
        potential(PolarFrame("E(3)"))
    with pytest.raises(ValueError, match="cell_frame: expected None without a frame, found LabeledCell"):
        potential("labeled", None)
    with pytest.raises(NotImplementedError):
        CellFrame().read(None)
