"""Energies and forces in units: derivatives through the frame, references, periodic cells."""

import copy

import pytest
import torch
from torch import nn

from fa_pyg import PCAFrame, Sample, WeightedPCAFrame
from fa_pyg.models import AtomicReference, FAENet, Potential
from fa_pyg.testing import assert_conservative


def potential(group="E(3)", smoothness="forces", **kwargs):
    net = FAENet(hidden_channels=16, num_layers=2, num_radial=8, cutoff=3.0, heads=kwargs.pop("heads", None))
    frame = WeightedPCAFrame(group, smoothness=smoothness) if group else None
    return Potential(net.double(), frame, **kwargs).eval()


def rotation(seed=1):
    generator = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    q = q * r.diagonal().sign()
    return q * torch.det(q)


def rattled(molecules):
    return molecules | {"pos": molecules["pos"] + 0.1 * torch.randn(8, 3).double()}


# ------------------------------------------------------------------------------ forces


@pytest.mark.parametrize("group", ["SE(3)", "E(3)"])
def test_forces_are_conservative(group, molecules):
    assert_conservative(potential(group), rattled(molecules), energy="energy", forces="forces", group=group)


def test_detached_frames_and_direct_forces_are_not_conservative(molecules):
    net = FAENet(
        hidden_channels=16, num_layers=2, heads={"energy": "scalar", "forces": "node vector"}
    ).double()
    direct = Potential(net, WeightedPCAFrame("SE(3)"), gradient=False).eval()
    detached = Potential(FAENet(hidden_channels=16).double(), WeightedPCAFrame("SE(3)", detach=True)).eval()
    for model in (direct, detached):
        with pytest.raises(AssertionError, match="not conservative"):
            assert_conservative(model, rattled(molecules), energy="energy", forces="forces", group="SE(3)")


@pytest.mark.parametrize("gradient", [True, False])
def test_everything_turns_with_symmetric_molecules_too(gradient, molecules):
    heads = {"energy": "scalar", "dipole": "vector", "quadrupole": "tensor"}
    heads |= {} if gradient else {"forces": "node vector"}
    model, q = potential(heads=heads, gradient=gradient), rotation()
    one = model(**molecules)
    other = model(**molecules | {"pos": molecules["pos"] @ q.T + 7})
    torch.testing.assert_close(other["energy"], one["energy"], rtol=0, atol=1e-9)
    for name in ("forces", "dipole"):
        torch.testing.assert_close(other[name], one[name] @ q.T, rtol=0, atol=1e-9)
    torch.testing.assert_close(other["quadrupole"], q @ one["quadrupole"] @ q.T, rtol=0, atol=1e-9)
    bare = potential(None, heads=heads, gradient=gradient)
    bare.network.load_state_dict(model.network.model.state_dict())
    shifted = bare(**molecules | {"pos": molecules["pos"] @ q.T})
    assert (shifted["energy"] - bare(**molecules)["energy"]).abs().max() > 1e-4


def test_training_on_forces_reaches_all_weights(molecules):
    model = potential().train()
    out = model(**rattled(molecules))
    (out["forces"].square().sum() + out["energy"].square().sum()).backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert missing == []  # the last bias has a gradient by the energy


def test_evaluation_works_without_gradients_and_keeps_no_graph(molecules):
    model = potential()
    with torch.no_grad():
        out = model(**molecules)
    assert not any(value.requires_grad for value in out.values())
    torch.testing.assert_close(out["forces"], model(**molecules)["forces"])
    assert not molecules["pos"].requires_grad


def test_an_atom_alone_has_an_energy_and_no_force():
    out = potential()(torch.tensor([6]), torch.zeros(1, 3).double())
    assert out["energy"].isfinite().all()
    assert out["forces"].tolist() == [[0, 0, 0]]


