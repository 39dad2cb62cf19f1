"""The lines that introduce the library, as they are written there."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import global_add_pool

from fa_pyg import (
    CanonicalFrame,
    FrameAveraging,
    Frames,
    HaarFrame,
    LocalFrame,
    PCAFrame,
    PerMode,
    RandomNodeFrame,
    Rep,
    Sample,
    SpectralFrame,
    WeightedPCAFrame,
)
from fa_pyg.models import GIN, AdjacencyMLP
from fa_pyg.nn import GridAveraging, LocalFrameConv
from fa_pyg.testing import assert_equivariant
from fa_pyg.transforms import AddFrames, CanonicalPose, RandomMotion, data_frames

g = torch.Generator().manual_seed(0)
z, batch = torch.randint(1, 9, (9,), generator=g), torch.tensor([0] * 4 + [1] * 5)
pos = torch.randn(9, 3, generator=g, dtype=torch.float64) * torch.tensor([1.0, 2.0, 3.0])
vel = torch.randn(9, 3, generator=g, dtype=torch.float64)


class Potential(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 1)).double()

    def forward(self, z, pos, batch=None):
        batch = torch.zeros_like(z) if batch is None else batch
        x = self.layers(torch.cat([pos, z.unsqueeze(1) / 10], dim=1))
        return global_add_pool(x.squeeze(1), batch, int(batch.max()) + 1)


class Motions(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 4)).double()

    def forward(self, data):
        y = self.layers(torch.cat([data.pos, data.vel], dim=1))
        return {"energy": global_add_pool(y[:, 0], data.batch), "forces": y[:, 1:]}


def test_any_model_on_coordinates():
    net = Potential()
    model = FrameAveraging(net, PCAFrame("E(3)"))
    energy = model(z, pos, batch)
    assert energy.shape == (2,)
    assert_equivariant(model, {"z": z, "pos": pos, "batch": batch}, "E(3)")


def test_several_inputs_and_outputs_of_a_batch():
    net, data = (
        Motions(),
        Batch.from_data_list([Data(pos=pos[:4], vel=vel[:4]), Data(pos=pos[4:], vel=vel[4:])]),
    )
    model = FrameAveraging(
        net,
        PCAFrame("SE(3)"),
        inputs={"pos": "point", "vel": "vector"},
        output={"energy": "scalar", "forces": "vector"},
    )
    out = model(data)
    assert (out["energy"].shape, out["forces"].shape) == ((2,), (9, 3))
    reps = {"pos": "point", "vel": "vector"}
    assert_equivariant(model, data, "SE(3)", reps, {"energy": "scalar", "forces": "vector"})


def test_frames_by_themselves():
    frames = PCAFrame("O(3)")(pos, batch=batch)
    assert isinstance(frames, Frames)
    assert frames.rotation.shape == (16, 3, 3)
    assert frames.body.shape == frames.weight.shape == (16,)
    assert frames.origin is None
    copies = frames.to_frame(vel, "vector")
    assert torch.allclose(frames.average(copies, "vector"), vel)
    assert frames.sample(2, generator=torch.Generator().manual_seed(0)).num_frames == 4
    assert PCAFrame("E(3)")(pos, vel, batch=batch, node_weight=z).origin.shape == (2, 3)


def test_one_frame_a_step_in_training_and_all_in_evaluation():
    net = Potential()
    model = FrameAveraging(net, Sample(PCAFrame("E(3)"), k=1))
    draws = torch.stack([model(z, pos, batch) for _ in range(20)])
    assert draws.std(0).min() > 0
    assert_equivariant(model.eval(), {"z": z, "pos": pos, "batch": batch}, "E(3)")
    assert torch.allclose(model(z, pos, batch), FrameAveraging(net, PCAFrame("E(3)"))(z, pos, batch))


def test_group_averaging_in_training_and_frames_in_evaluation():
    net = Potential()
    model = FrameAveraging(net, PerMode(train=HaarFrame("E(3)", k=1), eval=PCAFrame("E(3)")))
    assert torch.stack([model(z, pos, batch) for _ in range(20)]).std(0).min() > 0
    assert_equivariant(model.eval(), {"z": z, "pos": pos, "batch": batch}, "E(3)")


def test_a_cell_of_each_graph():
    class Crystal(nn.Module):
        def forward(self, pos, cell, batch):
            return (torch.einsum("ni,nji->nj", pos, cell[batch]) * torch.arange(1.0, 4)).sin().sum(1)

    model = FrameAveraging(Crystal(), PCAFrame("O(3)"), inputs={"pos": "vector", "cell": "vector"})
    cell = torch.randn(2, 3, 3, generator=g, dtype=torch.float64)
    args = {"pos": pos, "cell": cell, "batch": batch}
    assert_equivariant(model, args, "O(3)", {"pos": "vector", "cell": "vector"})


def test_representations_of_any_rank():
    class Third(nn.Module):
        def forward(self, pos):
            return torch.einsum("na,nb,nc->nabc", pos.sin(), pos.exp(), pos)

    model = FrameAveraging(Third(), PCAFrame("SE(3)"), output=Rep(rank=3))
    assert_equivariant(model, {"pos": pos}, "SE(3)", output=Rep(rank=3))


def test_frames_for_nodes_images_and_data_sets():
    edge_index = (batch.unsqueeze(0) == batch.unsqueeze(1)).fill_diagonal_(False).nonzero().T
    features = {"scalar": torch.randn(9, 16, generator=g), "vector": torch.randn(9, 8, 3, generator=g)}
    frames = LocalFrame(WeightedPCAFrame("E(3)"))(pos.float(), edge_index)
    conv = LocalFrameConv({"scalar": 16, "vector": 8}, {"scalar": 16, "vector": 8})
    assert conv(features, pos.float(), edge_index, frames)["vector"].shape == (9, 8, 3)

    cnn = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(1), nn.Linear(32, 1))
    image = torch.randn(2, 1, 6, 6, generator=g)
    images = GridAveraging(cnn, "D4")
    assert torch.allclose(images(image), images(image.rot90(1, (2, 3))), atol=1e-5)

    data = Data(z=z[:4], pos=pos[:4], force=vel[:4])
    turned = RandomMotion("E(3)", inputs={"pos": "point", "force": "vector"})(data)
    assert torch.allclose(turned.force.norm(dim=1), data.force.norm(dim=1))
    assert not torch.allclose(turned.force, data.force)
    together = Batch.from_data_list([AddFrames(WeightedPCAFrame("E(3)"))(data)] * 2)
    model = FrameAveraging(Potential(), WeightedPCAFrame("E(3)"))
    energy = model(together.z, together.pos, together.batch, frames=data_frames(together))
    assert torch.allclose(energy, model(together.z, together.pos, together.batch))
    proper = RandomMotion("SE(3)", inputs={"pos": "point", "force": "vector"})(data)
    posed = CanonicalPose(WeightedPCAFrame("SE(3)"), inputs={"pos": "point", "force": "vector"})
    assert torch.allclose(posed(proper).pos, posed(data).pos)


def test_graphs_as_in_the_readme():
    graph = torch.tensor([0] * 4 + [1] * 5)
    edges = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7, 4, 8], [1, 2, 3, 0, 5, 6, 7, 8, 7, 4]])
    edges = torch.cat([edges, edges.flip(0)], 1)
    x = torch.randint(0, 2, (9, 3), generator=g).double()
    inputs = {"x": x, "edge_index": edges, "batch": graph}
    torch.manual_seed(0)
    mlp = AdjacencyMLP(
        in_channels=3, max_nodes=64, hidden_channels=128, num_layers=2, out_channels=1
    ).double()
    net = GIN(in_channels=3, hidden_channels=64, num_layers=3, out_channels=1, ids=64).double()
    for model in (
        FrameAveraging(mlp, CanonicalFrame("S(n)")),
        FrameAveraging(net, CanonicalFrame("S(n)")),
        FrameAveraging(net, CanonicalFrame("S(n)", first=SpectralFrame("S(n)"))),
        FrameAveraging(net, SpectralFrame("S(n)", max_frames=720)),
        FrameAveraging(net, PerMode(train=RandomNodeFrame("S(n)", k=1), eval=CanonicalFrame("S(n)"))).eval(),
    ):
        assert model(x, edges, graph).shape == (2, 1)
        assert_equivariant(model, inputs, "S(n)")
    for bare in (mlp, net):
        with pytest.raises(AssertionError):
            assert_equivariant(bare, inputs, "S(n)", tol=1e-4)
