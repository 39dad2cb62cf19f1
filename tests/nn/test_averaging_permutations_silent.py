"""Calls under S(n) that once gave wrong numbers silently: now right, or an error that explains why."""

import math

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import RandomLinkSplit

from fa_pyg import CanonicalFrame, FrameAveraging, SpectralFrame
from fa_pyg.builders.graphs import colors_of
from fa_pyg.math.ragged import index_within_body
from fa_pyg.testing import separation
from fa_pyg.transforms import AddFrames, data_frames


def places(batch):
    return index_within_body(batch, torch.bincount(batch)).double()


class Weigh(nn.Module):
    """Sums that know places: of nodes, and of edges with their features."""

    def forward(self, data):
        batch = torch.zeros(data.num_nodes, dtype=torch.long) if data.batch is None else data.batch
        out = torch.zeros(int(batch.max()) + 1, 1, dtype=torch.double)
        out.index_add_(
            0, batch, (data.x.double().nan_to_num() * (places(batch)[:, None] + 1)).sum(1, True).sin()
        )
        if data.get("edge_attr") is not None:
            tail, head = data.edge_index
            edge = (places(batch)[tail] + 2 * places(batch)[head]) * data.edge_attr[:, 0].double()
            out.index_add_(0, batch[tail], edge.cos()[:, None])
        return out


def relabelled(data, order):
    place = torch.argsort(order)
    mix = torch.randperm(data.num_edges)
    moved = Data(x=data.x[order], edge_index=place[data.edge_index][:, mix])
    if "edge_attr" in data:
        moved.edge_attr = data.edge_attr[mix]
    return moved


def ring(n, x=None, attr=None):
    i = torch.arange(n)
    data = Data(x=torch.ones(n, 1) if x is None else x, edge_index=torch.stack([i, (i + 1) % n]))
    if attr is not None:
        data.edge_attr = attr
    return data


def test_as_many_edges_as_nodes_in_every_graph():
    model = FrameAveraging(Weigh(), CanonicalFrame())
    graphs = [ring(5, attr=torch.randint(0, 2, (5, 1)).float()) for _ in range(3)]
    moved = [relabelled(one, torch.randperm(5)) for one in graphs]
    plain = model(Batch.from_data_list(graphs))
    assert torch.allclose(plain, model(Batch.from_data_list(moved)), atol=1e-12)
    assert torch.allclose(plain, torch.cat([model(one) for one in graphs]), atol=1e-12)
    for one in graphs:
        one.strength = torch.ones(5)
    with pytest.raises(ValueError, match="tells nodes from edges, found as many of both"):
        model(Batch.from_data_list(graphs))


@pytest.mark.parametrize("frame", [CanonicalFrame(), SpectralFrame(), CanonicalFrame(first=SpectralFrame())])
def test_a_nan_stays_in_its_graph(frame):
    model = FrameAveraging(Weigh(), frame)
    graphs = [ring(7, x=torch.randint(0, 3, (7, 1)).float()) for _ in range(6)]
    plain = model(Batch.from_data_list(graphs))
    graphs[2] = ring(7, x=torch.full((7, 1), torch.nan))
    graphs[2].x[3] = 1.0
    with_nan = model(Batch.from_data_list(graphs))
    keep = torch.tensor([0, 1, 3, 4, 5])
    assert torch.equal(with_nan[keep], plain[keep])


def test_colors_of_special_numbers():
    x = torch.tensor([math.nan, 1.0, -0.0, 0.0, -1.0, math.inf, math.nan, -math.inf, 1.0])
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        color = colors_of((x[:, None].to(dtype),))
        assert color[0] == color[6]
        assert color[1] == color[8]
        assert color[2] == color[3]  # 0 is -0
        assert color[[7, 4, 2, 1, 5]].tolist() == sorted(set(color.tolist()) - {int(color[0])})
    both = colors_of((x[:, None], torch.arange(9) % 2 == 0))
    assert len(both.unique()) == 8
    assert both[1] != both[8]
    assert colors_of((torch.zeros(0, 3),)).tolist() == []
    assert colors_of(()) is None
    assert torch.equal(
        colors_of((torch.view_as_complex(torch.randn(4, 2)).conj(),)).sort().values, torch.arange(4)
    )


def test_edges_of_another_name():
    class Renamed(nn.Module):
        def forward(self, h, ei, batch):
            out = torch.zeros(2, dtype=torch.double)
            return out.index_add_(
                0, batch[ei[0]], (places(batch)[ei[0]] * 3 + places(batch)[ei[1]]).sin() * h[ei[1], 0]
            )

    i, batch = torch.arange(4), torch.arange(2).repeat_interleave(4)
    ei = torch.cat([torch.stack([i, (i + 1) % 4]), torch.tensor([[4, 5, 4], [5, 6, 7]])], 1)
    h, order = torch.randn(8, 1).double(), torch.tensor([2, 0, 3, 1, 5, 7, 4, 6])
    with pytest.raises(ValueError, match="'ei': expected the name edge_index, or levels="):
        FrameAveraging(Renamed(), CanonicalFrame())(h, ei, batch)
    model = FrameAveraging(Renamed(), CanonicalFrame(), levels={"h": "node", "ei": "index"})
    moved = model(h[order], torch.argsort(order)[ei], batch)
    assert torch.allclose(model(h, ei, batch), moved, atol=1e-12)


