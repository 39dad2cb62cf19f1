"""PyG's models that build their own graphs, on an installation without pyg-lib.

Operators stay registered for the life of a process, so all of this runs in one of its own.
"""

import subprocess
import sys

import pytest
import torch
import torch_geometric
from torch_geometric.data import Data
from torch_geometric.nn import DynamicEdgeConv, GravNetConv, knn_interpolate
from torch_geometric.nn.models import DimeNetPlusPlus, SchNet, ViSNet
from torch_geometric.transforms import KNNGraph, RadiusGraph

from fa_pyg.neighbors.edges import RadiusInteractionGraph
from fa_pyg.neighbors.sampling import fps
from fa_pyg.nn import graph_building
from fa_pyg.nn.pyg_models import provide_pyg_operators

OLD = not hasattr(torch_geometric.typing, "WITH_RADIUS")  # PyG < 2.8 takes these operators from torch_cluster


@pytest.mark.skipif(not OLD, reason="PyG >= 2.8")
def test_older_pyg_is_refused():
    with pytest.raises(RuntimeError, match=r"expected torch_geometric >= 2\.8, found "):
        provide_pyg_operators()


@pytest.mark.skipif(OLD or torch_geometric.typing.WITH_PYG_LIB, reason="pyg-lib is installed, or PyG < 2.8")
def test_models_run_after_one_call():
    subprocess.run([sys.executable, "-W", "ignore", __file__], check=True, timeout=120)


def check_control(pos, z, batch):
    """Importing registers nothing, and without the operators nothing runs."""
    assert not hasattr(torch.ops.pyg, "radius")
    for fails in (lambda: DynamicEdgeConv(torch.nn.Linear(6, 4), k=3), lambda: SchNet(8)(z, pos, batch)):
        with pytest.raises(ImportError):
            fails()


def check_functions(pos, z, batch):
    """PyG's functions and ours give the same edges, coincident points included."""
    pos = pos.index_copy(0, torch.tensor([1, 2]), pos[[3, 3]])
    theirs, ours = torch_geometric.nn, graph_building
    for b in (None, batch):
        some = None if b is None else b[5:15]
        for loop in (False, True):
            near, nearest = (pos, 1.5, b, loop, 5), (pos, 2, b, loop)
            assert torch.equal(theirs.radius_graph(*near), ours.radius_graph(*near))
            assert torch.equal(theirs.knn_graph(*nearest), ours.knn_graph(*nearest))
        assert torch.equal(theirs.knn(pos, pos[5:15], 2, b, some), ours.knn(pos, pos[5:15], 2, b, some))
        assert torch.equal(theirs.radius(pos, pos[5:15], 2, b, some), ours.radius(pos, pos[5:15], 2, b, some))
    for ratio in (0.5, 1.0):
        sampled = theirs.fps(pos, batch, ratio, random_start=False)
        assert torch.equal(sampled, fps(pos, batch, ratio, random_start=False))
    data = Data(pos=pos, batch=batch)
    assert torch.equal(RadiusGraph(1.5)(data).edge_index, ours.radius_graph(pos, 1.5, batch))
    assert torch.equal(KNNGraph(3, force_undirected=False)(data).edge_index, ours.knn_graph(pos, 3, batch))
    assert torch.allclose(knn_interpolate(pos, pos + 1e-6, pos, k=1), pos)


def check_models(pos, z, batch):
    schnet = SchNet(8, cutoff=4.0)
    given = SchNet(8, cutoff=4.0, interaction_graph=RadiusInteractionGraph(4.0))
    given.load_state_dict(schnet.state_dict())
    assert torch.equal(schnet(z, pos, batch), given(z, pos, batch))
    visnet = ViSNet(hidden_channels=8, num_heads=2, num_layers=1, num_rbf=4, cutoff=4.0)
    for model in (schnet, lambda *args: visnet(*args)[0]):
        point = pos.clone().requires_grad_()
        energy = model(z, point, batch)
        (grad,) = torch.autograd.grad(energy.sum(), point)
        assert energy.size(0) == 2
        assert grad.isfinite().all()
        assert grad.abs().sum() > 0
    assert DynamicEdgeConv(torch.nn.Linear(6, 4), k=3)(pos, batch).shape == (20, 4)
    assert GravNetConv(3, 4, 2, 2, k=3)(pos, batch).shape == (20, 4)
    dimenet = DimeNetPlusPlus(8, 1, 1, 8, 8, 8, 3, 3, cutoff=4.0)
    if torch_geometric.typing.WITH_TORCH_SPARSE:
        assert dimenet(z, pos, batch).shape == (2, 1)
    else:  # past the edges, it stops at what else it needs
        with pytest.raises(ImportError, match="torch-sparse"):
            dimenet(z, pos, batch)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    inputs = torch.randn(20, 3), torch.randint(1, 9, (20,)), torch.arange(2).repeat_interleave(10)
    check_control(*inputs)
    assert provide_pyg_operators()
    assert provide_pyg_operators()
    check_functions(*inputs)
    check_models(*inputs)
