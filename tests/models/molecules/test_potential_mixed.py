"""Crystals, slabs, molecules and atoms alone in one batch, and what a potential refuses."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from torch import nn

from fa_pyg import PCAFrame, WeightedPCAFrame
from fa_pyg.models import FAENet, NequIP, Potential

HEADS = {"energy": "scalar", "gap": "mean", "dipole": "vector", "alpha": "tensor"}
HEADS |= {"charges": "node scalar", "push": "node vector"}
FRAMES = [WeightedPCAFrame("E(3)"), WeightedPCAFrame("SE(3)"), PCAFrame("E(3)"), None]


def potential(frame=FRAMES[0], heads=None, **kwargs):
    net = FAENet(hidden_channels=8, num_layers=2, num_radial=4, cutoff=3.5, heads=heads)
    return Potential(net.double(), frame, **kwargs).eval()


def systems():
    wire = Atoms("Cu2", [[0, 0, 0], [1.3, 0.4, 0.1]], cell=[2.5, 0, 0], pbc=[True, False, False])
    slab = fcc111("Cu", (1, 1, 3), vacuum=6.0)
    flat = slab.copy()
    flat.cell[2] = 0  # a slab may have no height
    found = [bulk("Cu"), molecule("H2O"), slab, Atoms("Cu"), bulk("NaCl", "rocksalt", a=5.6), flat]
    found += [Atoms("O", [[5.0, 5, 5]]), molecule("CH4"), Atoms("H", cell=[9, 9, 9]), wire]
    for atoms in found:
        atoms.rattle(0.05, seed=len(atoms))
    return found


def batch_of(atoms):
    sizes = torch.tensor([len(one) for one in atoms])
    return {
        "z": torch.cat([torch.tensor(one.numbers) for one in atoms]),
        "pos": torch.cat([torch.tensor(one.positions) for one in atoms]),
        "batch": torch.arange(len(atoms)).repeat_interleave(sizes),
        "cell": torch.stack([torch.tensor(one.cell.array) for one in atoms]),
        "pbc": torch.stack([torch.tensor(one.pbc) for one in atoms]),
    }


def mixture(wires=False):
    """Wires have no frame."""
    return [one for one in systems() if wires or one.pbc.sum() != 1]


# ------------------------------------------------------------------------------ mixed batches


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_a_mixed_batch_says_of_each_system_what_it_says_of_it_alone(frame):
    model, atoms = potential(frame, HEADS), mixture(wires=frame is None)
    together = model(**batch_of(atoms), stress=True)
    for order in (range(len(atoms)), range(len(atoms))[::-1]):  # a second batch, the other way round
        given = [atoms[k] for k in order]
        together, first = model(**batch_of(given), stress=True), 0
        for k, one in enumerate(given):
            single = batch_of([one])
            has_volume = one.pbc.any() and abs(one.cell.volume) > 0
            alone = model(**single, stress=bool(has_volume))
            for name, value in alone.items():
                is_atomic = name in ("forces", "charges", "push")
                rows = slice(first, first + len(one)) if is_atomic else slice(k, k + 1)
                torch.testing.assert_close(together[name][rows], value, rtol=0, atol=1e-12, msg=name)
            assert together["stress"][k].isnan().all() == (not has_volume)
            if not one.pbc.any():  # the same without cell and pbc
                bare = model(single["z"], single["pos"])
                torch.testing.assert_close(bare["energy"], alone["energy"], rtol=1e-14, atol=1e-14)
            first += len(one)
    assert together["forces"].abs().max() > 1e-4  # something is predicted


def test_atoms_in_any_order_and_graphs_of_nothing():
    model, given = potential(), batch_of(mixture())
    mix = torch.randperm(len(given["z"]))
    mixed = given | {name: given[name][mix] for name in ("z", "pos", "batch")}
    one, other = model(**given, stress=True), model(**mixed, stress=True)
    torch.testing.assert_close(other["energy"], one["energy"], rtol=0, atol=1e-12)
    torch.testing.assert_close(other["forces"], one["forces"][mix], rtol=0, atol=1e-12)
    torch.testing.assert_close(other["stress"], one["stress"], rtol=0, atol=1e-12, equal_nan=True)
    more = {name: torch.cat([given[name], given[name][1:2]]) for name in ("cell", "pbc")}
    again = model(**given | more, num_graphs=len(given["cell"]) + 1)
    torch.testing.assert_close(again["energy"][:-1], one["energy"], rtol=0, atol=1e-12)
    assert again["energy"][-1] == 0


def test_forces_and_stress_of_a_mixed_batch_are_derivatives():
    model, given, h = potential(), batch_of(mixture()), 1e-4
    out = model(**given, stress=True)
    move, strain = torch.randn(len(given["z"]), 3).double(), torch.randn(len(given["cell"]), 3, 3).double()
    strain = 0.1 * (strain + strain.mT) * given["pbc"].any(1).view(-1, 1, 1)

    def energy(k):
        grow = torch.eye(3).double() + k * h * strain
        pos = ((given["pos"] + k * h * move).unsqueeze(1) @ grow[given["batch"]]).squeeze(1)
        return model(**given | {"pos": pos, "cell": given["cell"] @ grow})["energy"]

    slope = (8 * (energy(1) - energy(-1)) - (energy(2) - energy(-2))) / (12 * h)
    work = torch.zeros(len(slope)).double().index_add(0, given["batch"], (out["forces"] * move).sum(1))
    volume = torch.linalg.det(given["cell"]).abs()
    is_solid = volume > 0
    expected = (out["stress"] * strain).sum((1, 2))[is_solid] * volume[is_solid] - work[is_solid]
    is_molecule = ~given["pbc"].any(1)
    torch.testing.assert_close(
        slope[is_solid & ~is_molecule], expected[~is_molecule[is_solid]], rtol=1e-6, atol=1e-9
    )
    torch.testing.assert_close(slope[is_molecule], -work[is_molecule], rtol=1e-6, atol=1e-9)
    assert slope.abs().max() > 1e-3


def test_mixed_batches_turn_and_the_bare_network_does_not():
    q, _ = torch.linalg.qr(torch.randn(3, 3).double())
    given = batch_of(mixture())
    turned = given | {"pos": given["pos"] @ q.T, "cell": given["cell"] @ q.T}
    for frame, is_exact in ((FRAMES[0], True), (None, False)):
        model = potential(frame)
        one, other = model(**given, stress=True), model(**turned, stress=True)
        error = (one["energy"] - other["energy"]).abs().max()
        assert (error < 1e-9) == is_exact
        if is_exact:
            torch.testing.assert_close(other["forces"], one["forces"] @ q.T, rtol=0, atol=1e-9)
            expected = q @ one["stress"] @ q.T
            torch.testing.assert_close(other["stress"], expected, rtol=0, atol=1e-9, equal_nan=True)


def test_wires_need_a_network_without_a_frame():
    atoms = [one for one in systems() if one.pbc.sum() == 1]
    given = batch_of(mixture() + atoms)
    found = r"two periodic directions for a frame of the cell, found \[\[2.5, .* in graph 9"
    with pytest.raises(ValueError, match=found):
        potential()(**given)
    pytest.importorskip("e3nn", reason="e3nn is not installed")
    net = NequIP(hidden_channels=4, num_layers=1, num_radial=4, radial=8, elements=3, cutoff=3.5).double()
    model = Potential(net).eval()
    wire = batch_of(atoms)
    double = batch_of([atoms[0].repeat((2, 1, 1))])
    torch.testing.assert_close(model(**double)["energy"], 2 * model(**wire)["energy"], rtol=0, atol=1e-12)


def test_the_hand_of_a_cell_changes_nothing():
    given = batch_of([bulk("NaCl", "rocksalt", a=5.6)])
    given["pos"] = given["pos"] + torch.tensor([[0.1, 0.2, 0], [0, 0, 0.3]])
    left = given | {"cell": given["cell"][:, [1, 0, 2]]}
    assert torch.linalg.det(given["cell"]) * torch.linalg.det(left["cell"]) < 0
    for group in ("E(3)", "SE(3)"):
        model = potential(WeightedPCAFrame(group))
        one, other = model(**given, stress=True), model(**left, stress=True)
        for name in one:
            torch.testing.assert_close(other[name], one[name], rtol=0, atol=1e-10)


# ------------------------------------------------------------------------------ atoms alone


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_atoms_alone_train(frame):
    """No edges, frames of one node: no forces, and finite gradients of the weights."""
    for weight in (0.0, 1.0):  # of the energy in the loss
        model = potential(frame, HEADS).train()
        out = model(torch.tensor([29, 8, 1]), torch.randn(3, 3).double(), torch.arange(3))
        assert not out["forces"].any()
        assert out["energy"].unique().numel() == 3
        (weight * out["energy"].square().sum() + out["forces"].square().sum()).backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        assert all(grad.isfinite().all() for grad in grads)
        assert any(grad.any() for grad in grads) == (weight > 0)


@pytest.mark.parametrize("frame", [FRAMES[0], None], ids=str)
def test_gradients_of_a_mixed_batch_are_the_sum_of_those_of_its_systems(frame):
    model, atoms = potential(frame).train(), mixture()

    def gradient(some):
        model.zero_grad()
        out = model(**batch_of(some))
        (out["energy"].square().sum() + out["forces"].square().sum()).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    together, parts = gradient(atoms), sum(gradient([one]) for one in atoms)
    assert together.isfinite().all()
    torch.testing.assert_close(together, parts, rtol=1e-9, atol=1e-9)


def test_energies_of_atoms_are_what_references_are_made_of():
    """With every element alone in the data they are its energies, to the last digit."""
    model, atoms = potential(), [Atoms("Cu"), Atoms("O"), Atoms("H"), molecule("H2O")]
    given, energy = batch_of(atoms), [-1000.123456789, -2000.25, -13.6, -2027.45]
    energy = torch.tensor(energy, dtype=torch.float64)
    model.fit_units(given["z"], given["batch"], {"energy": energy})
    table = model.references["energy"].table
    torch.testing.assert_close(table[[29, 8, 1]], energy[:3], rtol=0, atol=1e-9)


# ------------------------------------------------------------------------------ what is refused

ATOMS = [bulk("Cu"), molecule("H2O")]
CELL, PBC = torch.eye(3).expand(2, 3, 3) * 4, torch.tensor([[True] * 3, [False] * 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": None}, r"cell: expected real numbers \[2, 3, 3\] for pbc, found None"),
        ({"pbc": None}, "pbc: expected the periodic directions of cell, found None"),
        ({"cell": None, "pbc": True}, r"pbc: expected bool \[2, 3\], found bool True"),
        ({"pbc": PBC[0]}, r"pbc: expected bool \[2, 3\], found torch.bool \[3\]"),
        ({"pbc": PBC[:1]}, r"pbc: expected bool \[2, 3\], found torch.bool \[1, 3\]"),
        ({"pbc": PBC.long()}, r"pbc: expected bool \[2, 3\], found torch.int64"),
        ({"cell": CELL[0]}, r"cell: expected real numbers \[2, 3, 3\], found torch.float32 \[3, 3\]"),
        ({"cell": CELL[:1]}, r"cell: expected real numbers \[2, 3, 3\], found torch.float32 \[1, 3, 3\]"),
        ({"cell": CELL.flatten(1)}, "cell: expected real numbers"),
        ({"cell": CELL.long()}, "cell: expected real numbers"),
        ({"cell": CELL + 0j}, "cell: expected real numbers"),
        ({"cell": [[4.0] * 3] * 3}, "cell: expected real numbers"),
        ({"cell": CELL * 0}, "independent vectors in all periodic directions, .* in graph 0"),
        ({"cell": CELL * math.nan}, r"cell: expected finite vectors, found .* in graph 0"),
        ({"cell": CELL * torch.tensor([1, math.inf]).view(2, 1, 1)}, "finite vectors, found .* in graph 1"),
        (
            {"z": torch.tensor([29, 200, 1, 1])},
            "z: expected atomic numbers from 1 to 118, found 200 of atom 1",
        ),
        ({"z": torch.tensor([29, 8, 0, 1])}, "z: expected atomic numbers from 1 to 118, found 0 of atom 2"),
        ({"z": torch.tensor([29, 8, -1, 1])}, "z: expected atomic numbers from 1 to 118, found -1 of atom 2"),
        (
            {"z": torch.tensor([29.0, 8, 1, 1])},
            "z: expected atomic numbers .int64., found|z: expected.*float32",
        ),
        ({"z": torch.ones(4) > 0}, r"z: expected atomic numbers \(int64\) \[N\], found torch.bool"),
        ({"z": torch.ones(4, 1).long()}, r"z: expected atomic numbers .* found torch.int64 \[4, 1\]"),
        ({"z": [29, 8, 1, 1]}, "z: expected atomic numbers .* found list"),
        ({"z": torch.tensor([29, 8, 1])}, r"pos: expected real numbers \[3, 3\]"),
        ({"pos": torch.zeros(4, 2)}, r"pos: expected real numbers \[4, 3\].* found torch.float32 \[4, 2\]"),
        ({"pos": torch.zeros(4, 3).long()}, "pos: expected real numbers .* found torch.int64"),
        ({"pos": torch.zeros(4, 3) + 1j}, "pos: expected real numbers .* found torch.complex64"),
        ({"pos": torch.full((4, 3), math.nan)}, "pos: expected finite numbers, found .* of atom 0"),
        ({"pos": torch.eye(4, 3) / 0}, "pos: expected finite numbers"),
        ({"batch": torch.tensor([0, 1, 1])}, r"batch: expected graph numbers \(int64\) \[4\], found .*\[3\]"),
        ({"batch": torch.zeros(4)}, "batch: expected graph numbers .* found torch.float32"),
        ({"batch": torch.tensor([0, -1, 1, 1])}, "batch: expected graph numbers from 0 to 1, found -1 to 1"),
        (
            {"batch": torch.tensor([0, 1, 1, 10**12])},
            "batch: expected 0 to 1000004 graphs of 4 atoms, found 10",
        ),
        ({"batch": None}, r"pbc: expected bool \[1, 3\]"),
        ({"batch": None, "num_graphs": 2}, "num_graphs: expected 1 without batch, found 2"),
        ({"num_graphs": 1}, "batch: expected graph numbers from 0 to 0, found 0 to 1"),
        ({"num_graphs": -1}, "num_graphs: expected 0 to 1000004 graphs of 4 atoms, found -1"),
        ({"num_graphs": 10**12}, "num_graphs: expected 0 to 1000004 graphs"),
        ({"num_graphs": 2.0}, "num_graphs: expected a whole number or None, found 2.0"),
        ({"num_graphs": True}, "num_graphs: expected a whole number or None, found True"),
        ({"num_graphs": 3}, r"pbc: expected bool \[3, 3\], found torch.bool \[2, 3\]"),
    ],
    ids=str,
)
@pytest.mark.parametrize("frame", [FRAMES[0], None], ids=["framed", "bare"])
def test_wrong_arguments_are_named(change, message, frame):
    given = batch_of(ATOMS)
    potential(frame)(**given)
    with pytest.raises(ValueError, match=message):
        potential(frame)(**given | change)


def test_stress_is_for_cells_with_a_volume():
    model = potential()
    for atoms in ([molecule("H2O")], [Atoms("Cu", cell=[9, 9, 9])]):
        with pytest.raises(ValueError, match="stress: expected periodic systems"):
            model(**batch_of(atoms), stress=True)
    flat = [one for one in mixture() if one.pbc.sum() == 2 and one.cell.volume == 0]
    assert flat
    with pytest.raises(ValueError, match="stress: expected a cell with a volume"):
        model(**batch_of([*flat, molecule("H2O")]), stress=True)


def test_molecules_in_a_box_and_without_one_are_the_same():
    """pbc decides, as in ASE: without, a cell is a box that nothing repeats."""
    model, given = potential(), batch_of([molecule("H2O")])
    boxed = given | {"cell": 5 * torch.eye(3)[None]}
    expected = model(given["z"], given["pos"])["energy"]
    assert torch.equal(model(**boxed)["energy"], expected)
    assert torch.equal(model(**boxed | {"cell": None})["energy"], expected)
    inside = boxed | {"pbc": torch.ones(1, 3) > 0, "cell": 2 * torch.eye(3)[None]}
    assert (model(**inside)["energy"] - expected).abs() > 1e-4


def test_outputs_that_are_no_heads_are_left_alone():
    """A network may return more than its heads, of any shape."""

    class More(FAENet):
        def forward(self, *args, **kwargs):
            return super().forward(*args, **kwargs) | {"layers": torch.zeros(7), "name": "more"}

    torch.manual_seed(0)
    more = More(hidden_channels=8, num_layers=1, heads={"energy": "scalar"}).double()
    torch.manual_seed(0)
    plain = FAENet(hidden_channels=8, num_layers=1, heads={"energy": "scalar"}).double()
    found, expected = (Potential(net).eval()(**batch_of(ATOMS)) for net in (more, plain))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_networks_without_vectors_are_for_molecules():
    class Sums(nn.Module):
        def forward(self, z, pos, batch, num_graphs):
            return torch.zeros(num_graphs).double().index_add(0, batch, pos.square().sum(1))

    model = Potential(Sums())
    for atoms in (ATOMS, ATOMS[:1]):
        with pytest.raises(ValueError, match="cell: expected a network that takes edge_vec"):
            model(**batch_of(atoms))
    assert model(**batch_of(ATOMS[1:]))["energy"].isfinite().all()


@pytest.mark.parametrize("size", [0.5, 0.3, 0.1, 1e-3])
def test_cells_of_another_unit_are_refused_at_once_with_their_graph(size):
    given = batch_of([molecule("H2O"), bulk("Cu"), bulk("Cu")])
    given["cell"][2] = size * torch.eye(3)
    message = r"cell: expected at most .* neighbors.* found about .* in graph 2 \(1 atoms"
    with pytest.raises(ValueError, match=message):
        Potential(FAENet(hidden_channels=8, num_layers=1), FRAMES[0])(**given)


def test_a_plate_with_a_short_side_is_a_wire_of_its_images():
    """Two neighbors left and right each, whatever is far away."""
    cell = torch.tensor([[[1e5, 0, 0], [0, 2.0, 0], [0, 0, 1e5]]]).double()
    z, pos, pbc = torch.tensor([6]), torch.zeros(1, 3).double(), torch.ones(1, 3) > 0
    model, line = potential(None), torch.tensor([[0, 2.0, 0], [0, -2.0, 0]]).double()
    found = model(z, pos, cell=cell, pbc=pbc)["energy"]
    expected = model.network(z, None, torch.zeros(2, 2).long(), None, line)
    torch.testing.assert_close(found, expected.double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_positions_of_half_precision_are_taken_as_they_are(dtype):
    model, given = potential(), batch_of(ATOMS)
    given["pos"] = given["pos"].to(dtype)
    half, single = model(**given, stress=True), model(**given | {"pos": given["pos"].float()}, stress=True)
    assert half["forces"].dtype == torch.float32
    for name, value in single.items():
        assert torch.equal(half[name].nan_to_num(7), value.nan_to_num(7))


@pytest.mark.parametrize("pbc", [True, False])
def test_crowds_are_refused_before_the_network_runs(pbc, monkeypatch):
    monkeypatch.setattr("fa_pyg.models.molecules.potential.MAX_NEIGHBORS", 20)
    atoms = Atoms("H24", np.full((24, 3), 2.0), cell=[60, 60, 60], pbc=pbc)
    message = "pos: expected at most 20 neighbors of an atom within the cutoff, found 23 of atom 3"
    with pytest.raises(ValueError, match=message):
        potential()(**batch_of([molecule("H2O"), atoms]))
    assert potential()(**batch_of([molecule("H2O"), atoms[:20]]))["energy"].isfinite().all()
