"""Framed models among the habits of PyG: explanations, sampled batches, copies on disk, summaries."""

import copy
import io
import pickle

import pytest
import torch
import torch_geometric
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.loader import DataListLoader, RandomNodeLoader
from torch_geometric.nn import GraphConv, Sequential, global_add_pool, summary
from torch_geometric.utils import trim_to_layer

from fa_pyg import FrameAveraging, PCAFrame, WeightedPCAFrame


class Net(nn.Module):
    """Numbers of graphs from vectors of nodes; not invariant by itself."""

    def __init__(self):
        super().__init__()
        self.first, self.last = GraphConv(3, 16), GraphConv(16, 4)
        self.read = nn.Linear(4, 1)

    def nodes(self, x, edge_index):
        return self.read(self.last(self.first(x, edge_index).relu(), edge_index).relu())

    def forward(self, x, edge_index, batch=None):
        return global_add_pool(self.nodes(x, edge_index), batch)


class Nodes(Net):
    def forward(self, data):
        return self.nodes(data.x, data.edge_index)


class Trimmed(Nodes):
    """Rows of the seeds alone, without what they do not need in later layers."""

    def forward(self, data):
        x, edge_index = data.x, data.edge_index
        for layer, conv in enumerate((self.first, self.last)):
            sizes = data.num_sampled_nodes, data.num_sampled_edges
            x, edge_index, _ = trim_to_layer(layer, *sizes, x, edge_index)
            x = conv(x, edge_index).relu()
        return self.read(x)[: data.batch_size]


def graph(n=10):
    edges = (torch.rand(n, n) < 0.4).triu(1).nonzero().T
    return Data(x=torch.randn(n, 3), edge_index=torch.cat([edges, edges.flip(0)], 1))


def framed(net, frame=None, **options):
    frame = PCAFrame("O(3)") if frame is None else frame
    return FrameAveraging(net, frame, {"x": "vector"}, "scalar", **options).eval()


@pytest.fixture
def data():
    torch.manual_seed(0)
    return graph()


@pytest.fixture
def rotation():
    return torch.linalg.qr(torch.randn(3, 3))[0]


def explanation(model, data):
    torch.manual_seed(0)
    settings = {"mode": "regression", "task_level": "graph", "return_type": "raw"}
    masks = {"node_mask_type": "object", "edge_mask_type": "object"}
    algorithm = GNNExplainer(epochs=20)
    explainer = Explainer(model, algorithm, explanation_type="model", model_config=settings, **masks)
    found = explainer(data.x, data.edge_index)
    return torch.cat([found.edge_mask, found.node_mask.flatten()])


@pytest.mark.parametrize("frame", [PCAFrame("O(3)"), WeightedPCAFrame("O(3)")])
def test_explanations_do_not_depend_on_the_orientation(frame, data, rotation):
    model, turned = framed(Net(), frame, chunk=1), Data(x=data.x @ rotation, edge_index=data.edge_index)
    masks = [explanation(model, one) for one in (data, turned)]
    assert masks[0].max() > 0.1
    assert torch.allclose(*masks, atol=1e-4)
    bare = [explanation(model.model, one) for one in (data, turned)]
    assert not torch.allclose(*bare, atol=1e-2)


@pytest.fixture
def sampled(data):
    """What NeighborLoader yields for the seeds 0, 1, 2: two hops, edges to the seeds first."""
    hops = [[0, 1, 2], [3, 4, 5, 6], [7, 8]]
    inner = torch.tensor([[3, 4, 5, 6, 0], [0, 1, 2, 0, 1]])
    outer = torch.tensor([[7, 8, 7], [3, 4, 5]])
    return Data(
        x=data.x[:9],
        edge_index=torch.cat([inner, outer], 1),
        n_id=torch.arange(9),
        e_id=torch.arange(8),
        input_id=torch.arange(3),
        batch_size=3,
        num_sampled_nodes=[len(hop) for hop in hops],
        num_sampled_edges=[5, 3],
    )


