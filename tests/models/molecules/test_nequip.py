"""NequIP: invariant and smooth to second order, the numbers of e3nn's tensor product, saved as tensors."""

import importlib.util
import sys

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from fa_pyg.models import FAENet, NequIP, Potential
from fa_pyg.models.molecules.nequip import EquivariantConv
from fa_pyg.nn import radius_graph
from fa_pyg.testing import assert_conservative, assert_equivariant, equivariance_error

pytestmark = pytest.mark.skipif(importlib.util.find_spec("e3nn") is None, reason="e3nn is not installed")

FORCES = {"energy": "scalar", "forces": "vector"}
LEVELS = {"energy": "graph", "forces": "node"}


def net(**kwargs):
    sizes = {"hidden_channels": 4, "num_layers": 3, "num_radial": 4, "radial": 8, "elements": 3} | kwargs
    return NequIP(**sizes).double().eval()


@pytest.fixture
def molecules(molecules):
    return molecules | {"pos": molecules["pos"] + 0.1 * torch.randn_like(molecules["pos"])}


@pytest.mark.parametrize("lmax", [0, 2])
def test_energies_and_forces_are_equivariant_and_those_of_an_unframed_network_are_not(lmax, molecules):
    model = Potential(net(lmax=lmax)).eval()
    assert_equivariant(model, molecules, "E(3)", output=FORCES, level=LEVELS)
    bare = Potential(FAENet(hidden_channels=16, num_layers=2).double()).eval()
    error = equivariance_error(bare, molecules, "E(3)", output=FORCES, level=LEVELS)
    assert error["proper"] > 1e-3


def test_angles_matter(molecules):
    torch.manual_seed(0)

    def spread(model):
        bent = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0]]).double()
        # The same neighbors of each atom at the same distances, in other directions.
        energies = [model(torch.tensor([8, 1, 1]), bent[list(at)]) for at in ((0, 1, 2), (0, 1, 3))]
        return (energies[0] - energies[1]).abs().item()

    assert spread(net(cutoff=1.35, num_neighbors=1.0)) > 1e-6
    assert spread(net(cutoff=1.35, num_neighbors=1.0, lmax=0)) < 1e-12


@pytest.mark.parametrize("depths", [(0, 2), (2, 2), (2, 0), (1, 2)])
def test_messages_are_those_of_the_tensor_product_of_e3nn(depths, molecules):
    from e3nn import o3

    lmax_in, lmax_out = depths
    layer = EquivariantConv(lmax_in, 2, lmax_out, 4, 4, 8, 3, num_neighbors=7.0).double()
    edge_index = radius_graph(molecules["pos"], 5.0, molecules["batch"], max_num_neighbors=None)
    source, target = edge_index
    h = [torch.randn(8, 2 * a + 1, 4).double() for a in range(lmax_in + 1)]
    radial = torch.randn(len(source), 8).double()
    harmonics = o3.spherical_harmonics(
        [0, 1, 2], torch.randn(len(source), 3).double(), True, normalization="component"
    )
    found = layer.messages(h, radial, layer.couple(harmonics), edge_index)

    irreps = [o3.Irreps([(4, (a, (-1) ** a)) for a in range(top + 1)]) for top in depths]
    paths = [path for paths in layer.paths for path in paths]
    product = o3.TensorProduct(
        irreps[0],
        o3.Irreps.spherical_harmonics(2),
        irreps[1],
        [(*path, "uvu", True) for path in paths],
        shared_weights=False,
        internal_weights=False,
    ).double()
    value = torch.cat([v(x).mT.flatten(1) for v, x in zip(layer.value, h, strict=True)], dim=1)
    weights = torch.cat([w(radial) for w in layer.weights], dim=1)
    expected = torch.zeros(8, irreps[1].dim).double()
    expected.index_add_(0, target, product(value[source], harmonics, weights))
    expected = expected / 7.0**0.5
    torch.testing.assert_close(torch.cat([m.mT.flatten(1) for m in found], dim=1), expected)


def test_the_wrong_parity_never_occurs():
    paths = [path for row in EquivariantConv(2, 2, 2, 4, 4, 8, 3, 7.0).paths for path in row]
    assert len(paths) == 11
    assert all(sum(path) % 2 == 0 for path in paths)


