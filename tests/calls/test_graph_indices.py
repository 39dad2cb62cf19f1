"""Integers that number nodes: numbered anew with the nodes, or asked for; never taken for features."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.loader import NeighborLoader
from torch_geometric.utils import k_hop_subgraph

from fa_pyg import CanonicalFrame, FrameAveraging, PCAFrame, RandomNodeFrame, SpectralFrame, WeightedPCAFrame
from fa_pyg.testing import assert_equivariant
from fa_pyg.transforms import AddFrames, CanonicalPose, data_frames

D = torch.float64
FRAMES = [CanonicalFrame(), SpectralFrame(), RandomNodeFrame(k=4), CanonicalFrame(first=SpectralFrame())]


def tree(n, seed):
    """A rooted tree: the parent of each node, and its edges."""
    draw = torch.Generator().manual_seed(seed)
    parent = torch.tensor([-1, *(int(torch.randint(0, i, (), generator=draw)) for i in range(1, n))])
    order = torch.randperm(n, generator=draw)
    place = torch.argsort(order)
    parent = parent[order]
    parent = torch.where(parent < 0, -1, place[parent.clamp(min=0)])
    child = (parent >= 0).nonzero().squeeze(1)
    up = torch.stack([child, parent[child]])
    x = torch.randn(n, 2, generator=draw, dtype=D)
    return Data(x=x, edge_index=torch.cat([up, up.flip(0)], 1), parent=parent)


class AtRoot(nn.Module):
    def forward(self, x, edge_index, root):
        return x[root].sum(-1)


class AtMapping(nn.Module):
    def forward(self, x, edge_index, mapping):
        return (x[mapping[:1]] - 2 * x[mapping[1:]]).sum(1)


class ToParents(nn.Module):
    def forward(self, x, edge_index, parent):
        return x - torch.where(parent < 0, 0, 1)[:, None] * x[parent.clamp(min=0)]


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_declared_node_indices_follow_the_nodes(frame):
    data = tree(9, 0)
    for root in (torch.tensor(4), torch.tensor([4]), torch.tensor([4, 0, 4]), torch.tensor([[4], [2]])):
        model = FrameAveraging(
            AtRoot(), frame, levels={"root": "index"}, level="root" if root.dim() == 1 else "graph"
        )
        expected = AtRoot()(data.x, data.edge_index, root)
        if root.dim() < 2:
            assert torch.allclose(model(data.x, data.edge_index, root), expected)
    model = FrameAveraging(ToParents(), frame, levels={"parent": "node_index"})
    expected = ToParents()(data.x, data.edge_index, data.parent)
    assert torch.allclose(model(data.x, data.edge_index, data.parent), expected)
    nodes, edges, mapping, _ = k_hop_subgraph([5, 1], 3, data.edge_index, relabel_nodes=True)
    for level in ("index",):
        model = FrameAveraging(AtMapping(), frame, levels={"mapping": level}, level="graph")
        assert torch.allclose(
            model(data.x[nodes], edges, mapping), AtMapping()(data.x[nodes], edges, mapping)
        )


@pytest.mark.parametrize("net", [AtRoot(), AtMapping(), ToParents()])
def test_integers_that_may_be_node_indices_are_asked_for(net):
    data = tree(9, 0)
    numbers = data.parent if isinstance(net, ToParents) else torch.tensor([3, 7])
    for kind in (torch.int64, torch.int32):
        with pytest.raises(ValueError, match=r"expected a declaration of these integers.*node_index"):
            FrameAveraging(net, CanonicalFrame())(data.x, data.edge_index, numbers.to(kind))
    with pytest.raises(ValueError, match=r"expected a tensor, or a declaration of these integers"):
        FrameAveraging(net, CanonicalFrame())(data.x, data.edge_index, numbers.tolist())


def test_what_names_make_features_is_not_asked_for():
    class Any(nn.Module):
        def forward(self, x, edge_index, **features):
            return sum(f.double().sum() for f in features.values()).reshape(1)

    data = tree(9, 0)
    few, edges = torch.randint(0, 3, (9,)), torch.randint(0, 3, (16,))
    nodes = (
        "z",
        "Z",
        "h",
        "y",
        "atomic_num",
        "atom_type",
        "atomic_numbers",
        "species",
        "charge",
        "degree",
        "node_mask",
        "color",
    )
    found = FrameAveraging(Any(), CanonicalFrame())(
        data.x,
        data.edge_index,
        **dict.fromkeys(nodes, few),
        edge_attr=edges,
        edge_type=edges,
        edge_weight=edges,
    )
    assert found == len(nodes) * few.sum() + 3 * edges.sum()
    for kind in (torch.uint8, torch.int16, torch.bool):  # cannot index
        FrameAveraging(Any(), CanonicalFrame())(data.x, data.edge_index, thing=few.to(kind))
    FrameAveraging(Any(), CanonicalFrame())(data.x, data.edge_index, thing=few + 100)


def test_rows_of_node_indices_by_their_name():
    class Index(nn.Module):
        def forward(self, x, edge_index, parent_index):
            return ToParents()(x, edge_index, parent_index)

    data = tree(9, 0)
    with pytest.raises(
        ValueError, match=r"'parent_index': expected a declaration of these 9 rows.*node_index"
    ):
        FrameAveraging(Index(), CanonicalFrame())(data.x, data.edge_index, data.parent)
    model = FrameAveraging(Index(), CanonicalFrame(), levels={"parent_index": "node_index"})
    expected = ToParents()(data.x, data.edge_index, data.parent)
    assert torch.allclose(model(data.x, data.edge_index, data.parent), expected)


class OfData(nn.Module):
    """Local and counted numbers, as PyG collates them."""

    def forward(self, data):
        start = data.ptr[:-1] if data.get("ptr") is not None else torch.zeros(1, dtype=torch.long)
        batch = torch.zeros(data.num_nodes, dtype=torch.long) if data.batch is None else data.batch
        parent = torch.where(data.parent < 0, -1, data.parent + start[batch])
        roots = data.x[data.root + start]
        return roots, ToParents()(data.x, data.edge_index, parent), data.x[data.anchor_index]


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_numbers_within_each_graph_of_a_batch(frame):
    graphs = [tree(n, i) for i, n in enumerate((6, 9, 1, 6))]
    for one in graphs:
        one.root, one.anchor_index = torch.tensor([one.num_nodes // 2]), torch.tensor([0, one.num_nodes - 1])
    levels = {"root": "index", "parent": "node_index"}
    options = {"output": ("scalar",) * 3, "level": ("graph", "node", "anchor_index"), "levels": levels}
    model = FrameAveraging(OfData(), frame, **options)
    batch = Batch.from_data_list(graphs)
    for found, right in zip(model(batch), OfData()(batch), strict=True):
        assert torch.allclose(found, right)
    for k, one in enumerate(graphs):
        for found, right in zip(model(one), OfData()(one), strict=True):
            assert torch.allclose(found, right), k
    with pytest.raises(ValueError, match=r"'(root|parent)': expected a declaration of these integers"):
        FrameAveraging(OfData(), frame, **options | {"levels": None})(batch)


def symmetric(n=6):
    i = torch.arange(n)
    edges = torch.stack([i, (i + 1) % n])
    return torch.ones(n, 1, dtype=D), torch.cat([edges, edges.flip(0)], 1)


class KnowsPlaces(nn.Module):
    def forward(self, x, edge_index, root, batch=None):
        place = torch.arange(len(x)).to(x)
        h = x + (1 + place[:, None]).sin()
        h = h + torch.zeros_like(h).index_add(0, edge_index[1], h[edge_index[0]])
        return h[root].sum(1), h


@pytest.mark.parametrize("frame", [CanonicalFrame(), CanonicalFrame(first=SpectralFrame())], ids=str)
@pytest.mark.parametrize("root", [[0], [3, 1], [2, 2, 4], []])
def test_a_root_breaks_the_symmetry_of_its_graph(root, frame):
    x, edges = symmetric()
    root = torch.tensor(root, dtype=torch.long)
    options = {"output": ("scalar", "scalar"), "level": ("root", "node"), "levels": {"root": "index"}}
    model = FrameAveraging(KnowsPlaces(), frame, **options)
    inputs = {"x": x, "edge_index": edges, "root": root}
    told = {key: options[key] for key in options}
    assert_equivariant(model, inputs, "S(n)", tol=1e-12, trials=10, **told)
    with pytest.raises(AssertionError):
        assert_equivariant(KnowsPlaces(), inputs, "S(n)", tol=1e-2, trials=10, **told)


def test_a_batch_is_its_graphs_whichever_are_marked():
    x, edges = symmetric()
    model = FrameAveraging(OfBatch(), CanonicalFrame(), levels={"root": "index"}, level="graph")
    graphs = [Data(x=x, edge_index=edges, root=torch.arange(k)) for k in (0, 2, 0, 3)]
    together = model(Batch.from_data_list(graphs))
    assert torch.allclose(together, torch.cat([model(one) for one in graphs]), atol=1e-12)
    plain = [Data(x=x, edge_index=edges) for _ in range(2)]
    assert torch.allclose(
        FrameAveraging(OfBatch(), CanonicalFrame())(Batch.from_data_list(plain)), together[0]
    )


class OfBatch(nn.Module):
    def forward(self, data):
        batch = torch.zeros(data.num_nodes, dtype=torch.long) if data.batch is None else data.batch
        place = torch.arange(len(batch)) - torch.searchsorted(batch, batch)
        tail, head = data.edge_index
        out = torch.zeros(int(batch.max()) + 1, dtype=D)
        return out.index_add(0, batch[tail], (place[tail] * 3.0 + place[head]).sin().to(D))


@pytest.mark.parametrize("frame", FRAMES[:3], ids=str)
def test_transforms_number_anew(frame):
    data = tree(9, 0)
    data.root = torch.tensor([4])
    levels = {"root": "index", "parent": "node_index"}
    posed = CanonicalPose(frame, levels=levels)(data.clone())
    assert torch.equal(posed.x[posed.root], data.x[data.root])
    stored = AddFrames(frame, levels=levels)(data.clone())
    net = ToParents()
    model = FrameAveraging(Takes(net), frame, levels=levels)
    assert torch.allclose(model(stored, frames=data_frames(stored)), net(data.x, None, data.parent))
    with pytest.raises(ValueError, match="expected a declaration"):
        CanonicalPose(frame)(data.clone())


class Takes(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, data):
        return self.net(data.x, data.edge_index, data.parent)


@pytest.mark.parametrize("value", [3, [3], torch.tensor([3.0]), "text"])
def test_declared_node_indices_are_integers(value):
    data = tree(9, 0)
    with pytest.raises(ValueError, match="'root': expected node indices in a tensor of int64"):
        FrameAveraging(AtRoot(), CanonicalFrame(), levels={"root": "index"})(data.x, data.edge_index, value)
    with pytest.raises(ValueError, match=r"root: expected nodes from 0 to 8, found 9 to 9"):
        FrameAveraging(AtRoot(), CanonicalFrame(), levels={"root": "index"})(
            data.x, data.edge_index, torch.tensor([9])
        )
    with pytest.raises(ValueError, match=r"'parent': expected a row for each node, \[9, ...\], found \[8\]"):
        FrameAveraging(ToParents(), CanonicalFrame(), levels={"parent": "node_index"})(
            data.x, data.edge_index, data.parent[:8]
        )


def test_seeds_of_a_sampled_batch():
    data = tree(30, 0)
    del data.parent
    loader = NeighborLoader(data, num_neighbors=[2], batch_size=4) if _has_sampler() else None
    sampled = next(iter(loader)) if loader else Data(x=data.x, edge_index=data.edge_index, batch_size=4)

    class Seeds(nn.Module):
        def forward(self, data):
            return data.x[: data.batch_size]

    levels = {"input_id": "shared"} if "input_id" in sampled else None
    with pytest.raises(ValueError, match="batch_size: expected the number of graphs, 1, found 4"):
        FrameAveraging(Seeds(), CanonicalFrame(), levels=levels)(sampled)


def _has_sampler():
    import torch_geometric.typing as have

    return have.WITH_PYG_LIB or have.WITH_TORCH_SPARSE


class Anchored(nn.Module):
    """Distances from one node of each molecule."""

    def forward(self, pos, anchors, batch):
        away = (pos - pos[anchors][batch]).square().sum(1)
        return torch.zeros(len(anchors), dtype=D).index_add(0, batch, away.cos() + pos[:, 0].sin())


@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), WeightedPCAFrame("E(3)")], ids=str)
@pytest.mark.parametrize("chunk", [2, 8])
def test_node_indices_in_copies(frame, chunk):
    torch.manual_seed(0)
    pos, batch = torch.randn(9, 3, dtype=D), torch.tensor([0] * 4 + [1] * 2 + [2] * 3)
    anchors = torch.tensor([2, 5, 6])
    with pytest.raises(ValueError, match="'anchors': expected a declaration of these integers"):
        FrameAveraging(Anchored(), frame, chunk=chunk)(pos, anchors, batch)
    model = FrameAveraging(Anchored(), frame, chunk=chunk, levels={"anchors": "index"})
    found, first = model(pos, anchors, batch), [0, 4, 6]
    for b in range(3):
        alone = model(pos[batch == b], anchors[b : b + 1] - first[b], torch.zeros_like(batch[batch == b]))
        assert torch.allclose(found[b], alone[0], atol=1e-12)


class Atoms(nn.Module):
    def forward(self, pos, batch, kind):
        return torch.zeros(int(batch.max()) + 1, dtype=D).index_add(0, batch, kind * pos.sin().sum(1))


def test_declared_features_are_copied_as_rows():
    torch.manual_seed(0)
    pos, batch = torch.randn(9, 3, dtype=D), torch.tensor([0] * 4 + [1] * 2 + [2] * 3)
    kind = torch.randint(0, 3, (9,))
    one, many = (FrameAveraging(Atoms(), PCAFrame("E(3)"), chunk=k, levels={"kind": "node"}) for k in (1, 8))
    assert torch.allclose(one(pos, batch, kind), many(pos, batch, kind))