def test_a_network_that_is_called_with_positions_alone(molecules):
    class Pairs(nn.Module):
        def forward(self, z, pos, batch):
            energy = (z.unsqueeze(1) * pos.square()).sum(1)
            return torch.zeros(2).double().index_add(0, batch, energy).unsqueeze(1)

    out = Potential(Pairs())(**molecules)
    torch.testing.assert_close(out["forces"], -2 * molecules["z"].unsqueeze(1) * molecules["pos"])
    framed = Potential(Pairs(), Sample(PCAFrame("E(3)"), k=1))(**molecules)
    assert framed["energy"].shape == (2,)


# ------------------------------------------------------------------------------ units


def test_references_are_the_least_squares_fit_and_stay_float64():
    z = torch.tensor([6, 1, 1, 1, 1, 8, 1, 1, 8, 8])
    batch = torch.tensor([0] * 5 + [1] * 3 + [2] * 2)
    true = {1: -13.6, 6: -1029.1234567891, 8: -2041.9876543219}
    target = torch.zeros(3).double().index_add(0, batch, torch.tensor([true[k] for k in z.tolist()]).double())
    model = AtomicReference()
    assert model.fit(z, batch, target).abs().max() < 1e-9
    model = model.float().to(torch.float32)
    assert model.table.dtype == torch.float64
    torch.testing.assert_close(model(z, batch, 3), target, rtol=0, atol=1e-9)
    assert model.known.nonzero().squeeze(1).tolist() == [1, 6, 8]
    assert copy.deepcopy(model).half().table.dtype == torch.float64


def test_mean_references_do_not_grow_with_the_molecule():
    z, batch = torch.tensor([1, 1, 1, 1]), torch.tensor([0, 1, 1, 1])
    model = AtomicReference(reduce_mean=True)
    assert model.fit(z, batch, torch.tensor([5.0, 5.0])).abs().max() < 1e-12
    torch.testing.assert_close(model(z, batch, 2), torch.tensor([5.0, 5.0]).double())


def test_units_of_a_training_set(molecules):
    model = potential(heads={"energy": "scalar", "dipole": "vector"})
    before = model(**molecules)
    energy, dipole = torch.tensor([-1000.0, -2000.0]).double(), torch.tensor([[3.0, 0, 0], [0, 0, 3.0]])
    assert model.unknown_elements(torch.tensor([79])) == []
    targets = {"energy": energy, "forces": 2 * torch.ones(8, 3), "dipole": dipole}
    model.fit_units(molecules["z"], molecules["batch"], targets)
    after = model(**molecules)
    torch.testing.assert_close(after["energy"], energy + 2 * before["energy"])
    torch.testing.assert_close(after["forces"], 2 * before["forces"])
    torch.testing.assert_close(after["dipole"], before["dipole"] * 3**0.5)
    assert model.unknown_elements(torch.tensor([79, 1])) == [79]
    again = potential(heads={"energy": "scalar", "dipole": "vector"})
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again(**molecules)["energy"], after["energy"])


def test_forces_alone_give_their_scale_and_the_elements(molecules):
    model = potential()
    before = model(**molecules)["forces"]
    model.fit_units(molecules["z"], molecules["batch"], {"forces": 3 * torch.ones(8, 3)})
    torch.testing.assert_close(model(**molecules)["forces"], 3 * before)
    assert model.unknown_elements(torch.tensor([79, 1])) == [79]


def test_what_rounding_leaves_is_no_scale(molecules):
    model = potential()
    energy = torch.tensor([-1234567.891, -2345678.912], dtype=torch.float64)  # fitted by two elements
    model.fit_units(molecules["z"], molecules["batch"], {"energy": energy})
    assert model.scales.tolist() == [1]
    model.fit_units(
        torch.ones(2, dtype=torch.long), torch.arange(2), {"energy": energy[0] + energy.new([0, 1])}
    )
    assert model.scales.tolist() == pytest.approx([0.5])


