"""The calculator in ASE's optimizers and dynamics."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, fcc111, molecule
from ase.calculators.calculator import CalculationFailed, CalculatorSetupError, PropertyNotImplementedError
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from torch import nn

from fa_pyg import PCAFrame, WeightedPCAFrame
from fa_pyg.ase import FACalculator
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.models import FAENet, Potential


class Springs(nn.Module):
    """Bonds of length 1.2 between all atoms, unequal along the axes: not invariant unless it is framed."""

    def __init__(self):
        super().__init__()
        self.register_buffer("stiff", torch.tensor([3.0, 3.5, 4.0]))

    def forward(self, z, pos, edge_index, batch, num_graphs):
        r = pos[edge_index[0]] - pos[edge_index[1]]
        d = (r.square() * self.stiff / 3).sum(1).sqrt()
        energy = 5 * (d - 1.2).square()
        return scatter_sum(energy, batch[edge_index[0]], num_graphs)


def springs():
    return Potential(Springs(), WeightedPCAFrame("E(3)"), cutoff=10.0)


@pytest.fixture
def water():
    atoms = molecule("H2O")
    atoms.rattle(0.1, seed=1)
    atoms.calc = FACalculator(springs(), dtype="float64")
    return atoms


def test_forces_are_the_derivative(water):
    analytic = water.get_forces()
    numeric = np.zeros((3, 3))
    for i in range(3):
        for a in range(3):
            for sign in (1, -1):
                moved = water.copy()
                moved.calc = water.calc
                moved.positions[i, a] += sign * 1e-4
                numeric[i, a] -= sign * moved.get_potential_energy() / 2e-4
    assert np.abs(analytic - numeric).max() < 1e-5


def test_geometry_optimization_ends_without_forces(water):
    before = water.get_potential_energy()
    assert BFGS(water, logfile=None).run(fmax=1e-3, steps=100)
    assert water.get_potential_energy() < before


def test_nve_dynamics_conserve_energy(water):
    water.set_momenta(np.random.default_rng(0).normal(size=(3, 3)) * 0.3)
    start = water.get_total_energy()
    moved = []

    def look():
        moved.append((water.get_total_energy(), water.get_potential_energy()))

    dynamics = VelocityVerlet(water, timestep=0.2 * units.fs)
    dynamics.attach(look)
    dynamics.run(40)
    total, potential = np.array(moved).T
    assert np.ptp(potential) > 0.05  # something happened
    assert np.abs(total - start).max() < 0.02 * np.ptp(potential)


def test_a_trained_run_serves_by_its_folder(tmp_path):
    with pytest.raises(ValueError, match="found no such file"):
        FACalculator(tmp_path / "best.ckpt")


def test_stress_of_crystals_and_of_nothing_else():
    torch.manual_seed(0)
    net = Potential(
        FAENet(hidden_channels=8, num_layers=1, num_radial=4, cutoff=4.0), WeightedPCAFrame("SE(3)")
    )
    salt = bulk("NaCl", "rocksalt", a=5.6)
    salt.calc = FACalculator(net, dtype="float64")
    salt.rattle(0.05, seed=0)
    stress, volume = salt.get_stress(voigt=False), salt.get_volume()
    strain = 1e-4 * np.array([[1, 0.5, 0], [0.5, -1, 0.2], [0, 0.2, 0.3]])
    energies = []
    for sign in (1, -1):
        moved = salt.copy()
        moved.calc = salt.calc
        moved.set_cell(salt.cell.array @ (np.eye(3) + sign * strain), scale_atoms=True)
        energies.append(moved.get_potential_energy())
    assert (energies[0] - energies[1]) / 2 == pytest.approx((stress * strain).sum() * volume, rel=1e-4)
    atoms = molecule("H2O")
    atoms.calc = FACalculator(net)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_the_model_that_is_given_stays_what_it_is():
    model = springs().double().train()
    FACalculator(model, dtype="float32")
    assert model.network.model.stiff.dtype == torch.float64
    assert model.training


def test_another_frame_than_that_of_the_training():
    """A copy of the model is evaluated in it; the model that is given keeps its own."""
    atoms, found = molecule("CH3OH"), {}
    model = fae("fast").eval()
    for name, frame in (("own", None), ("plain", PCAFrame("E(3)")), ("smooth", "dynamics")):
        atoms.calc = FACalculator(model, dtype="float64", frame=frame)
        found[name] = atoms.get_potential_energy(), atoms.get_forces()
    assert len({energy for energy, _ in found.values()}) == 3
    plain = Potential(model.network.model, PCAFrame("E(3)")).double().eval()
    atoms.calc = FACalculator(plain, dtype="float64")
    assert atoms.get_potential_energy() == found["plain"][0]
    assert (atoms.get_forces() == found["plain"][1]).all()
    assert isinstance(model.network.frame, WeightedPCAFrame)


@pytest.mark.parametrize("takes", [True, False])
def test_frames_of_a_small_molecule_share_a_call_where_they_can(takes, water):
    """And say what they say one by one."""
    calls = []

    class Counted(Springs):
        def forward(self, z, pos, edge_index, batch, num_graphs):
            calls.append(len(z))
            return super().forward(z, pos, edge_index, batch, num_graphs)

    class Alone(Counted):
        def forward(self, z, pos, edge_index):
            return super().forward(z, pos, edge_index, torch.zeros_like(z), 1)

    model = Potential((Counted if takes else Alone)(), PCAFrame("E(3)"), cutoff=10.0)
    water.calc = FACalculator(model, dtype="float64")
    together = water.get_forces()
    assert calls == ([24] if takes else [3] * 8)
    z, pos = torch.tensor(water.numbers), torch.tensor(water.positions)
    model.share_calls(1)
    alone = model.double().eval()(z, pos, torch.zeros_like(z))["forces"]
    assert len(calls) == (9 if takes else 16)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "frame", "message"),
    [
        (lambda: fae(), PCAFrame("SE(3)"), r"frame: expected one of E\(3\), the group of the model"),
        (lambda: fae(), "smooth", "smoothness: expected"),
        (
            lambda: Potential(FAENet(hidden_channels=8, num_layers=1)),
            "forces",
            "frame: expected None for a model without",
        ),
    ],
)
def test_frames_that_do_not_fit_the_model_are_refused(model, frame, message):
    with pytest.raises(ValueError, match=message):
        FACalculator(model(), frame=frame)


def test_unseen_elements_are_refused(water):
    model = springs()
    model.fit_units(torch.tensor([1, 8]), torch.tensor([0, 0]), {"energy": torch.tensor([1.0])})
    atoms = molecule("CH4")
    atoms.calc = FACalculator(model)
    with pytest.raises(ValueError, match=r"expected elements of the training set, found \[6\]"):
        atoms.get_potential_energy()


def fae(smoothness="forces"):
    torch.manual_seed(0)
    frame = WeightedPCAFrame("E(3)", smoothness=smoothness)
    return Potential(FAENet(hidden_channels=8, num_layers=1, num_radial=4, cutoff=4.0), frame)


def bad(numbers=(8, 1), positions=((0.0, 0, 0), (0, 0, 1.0)), **kwargs):
    return Atoms(numbers=numbers, positions=np.array(positions), **kwargs)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms(), "atoms: expected at least one atom, found an empty Atoms"),
        (Atoms(cell=[4, 4, 4], pbc=True), "atoms: expected at least one atom"),
        (bad(positions=((0, 0, 0), (0, np.nan, 1))), "pos: expected finite numbers, found .* of atom 1"),
        (bad(positions=((0, 0, np.inf), (0, 0, 1))), "pos: expected finite numbers, found .* of atom 0"),
        (bad(numbers=(8, 0)), "z: expected atomic numbers from 1 to 118, found 0 of atom 1"),
        (bad(numbers=(200, 1)), "z: expected atomic numbers from 1 to 118, found 200 of atom 0"),
        (bad(pbc=True), "cell: expected independent vectors in all periodic directions"),
        (bad(pbc=True, cell=[4, 4, np.nan]), "cell: expected finite vectors"),
        (bad(pbc=True, cell=[4, 4, 0.0]), "cell: expected independent vectors"),
        (bad(pbc=True, cell=[0.1, 0.1, 0.1]), "cell: expected at most 2000 neighbors of an atom"),
        (bad(pbc=[True, False, False], cell=[4, 0, 0]), "cell: expected at least two periodic directions"),
    ],
)
def test_atoms_that_nothing_can_be_said_of(atoms, message):
    """Also after good ones, and again and again: nothing of these is returned."""
    calculator = FACalculator(fae())
    good = molecule("H2O")
    good.calc = atoms.calc = calculator
    good.get_potential_energy()
    for error in (ValueError, CalculatorSetupError):
        for ask in (atoms.get_potential_energy, atoms.get_forces):
            with pytest.raises(error, match=message):
                ask()
    assert np.isfinite(good.get_potential_energy())


def test_a_calculator_without_atoms_says_so():
    with pytest.raises(CalculatorSetupError, match="atoms: expected at least one atom, found none"):
        FACalculator(fae()).calculate()


def test_one_calculator_for_crystals_slabs_molecules_and_atoms():
    """Each is what its own calculator says, whatever came before."""
    calculator, model = FACalculator(fae(), dtype="float64"), fae()
    systems = [bulk("Cu"), molecule("H2O"), fcc111("Cu", (1, 1, 2), vacuum=4.0), Atoms("Cu"), bulk("Cu")]
    for atoms in systems:
        atoms.calc = calculator
        other = atoms.copy()
        other.calc = FACalculator(model, dtype="float64")
        assert atoms.get_potential_energy() == other.get_potential_energy()
        assert np.abs(atoms.get_forces() - other.get_forces()).max() == 0
    assert not systems[3].get_forces().any()


def test_a_folder_above_a_run_is_told(tmp_path):
    (tmp_path / "xyz_folder" / "version_3").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"is a folder above runs: .*xyz_folder/version_3"):
        FACalculator(tmp_path / "xyz_folder")


def test_results_that_are_not_finite_are_an_error_and_are_not_kept(water):
    water.get_potential_energy()
    for stiff in water.calc.model.buffers():
        stiff.fill_(torch.nan)
    water.rattle(0.1, seed=2)
    for _ in range(2):
        with pytest.raises(CalculationFailed, match=r"energy.* forces.*: expected finite numbers"):
            water.get_forces()
    assert water.calc.results == {}