def test_shapes_and_batch_equals_singles(molecules):
    model, z, pos = net(), molecules["z"], molecules["pos"]
    out = model(**molecules)
    assert out.shape == (2,)
    torch.testing.assert_close(out, torch.cat([model(z[:5], pos[:5]), model(z[5:], pos[5:])]))
    assert model(**molecules, num_graphs=3)[2] == 0


def test_energy_is_twice_differentiable(molecules):
    model, z = net(cutoff=1.4, num_layers=2, hidden_channels=2), molecules["z"][5:]
    pos = molecules["pos"][5:].clone().requires_grad_()
    assert gradcheck(lambda x: model(z, x), pos)
    assert gradgradcheck(lambda x: model(z, x), pos)


def test_forces_are_those_of_the_energy(molecules):
    assert_conservative(net(), molecules, group="E(3)")


def test_training_on_forces_reaches_every_weight(molecules):
    model = Potential(net()).train()
    model(**molecules)["forces"].square().sum().backward()
    still = {name for name, p in model.network.named_parameters() if p.grad is None or not p.grad.any()}
    assert still == {"readout.2.bias"}  # a constant has no force


def test_coincident_and_lone_atoms_have_finite_energies_and_gradients():
    z, model = torch.tensor([1, 6, 8]), net()
    for pos in (torch.zeros(3, 3), 100 * torch.eye(3)):
        pos = pos.double().requires_grad_()
        energy = model(z, pos)
        grad = torch.autograd.grad(energy.sum(), pos, create_graph=True)[0]
        again = torch.autograd.grad(grad.sum() + 0 * pos.sum(), pos)[0]
        assert all(x.isfinite().all() for x in (energy, grad, again))
        alone = torch.cat([model(z[i : i + 1], torch.zeros(1, 3).double()) for i in range(3)]).sum()
    torch.testing.assert_close(energy[0], alone)


def test_periodic_systems_have_energies_forces_and_stress():
    pytest.importorskip("ase")
    model = Potential(net(cutoff=3.0)).eval()
    z, pos = torch.tensor([11, 17]), torch.tensor([[0.1, 0.0, 0.0], [1.4, 1.5, 1.3]]).double()
    cell, pbc = 2.8 * torch.eye(3).double().unsqueeze(0), torch.ones(1, 3, dtype=torch.bool)
    out = model(z, pos, cell=cell, pbc=pbc, stress=True)
    wrapped = model(
        z, pos + torch.tensor([[0.0, 2.8, 0.0], [0.0, 0.0, 0.0]]), cell=cell, pbc=pbc, stress=True
    )
    for name in ("energy", "forces", "stress"):
        torch.testing.assert_close(out[name], wrapped[name])
    assert out["forces"].abs().max() > 1e-6


def test_float64_positions_serve_a_float32_model(molecules):
    model = net().float()
    far = molecules | {"pos": molecules["pos"] + 1e4}
    torch.testing.assert_close(model(**far), model(**molecules), rtol=1e-4, atol=1e-5)
    assert model(**far).dtype == torch.float32


def test_a_saved_state_is_of_tensors_alone(molecules, tmp_path):
    model, other = net(), net()
    assert not torch.equal(model(**molecules), other(**molecules))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(model(**molecules), other(**molecules))


def test_without_e3nn_the_constructor_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "e3nn", None)
    with pytest.raises(ImportError, match=r"pip install 'fa_pyg\[chem\]'"):
        NequIP()


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"cutoff": 0}, "cutoff: expected a positive number, found 0"),
        ({"num_neighbors": -1.0}, "num_neighbors: expected a positive number, found -1.0"),
        ({"channels": 0}, "channels: expected a positive integer, found 0"),
        ({"num_layers": 0}, "num_layers: expected a positive integer, found 0"),
        ({"lmax": -1}, "lmax: expected an integer >= 0, found -1"),
        ({"lmax": 3}, "lmax: expected an integer from 0 to 2, found 3"),
    ],
)
def test_bad_arguments_are_named(wrong, match):
    with pytest.raises(ValueError, match=match):
        NequIP(**wrong)