def test_elements_are_known_without_references_and_by_older_checkpoints(molecules):
    heads = {"energy": "scalar", "dipole": "vector"}
    dipoles = potential(heads={"dipole": "vector"}, gradient=False)
    dipoles.fit_units(molecules["z"], molecules["batch"], {"dipole": torch.ones(2, 3)})
    assert dipoles.unknown_elements(torch.tensor([79, 1])) == [79]
    model, again = potential(heads=heads), potential(heads=heads)
    model.fit_units(molecules["z"], molecules["batch"], {"energy": torch.ones(2)})
    state = model.state_dict()
    del state["known"]
    again.load_state_dict(state)
    assert again.unknown_elements(torch.tensor([79, 1])) == [79]


def test_wrong_heads_are_named():
    with pytest.raises(ValueError, match="gradient: expected False"):
        potential(heads={"energy": "scalar", "forces": "node vector"})
    with pytest.raises(ValueError, match="scalar head 'energy'"):
        potential(heads={"homo": "mean"})
    with pytest.raises(ValueError, match=r"heads\['energy'\]: expected .*, found 'spin'"):
        Potential(nn.Identity(), heads={"energy": "spin"})


def test_neighbors_without_a_cutoff_are_named():
    class Edges(nn.Module):
        def forward(self, pos, edge_index):
            return (pos[edge_index[0]] - pos[edge_index[1]]).square().sum()[None]

    class Optional(Edges):
        def forward(self, pos, edge_index=None):
            return pos.square().sum()[None]

    with pytest.raises(ValueError, match="cutoff: expected one for Edges, which takes edge_index"):
        Potential(Edges())
    assert Potential(Edges(), cutoff=1.0).cutoff == 1.0
    assert Potential(Optional()).cutoff is None


# ------------------------------------------------------------------------------ periodic


@pytest.fixture
def crystal():
    cell = torch.tensor([[[3.9, 0.1, 0], [0.2, 4.1, 0.3], [0, 0.4, 4.4]]]).double()
    inside = torch.tensor([[0.1, 0.2, 0.3], [0.6, 0.5, 0.4], [0.9, 0.1, 0.8], [0.4, 0.9, 0.05]]).double()
    return {
        "z": torch.tensor([11, 17, 11, 17]),
        "pos": inside @ cell[0],
        "cell": cell,
        "pbc": torch.ones(1, 3) > 0,
    }


def test_wrapping_an_atom_changes_nothing(crystal):
    model = potential()
    one = model(**crystal, stress=True)
    shift = torch.tensor([[0, 0, 0], [1, 0, 0], [0, -2, 1], [0, 0, 3]]).double()
    other = model(**crystal | {"pos": crystal["pos"] + shift @ crystal["cell"][0]}, stress=True)
    for name in one:
        torch.testing.assert_close(other[name], one[name], rtol=0, atol=1e-9)
    # As a molecule it is another one.
    bare = [potential()(crystal["z"], x)["energy"] for x in (crystal["pos"], crystal["pos"] + shift)]
    assert (bare[0] - bare[1]).abs().max() > 1e-3


@pytest.mark.parametrize("shape", ["skew", "cubic"])
def test_crystals_turn(shape, crystal):
    if shape == "cubic":
        crystal["cell"] = 4 * torch.eye(3).double().unsqueeze(0)
    model, q = potential("SE(3)"), rotation()
    one = model(**crystal, stress=True)
    turned = {"pos": crystal["pos"] @ q.T, "cell": crystal["cell"] @ q.T}
    other = model(**crystal | turned, stress=True)
    torch.testing.assert_close(other["energy"], one["energy"], rtol=0, atol=1e-8)
    torch.testing.assert_close(other["forces"], one["forces"] @ q.T, rtol=0, atol=1e-8)
    torch.testing.assert_close(other["stress"], q @ one["stress"] @ q.T, rtol=0, atol=1e-8)


