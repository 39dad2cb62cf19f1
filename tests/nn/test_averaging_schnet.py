"""PyG's SchNet on an installation without pyg-lib: energies, forces, and training on forces."""

import pytest
import torch
import torch_geometric.typing
from torch_geometric.nn.models import SchNet

from fa_pyg.neighbors.edges import RadiusInteractionGraph, radius_graph

without_pyg_lib = pytest.mark.skipif(torch_geometric.typing.WITH_PYG_LIB, reason="pyg-lib is installed")


def molecules(dtype=torch.float64):
    """Three random molecules, one of them an atom."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor([9, 1, 12])
    batch = torch.arange(3).repeat_interleave(sizes)
    pos = 3 * torch.randn(len(batch), 3, generator=generator, dtype=dtype)
    return torch.randint(1, 10, batch.shape, generator=generator), pos, batch


def schnet(cutoff=6.0, max_num_neighbors=None):
    torch.manual_seed(0)
    graph = RadiusInteractionGraph(cutoff, max_num_neighbors)
    sizes = {"hidden_channels": 16, "num_filters": 16, "num_interactions": 2, "num_gaussians": 10}
    return SchNet(**sizes, cutoff=cutoff, interaction_graph=graph).double()


def motion(improper):
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    sign = -1 if improper else 1
    q = q * (sign * torch.linalg.det(q).sign())
    return q, torch.tensor([5.0, -7.0, 11.0], dtype=torch.float64)


@without_pyg_lib
def test_schnet_alone_does_not_run():
    """The control: this is what users meet."""
    with pytest.raises(ImportError, match=r"pyg-lib|torch-cluster"):
        SchNet(hidden_channels=16)(*molecules(torch.float32))


@pytest.mark.parametrize("improper", [False, True])
@pytest.mark.parametrize("max_num_neighbors", [None, 4])
def test_schnet_is_invariant(improper, max_num_neighbors):
    model, (z, pos, batch) = schnet(max_num_neighbors=max_num_neighbors), molecules()
    rotation, shift = motion(improper)
    energy = model(z, pos, batch)
    assert energy.shape == (3, 1)
    assert energy.std() > 1e-3, "an energy that says something"
    torch.testing.assert_close(model(z, pos @ rotation.t() + shift, batch), energy, rtol=1e-10, atol=1e-12)
    stretched = model(z, pos * torch.tensor([1.1, 1.0, 1.0]), batch)
    assert (stretched - energy).abs().max() > 1e-5


def test_a_batch_is_its_molecules():
    model, (z, pos, batch) = schnet(), molecules()
    singles = [model(z[batch == b], pos[batch == b]) for b in range(3)]
    torch.testing.assert_close(model(z, pos, batch), torch.cat(singles), rtol=1e-12, atol=1e-12)


def test_forces_are_the_gradient():
    """They are the central differences of the energy, rotate with the molecule, and add up to nothing."""
    model, (z, pos, batch) = schnet(), molecules()
    force = forces(model, z, pos, batch)
    step = 1e-5 * torch.eye(pos.numel(), dtype=pos.dtype).view(-1, *pos.shape)
    with torch.no_grad():
        slopes = [(model(z, pos + s, batch).sum() - model(z, pos - s, batch).sum()) / 2e-5 for s in step]
    torch.testing.assert_close(force, -torch.stack(slopes).view_as(pos), rtol=1e-6, atol=1e-8)
    assert force.abs().max() > 1e-4
    rotation, shift = motion(improper=True)
    torch.testing.assert_close(forces(model, z, pos @ rotation.t() + shift, batch), force @ rotation.t())
    assert force[batch == 2].sum(dim=0).abs().max() < 1e-12, "no net force"


def forces(model, z, pos, batch, create_graph=False):
    pos = pos.clone().requires_grad_()
    return -torch.autograd.grad(model(z, pos, batch).sum(), pos, create_graph=create_graph)[0]


def test_training_on_forces():
    """Second derivatives exist and are finite, coincident atoms or not."""
    model, (z, pos, batch) = schnet(), molecules()
    pos[3] = pos[2]
    loss = forces(model, z, pos, batch, create_graph=True).square().sum()
    grads = torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad], allow_unused=True)
    grads = [g for g in grads if g is not None]
    assert all(g.isfinite().all() for g in grads)
    assert sum(g.square().sum() for g in grads) > 0


def test_weights_are_the_distances():
    _, pos, batch = molecules()
    graph = RadiusInteractionGraph(4.0, max_num_neighbors=3)
    edge_index, weight = graph(pos, batch)
    assert torch.equal(edge_index, radius_graph(pos, 4.0, batch, max_num_neighbors=3))
    distance = torch.cdist(pos, pos, compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(weight, distance[edge_index[0], edge_index[1]])
    assert repr(graph) == "RadiusInteractionGraph(cutoff=4.0, max_num_neighbors=3)"