@pytest.mark.parametrize("frame", [PCAFrame("O(3)"), WeightedPCAFrame("O(3)", smoothness="fast")])
def test_a_sampled_batch_gives_what_its_graph_alone_gives(frame, data, sampled, rotation):
    net = Nodes()
    model = framed(net, frame, level="node")
    alone = model(Data(x=sampled.x, edge_index=sampled.edge_index))
    out = model(sampled)[: sampled.batch_size]
    assert torch.allclose(out, alone[:3], atol=1e-6)
    trimmed = framed(Trimmed(), frame, level="input_id")
    trimmed.model.load_state_dict(net.state_dict())
    assert torch.allclose(trimmed(sampled), out, atol=1e-5)
    turned = sampled.clone()
    turned.x = sampled.x @ rotation
    assert torch.allclose(trimmed(turned), out, atol=1e-4)
    assert not torch.allclose(trimmed.model(turned), trimmed.model(sampled), atol=1e-3)


def test_parts_of_a_graph(data):
    model = framed(Nodes(), level="node")
    for part in RandomNodeLoader(data, num_parts=2):
        assert torch.equal(model(part), model(Data(x=part.x, edge_index=part.edge_index)))


def test_follow_batch_and_lists(data):
    model, graphs = framed(Net()), [graph(5), graph(7)]
    alone = torch.cat([model(one.x, one.edge_index) for one in graphs])
    batch = Batch.from_data_list(graphs, follow_batch=["x"])
    assert torch.allclose(model(batch.x, batch.edge_index, batch.x_batch), alone, atol=1e-6)
    listed = Batch.from_data_list(next(iter(DataListLoader(graphs, batch_size=2))))
    assert torch.allclose(model(listed.x, listed.edge_index, listed.batch), alone, atol=1e-6)


def test_inside_and_around_sequential(data, rotation):
    inner = Sequential("x, edge_index", [(GraphConv(3, 4), "x, edge_index -> x"), nn.ReLU()])
    steps = [(framed(inner, level="node"), "x, edge_index -> x"), (global_add_pool, "x, batch -> x")]
    model = Sequential("x, edge_index, batch", steps)
    batch = torch.zeros(len(data.x), dtype=torch.long)
    out, moved = (model(x, data.edge_index, batch) for x in (data.x, data.x @ rotation))
    assert torch.allclose(out, moved, atol=1e-5)
    bare = (inner(x, data.edge_index) for x in (data.x, data.x @ rotation))
    assert not torch.allclose(*bare, atol=1e-3)


def test_compiled_by_pyg(data):
    model = framed(Net())
    compiled = torch_geometric.compile(model, backend="eager")
    assert torch.allclose(compiled(data.x, data.edge_index), model(data.x, data.edge_index), atol=1e-6)
    torch._dynamo.reset()


def test_a_summary_counts_the_parameters(data):
    pytest.importorskip("tabulate", reason="PyG needs it for summaries, and does not declare it")
    model = framed(Net())
    lines = summary(model, data.x, data.edge_index).splitlines()
    count = sum(p.numel() for p in model.parameters())
    assert any("FrameAveraging" in line and f"{count}" in line for line in lines)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies(make, data):
    model = framed(Net(), WeightedPCAFrame("O(3)"))
    model(data.x, data.edge_index)
    other = make(model)
    expected = model(data.x, data.edge_index)
    assert torch.equal(other(data.x, data.edge_index), expected)
    nn.init.constant_(model.model.read.bias, 7)
    assert torch.equal(other(data.x, data.edge_index), expected)


def test_weights_are_those_of_the_model(data):
    model, other, file = framed(Net()), framed(Net()), io.BytesIO()
    assert {name.removeprefix("model.") for name in model.state_dict()} == set(Net().state_dict())
    torch.save(model.state_dict(), file)
    file.seek(0)
    assert not torch.equal(model(data.x, data.edge_index), other(data.x, data.edge_index))
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(model(data.x, data.edge_index), other(data.x, data.edge_index))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bits(dtype, data, rotation):
    """As exact as the model is: frames are computed in float64."""
    model = framed(Net())
    exact, short = model(data.x, data.edge_index), copy.deepcopy(model).to(dtype)
    out = [short(x.to(dtype), data.edge_index) for x in (data.x, data.x @ rotation)]
    assert out[0].dtype == dtype
    bound = 20 * torch.finfo(dtype).eps * exact.abs().max()
    assert all((one.float() - exact).abs().max() < bound for one in out)
    with torch.autocast("cpu", torch.bfloat16):
        cast = model(data.x, data.edge_index)
    assert (cast.float() - exact).abs().max() < 20 * torch.finfo(torch.bfloat16).eps * exact.abs().max()