def test_all_matrices_are_read():
    class Two(nn.Module):
        def forward(self, x, adj, adj2):
            place = torch.arange(len(x)).double()
            return (place @ adj @ place + (place @ adj2 @ place).sin() * 3).reshape(1)

    model = FrameAveraging(Two(), CanonicalFrame())
    x, adj = torch.ones(5, 1).double(), 1 - torch.eye(5).double()
    adj2 = torch.zeros(5, 5).double()
    adj2[0, 1] = adj2[2, 3] = adj2[3, 4] = 1.0
    order = torch.randperm(5)
    moved = model(x[order], adj[order][:, order], adj2[order][:, order])
    assert torch.allclose(model(x, adj, adj2), moved, atol=1e-12)

    class Unnamed(nn.Module):
        def forward(self, x, weights):
            return weights.sum().reshape(1)

    with pytest.raises(ValueError, match="'weights': expected a name with 'adj' for a matrix of pairs"):
        FrameAveraging(Unnamed(), CanonicalFrame())(x, adj)


def test_dense_batches_are_refused():
    class Dense(nn.Module):
        def forward(self, x, adj):
            return x.sum((1, 2))

    with pytest.raises(ValueError, match="batches of dense matrices cannot be permuted"):
        FrameAveraging(Dense(), CanonicalFrame())(torch.ones(3, 5, 2), torch.ones(3, 5, 5))


class Sees(nn.Module):
    """Keeps what it was called with."""

    def forward(self, data):
        self.data = data
        place = torch.arange(data.num_nodes).double()
        return (place * data.x[:, 0]).sum().reshape(1) + (
            place[data.edge_index[0]] * 3 + place[data.edge_index[1]]
        ).sin().sum()


@pytest.mark.parametrize(
    "name", ["y", "label", "labels", "target", "node_y", "y_true", "is_target", "train_mask"]
)
def test_targets_do_not_decide_the_order(name):
    data = ring(6, x=torch.ones(6, 1).double())
    data.edge_index = torch.cat([data.edge_index, data.edge_index.flip(0)], 1)
    model = FrameAveraging(Sees(), CanonicalFrame())
    outputs = set()
    for _ in range(5):
        data[name] = torch.randint(0, 5, (6,)) if "mask" not in name else torch.rand(6) < 0.5
        outputs.add(model(data).item())
    assert len(outputs) == 1


def test_link_prediction_keeps_pairs_and_labels_together():
    torch.manual_seed(0)
    n = 12
    upper = (torch.rand(n, n) < 0.4).triu(1)
    edges = (upper | upper.T).nonzero().t()
    data = Data(x=torch.randn(n, 2).double(), edge_index=edges)
    train = RandomLinkSplit(num_val=0.2, num_test=0.2, is_undirected=True)(data)[0]
    fits = {
        tuple(pair): label
        for pair, label in zip(train.edge_label_index.t().tolist(), train.edge_label.tolist(), strict=True)
    }
    model = FrameAveraging(Sees(), CanonicalFrame())
    before = model(train)
    seen = model.model.data
    back = (seen.x[:, None] == data.x).all(-1).long().argmax(1).tolist()
    for (i, j), label in zip(seen.edge_label_index.t().tolist(), seen.edge_label.tolist(), strict=True):
        assert fits[back[i], back[j]] == label
    train.edge_label = 1 - train.edge_label
    assert torch.equal(model(train), before)


def test_float_features_with_index_in_their_name_are_read():
    class Refract(nn.Module):
        def forward(self, x, edge_index, refractive_index):
            return (refractive_index * torch.arange(len(x))).sum().reshape(1)

    data, n = ring(6), torch.rand(6)
    data.edge_index = data.edge_index[:, :-1]
    order = torch.randperm(6)
    model = FrameAveraging(Refract(), CanonicalFrame())
    moved = model(data.x[order], torch.argsort(order)[data.edge_index], n[order])
    assert torch.allclose(model(data.x, data.edge_index, n), moved)


def test_numbers_of_nodes_along_the_first_axis():
    class Pairs(Data):
        def __inc__(self, key, value, *args, **kwargs):
            return self.num_nodes if key == "pairs" else super().__inc__(key, value, *args, **kwargs)

        def __cat_dim__(self, key, value, *args, **kwargs):
            return 0 if key == "pairs" else super().__cat_dim__(key, value, *args, **kwargs)

    class OfPairs(nn.Module):
        def forward(self, data):
            rows = (data.x[data.pairs[:, 0]] * data.x[data.pairs[:, 1]]).sum(1)
            return torch.zeros(2).double().index_add_(0, data.batch[data.pairs[:, 0]], rows)

    graphs = [
        Pairs(x=torch.randn(n, 2).double(), edge_index=ring(n).edge_index, pairs=torch.randint(0, n, (4, 2)))
        for n in (5, 7)
    ]
    batch = Batch.from_data_list(graphs)
    assert torch.allclose(FrameAveraging(OfPairs(), CanonicalFrame())(batch), OfPairs()(batch))