@pytest.mark.parametrize("signed", [False, True])
def test_the_choice_of_the_cell_vectors(signed, crystal):
    model = potential(smoothness="fast", signed_cell=signed)  # other levels take all signs
    one = model(**crystal, stress=True)
    swapped = model(**crystal | {"cell": crystal["cell"][:, [2, 0, 1]]}, stress=True)
    reversed_ = model(**crystal | {"cell": crystal["cell"] * torch.tensor([1.0, -1, -1]).view(3, 1)})
    for name in one:
        torch.testing.assert_close(swapped[name], one[name], rtol=0, atol=1e-9)
    assert ((reversed_["energy"] - one["energy"]).abs() < 1e-9) == (not signed)
    # Rock salt: no forces, by inversion.
    z, half = torch.tensor([11, 17]), torch.tensor([[0, 0, 0], [2.8, 2.8, 2.8]]).double()
    cell = torch.tensor([[[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]]]).double()
    forces = model(z, half, cell=cell, pbc=crystal["pbc"])["forces"]
    assert (forces.abs().max() < 1e-9) == (not signed)


def test_stress_and_forces_are_derivatives(crystal):
    model = potential()
    out = model(**crystal, stress=True)
    strain = 0.1 * torch.randn(3, 3).double()
    strain, move, h = strain + strain.T, torch.randn(4, 3).double(), 1e-4

    def energy(k):
        grow = torch.eye(3).double() + k * h * strain
        moved = {"pos": (crystal["pos"] + k * h * move) @ grow, "cell": crystal["cell"] @ grow}
        return model(**crystal | moved)["energy"].item()

    slope = (8 * (energy(1) - energy(-1)) - (energy(2) - energy(-2))) / (12 * h)
    volume = torch.linalg.det(crystal["cell"]).abs()
    expected = (out["stress"] * strain).sum() * volume - (out["forces"] * move).sum()
    assert slope == pytest.approx(expected.item(), rel=1e-6)


def test_a_batch_of_crystals_is_its_crystals(crystal):
    model = potential()
    other = {"z": crystal["z"][:3], "pos": crystal["pos"][:3] + 0.1, "cell": crystal["cell"] * 1.1}
    batch = {key: torch.cat([crystal[key], other[key]]) for key in other}
    together = model(**batch, pbc=torch.ones(2, 3) > 0, batch=torch.tensor([0] * 4 + [1] * 3), stress=True)
    singles = [model(**crystal, stress=True), model(**other, pbc=crystal["pbc"], stress=True)]
    for name, value in together.items():
        torch.testing.assert_close(value, torch.cat([one[name] for one in singles]))


def test_slabs_do_not_depend_on_the_height_of_their_cell(crystal):
    model, slab = potential(), torch.tensor([[True, True, False]])
    one = model(**crystal | {"pbc": slab})
    cell = crystal["cell"].clone()
    cell[0, 2] = torch.tensor([0.0, 0, 30])
    torch.testing.assert_close(model(**crystal | {"pbc": slab, "cell": cell})["energy"], one["energy"])


def test_neighbors_by_vesin_and_without_it_are_the_same(crystal, monkeypatch):
    pytest.importorskip("vesin", reason="vesin is not installed (extra 'chem')")
    model = potential()
    one = model(**crystal)
    monkeypatch.setitem(__import__("sys").modules, "vesin", None)
    torch.testing.assert_close(model(**crystal), one)


def test_what_cannot_be_periodic_is_named(crystal, molecules):
    with pytest.raises(ValueError, match="stress: expected periodic"):
        potential()(**molecules, stress=True)
    with pytest.raises(ValueError, match="at least two periodic directions"):
        potential()(**crystal | {"pbc": torch.tensor([[True, False, False]])})


@pytest.mark.parametrize(
    "name",
    ["", "a\nb", 'a" b="c', "a b", "a=b", "a:R:3", "a.b", "Lattice", "pbc", "pos", "SOURCE", "keys", 3],
)
def test_predictions_are_called_by_words_that_a_file_can_hold(name):
    with pytest.raises(ValueError, match="heads: expected names of predictions"):
        FAENet(8, 1, heads={name: "scalar"})
    network = nn.Linear(1, 1)
    for given in ({"heads": {name: "scalar"}}, {}):
        network.head_names = {} if given else {name: "scalar"}
        with pytest.raises(ValueError, match="heads: expected names of predictions"):
            Potential(network, gradient=False, **given)