def test_no_node_stays_no_node():
    class Pool(nn.Module):
        def forward(self, x, edge_index, pool):
            return (x[pool.clamp(min=0)] * (pool >= 0)[..., None]).sum().reshape(1)

    data = ring(6, x=torch.randn(6, 1))
    model = FrameAveraging(Pool(), CanonicalFrame(), levels={"pool": "index"})
    for pool in (torch.tensor([3, -1, 5]), torch.tensor([[3, -1, 2], [-1, -1, 0]])):
        assert torch.allclose(model(data.x, data.edge_index, pool), Pool()(data.x, data.edge_index, pool))


def test_frames_of_other_graphs_are_refused():
    model, frame = FrameAveraging(Weigh(), CanonicalFrame()), CanonicalFrame()
    batch = Batch.from_data_list([ring(4), ring(2), ring(4)])
    for sizes in ([2, 4, 4], [4, 4, 2]):
        other = Batch.from_data_list([ring(n) for n in sizes])
        with pytest.raises(ValueError, match="frames: expected frames of this batch"):
            model(batch, frames=frame(other.edge_index, other.x, batch=other.batch))
    more = Batch.from_data_list([ring(4), ring(2), ring(4)])
    given = frame(more.edge_index, more.x, torch.ones(10), more.batch)
    batch.edge_index = batch.edge_index[:, :-1]
    with pytest.raises(ValueError, match="frames: expected frames of 9 edges, found 10"):
        model(batch, frames=given)


def test_reads_that_are_not_there():
    model = FrameAveraging(Weigh(), CanonicalFrame(), reads=["xx"])
    with pytest.raises(ValueError, match=r"reads: expected some of .*, found 'xx'"):
        model(ring(4))
    none = FrameAveraging(Weigh(), CanonicalFrame(), reads=[])(ring(5, x=torch.arange(5.0)[:, None]))
    assert none.shape == (1, 1)


def test_a_cell_is_not_permuted():
    class Cell(nn.Module):
        def forward(self, data):
            return data.cell[0].sum().reshape(1) + data.x.sum()

    data = ring(3, x=torch.tensor([[2.0], [0.0], [1.0]]))
    data.cell = torch.arange(9.0).view(3, 3)
    assert FrameAveraging(Cell(), CanonicalFrame())(data) == Cell()(data)


def test_soundness_of_models_with_edge_features():
    class Edges(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Linear(8, 10)

        def forward(self, x, edge_index, edge_attr, batch):
            key = (
                places(batch)[edge_index[0]] * 5 + places(batch)[edge_index[1]] * 3 + edge_attr[:, 0] * 7
            ) % 8
            code = torch.nn.functional.one_hot(key.long(), 8).to(x)
            return self.mix(
                torch.zeros(int(batch.max()) + 1, 8).to(x).index_add_(0, batch[edge_index[0]], code)
            )

    graphs = Batch.from_data_list([ring(6, attr=torch.randint(0, 2, (6, 1))) for _ in range(10)])
    inputs = ("x", "edge_index", "edge_attr")
    framed = separation(
        lambda: FrameAveraging(Edges(), CanonicalFrame()), graphs, inputs=inputs, initializations=5
    )
    assert framed.soundness == 1
    assert separation(Edges, graphs, inputs=inputs, initializations=5).soundness < 0.5


def test_stored_frames_of_graphs_without_edges_and_of_one_graph():
    add, model = AddFrames(CanonicalFrame()), FrameAveraging(Weigh(), CanonicalFrame())
    atom = Data(
        x=torch.ones(1, 1), edge_index=torch.zeros(2, 0, dtype=torch.long), edge_attr=torch.zeros(0, 1)
    )
    graphs = [ring(5, attr=torch.rand(5, 1)), atom, ring(4, attr=torch.rand(4, 1))]
    plain = torch.cat([model(one) for one in graphs])
    stored = [add(one) for one in graphs]
    batch = Batch.from_data_list(stored)
    assert torch.allclose(model(batch, frames=data_frames(batch)), plain)
    assert torch.allclose(model(stored[0], frames=data_frames(stored[0])), plain[:1])


def test_sparse_matrices_stay_coalesced():
    class Indices(nn.Module):
        def forward(self, adj):
            return adj.indices().double().sum().reshape(1) * 0 + adj.values().sum()

    adj = (1 - torch.eye(4)).to_sparse()
    assert FrameAveraging(Indices(), CanonicalFrame())(adj) == 12


def test_many_frames_cost_no_time_on_small_graphs():
    frames = SpectralFrame(max_frames=10**6)(ring(3).edge_index)
    assert frames.num_frames <= 6
