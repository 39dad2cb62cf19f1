"""Outputs of pairs of nodes come back in the order of the pairs, whatever else has as many rows."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import RandomLinkSplit

from fa_pyg import (
    CanonicalFrame,
    FrameAveraging,
    PCAFrame,
    RandomNodeFrame,
    SpectralFrame,
    WeightedPCAFrame,
)

D = torch.float64
X = torch.tensor([[3.0], [1.0], [2.0]], dtype=D)
EDGES = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
PAIRS = torch.tensor([[0, 1, 0, 2], [1, 2, 2, 0]])
RIGHT = [2.0, -1.0, 1.0, -1.0]  # x_i - x_j, pair by pair
FRAMES = [
    CanonicalFrame(),
    SpectralFrame(),
    RandomNodeFrame(k=3),
    CanonicalFrame(first=SpectralFrame()),
]


class Score(nn.Module):
    def forward(self, x, edge_index, edge_label_index):
        return (x[edge_label_index[0]] - x[edge_label_index[1]]).squeeze(1)


class Positive(nn.Module):
    def forward(self, x, edge_index, pos_edge_index):
        return (x[pos_edge_index[0]] - x[pos_edge_index[1]]).squeeze(1)


class Renamed(nn.Module):
    def forward(self, x, edge_index, links):
        return (x[links[0]] - x[links[1]]).squeeze(1)


@pytest.mark.parametrize("frame", FRAMES, ids=str)
@pytest.mark.parametrize(
    ("net", "name"), [(Score, "edge_label_index"), (Positive, "pos_edge_index"), (Renamed, "links")]
)
def test_as_many_pairs_as_edges(net, name, frame):
    levels = {name: "index"} if name == "links" else None
    for level in ("edge", name):
        model = FrameAveraging(net(), frame, level=level, levels=levels)
        assert model(X, EDGES, PAIRS).tolist() == pytest.approx(RIGHT)
        for count in (1, 3):  # fewer, and none
            assert model(X, EDGES, PAIRS[:, :count]).tolist() == pytest.approx(RIGHT[:count])
        assert model(X, EDGES, PAIRS[:, :0]).shape == (0,)


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_as_many_pairs_as_nodes(frame):
    pairs = PAIRS[:, :3]
    model = FrameAveraging(Score(), frame, level="edge_label_index")
    assert model(X, EDGES, pairs).tolist() == pytest.approx(RIGHT[:3])
    with pytest.raises(ValueError, match="its rows may be those of 'edge_label_index'"):
        FrameAveraging(Score(), frame)(X, EDGES, pairs)


class OfData(nn.Module):
    def forward(self, data):
        i, j = data.edge_label_index
        tail, head = data.edge_index
        return (data.x[i] - data.x[j]).sum(1), (data.x[tail] - data.x[head]).sum(1), data.edge_label


def split(n, seed, directed=False):
    draw = torch.Generator().manual_seed(seed)
    upper = (torch.rand(n, n, generator=draw) < 0.4).triu(1)
    edges = (upper if directed else upper | upper.T).nonzero().t()
    data = Data(x=torch.randn(n, 2, generator=draw, dtype=D), edge_index=edges)
    return RandomLinkSplit(num_val=0.1, num_test=0.1, is_undirected=not directed)(data)[0]


@pytest.mark.parametrize("frame", FRAMES, ids=str)
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("sizes", [[12], [9, 12, 7]])
def test_link_splits(sizes, directed, frame):
    """Pairs, edges and labels each in their own rows: what the model says is the same in every order."""
    torch.manual_seed(0)
    batch = Batch.from_data_list([split(n, i, directed) for i, n in enumerate(sizes)])
    batch.edge_label = batch.edge_label.double()
    level = ("edge_label_index", "edge_index", "edge_label_index")
    model = FrameAveraging(OfData(), frame, output=("scalar",) * 3, level=level)
    for found, right in zip(model(batch), OfData()(batch), strict=True):
        assert torch.allclose(found, right)


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_edges_and_pairs_in_batches_with_other_splits(frame):
    """As many edges as pairs in all, not graph by graph: only a name tells."""
    graphs = [
        Data(x=X[:n], edge_index=EDGES[:, :e], edge_label_index=PAIRS[:, :p], edge_label=torch.ones(p).to(D))
        for n, e, p in ((3, 4, 3), (3, 3, 4))
    ]
    batch = Batch.from_data_list(graphs)
    levels = ("edge_label_index", "edge_index", "edge_label_index")
    model = FrameAveraging(OfData(), frame, output=("scalar",) * 3, level=levels)
    for found, right in zip(model(batch), OfData()(batch), strict=True):
        assert torch.allclose(found, right)
    with pytest.raises(
        ValueError, match="expected 'edge_index' or 'edge_label_index', which have as many rows"
    ):
        FrameAveraging(OfData(), frame, output=("scalar",) * 3, level="edge")(batch)


def test_edges_of_symmetric_graphs_and_pairs_need_a_name():
    ring, x = torch.arange(6), torch.ones(6, 1, dtype=D)
    edges = torch.cat([torch.stack([ring, (ring + 1) % 6]), torch.stack([(ring + 1) % 6, ring])], 1)
    model = FrameAveraging(Score(), CanonicalFrame(), level="edge")
    with pytest.raises(ValueError, match=r"level of output: expected 'edge_index' or 'edge_label_index'"):
        model(x, edges, torch.zeros_like(edges))  # its mirror image is left to the ring
    assert model(x, edges, edges.flip(1)).abs().max() == 0  # nothing is left


class Places(nn.Module):
    """Scores that know the numbers of the nodes."""

    def forward(self, x, edge_index, edge_label_index):
        place = torch.arange(len(x)).to(x)
        h = x + place[:, None].sin()
        h = h + torch.zeros_like(h).index_add(0, edge_index[1], h[edge_index[0]])
        i, j = edge_label_index
        return (h[i] - 2 * h[j]).squeeze(1), (h[i] * h[j]).sum().reshape(1)


SYMMETRIC = {
    "ring": torch.stack([torch.arange(7), (torch.arange(7) + 1) % 7]),
    "star": torch.stack([torch.zeros(6, dtype=torch.long), torch.arange(1, 7)]),
    "pairs": torch.tensor([[0, 2, 4], [1, 3, 5]]),
    "none": torch.zeros(2, 0, dtype=torch.long),
}


@pytest.mark.parametrize("frame", [CanonicalFrame(), CanonicalFrame(first=SpectralFrame())], ids=str)
@pytest.mark.parametrize("name", SYMMETRIC)
def test_pairs_of_symmetric_graphs(name, frame):
    """An automorphism that moves the pairs makes another input: it is none of the frame's."""
    torch.manual_seed(0)
    edges, x = SYMMETRIC[name], torch.ones(7, 1, dtype=D)
    edges = torch.cat([edges, edges.flip(0)], 1)
    pairs = torch.tensor([[0, 1, 5, 3, 6], [2, 4, 1, 3, 0]])
    options = {"output": ("scalar", "scalar"), "level": ("edge_label_index", "graph")}
    model, worst = FrameAveraging(Places(), frame, **options), 0
    plain, bare = model(x, edges, pairs), Places()(x, edges, pairs)
    for _ in range(10):
        place = torch.randperm(7)
        moved = model(x, place[edges][:, torch.randperm(edges.size(1))], place[pairs])
        assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(moved, plain, strict=True))
        worst = max(worst, (Places()(x, place[edges], place[pairs])[0] - bare[0]).abs().max().item())
    assert worst > 0.1  # the bare model knows the numbers


def cloud(sizes, seed=0):
    draw = torch.Generator().manual_seed(seed)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    start = torch.tensor([0, *sizes]).cumsum(0)[:-1].tolist()
    pos = torch.randn(len(batch), 3, generator=draw, dtype=D)
    return pos, batch, start


class Directions(nn.Module):
    """A vector for each pair, which is that of the pair's own graph."""

    def forward(self, pos, edge_index, edge_label_index, batch):
        mean = torch.zeros(int(batch.max()) + 1, 3, dtype=D).index_add(0, batch, pos)
        i, j = edge_label_index
        return (pos[j] - pos[i]).sin() + mean[batch[i]].cos()


@pytest.mark.parametrize("chunk", [None, 1, 2, 8])
@pytest.mark.parametrize("frame", [WeightedPCAFrame("E(3)"), PCAFrame("E(3)")], ids=str)
@pytest.mark.parametrize("counts", [(5, 2), (4, 3), (3, 4)])
def test_pairs_of_molecules_with_as_many_frames_as_each_needs(counts, frame, chunk):
    """Against the graphs one by one; the line has fewer frames than the others, or weights."""
    pos, batch, (first, second, third) = cloud([4, 3, 5])
    pos[second:third] = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 3]], dtype=D)
    pos[first : first + 4] *= torch.tensor([1, 1, 0], dtype=D)
    g, (a, b) = torch.Generator().manual_seed(1), counts
    edges = torch.cat(
        [torch.randint(0, 4, (2, 4), generator=g), 4 + torch.randint(0, 3, (2, 3), generator=g)], 1
    )
    pairs = torch.cat(
        [torch.randint(0, 4, (2, a), generator=g), 7 + torch.randint(0, 5, (2, b), generator=g)], 1
    )
    model = FrameAveraging(Directions(), frame, output="vector", chunk=chunk, level="edge_label_index")
    found, zeros = model(pos, edges, pairs, batch), torch.zeros
    alone = FrameAveraging(Directions(), frame, output="vector", level="edge_label_index")
    right = [
        alone(pos[:4], edges[:, :4], pairs[:, :a], zeros(4, dtype=torch.long)),
        alone(pos[7:], edges[:, :0], pairs[:, a:] - 7, zeros(5, dtype=torch.long)),
    ]
    assert torch.allclose(found, torch.cat(right), atol=1e-12)
    by_size = FrameAveraging(Directions(), frame, output="vector", chunk=chunk, level="edge")
    if counts in [(5, 2), (3, 4)] and isinstance(frame, PCAFrame):
        with pytest.raises(ValueError, match="'edge_index' or 'edge_label_index', which have as many rows"):
            by_size(pos, edges[:, :7], pairs, batch)


@pytest.mark.parametrize("chunk", [None, 1, 2, 8])
@pytest.mark.parametrize("count", [3, 4, 6])
def test_the_number_of_rows_tells_pairs_from_edges(count, chunk):
    pos, batch, _ = cloud([4, 3])
    edges, pairs = (
        torch.tensor([[0, 1, 4, 5], [1, 2, 5, 6]]),
        torch.tensor([[0, 1, 6, 6, 5, 4]] * 2)[:, :count],
    )
    pairs[1] = pairs[1].flip(0) if count == 6 else torch.tensor([2, 0, 4, 5])[:count]
    pairs[1, pairs[0] < 4], pairs[1, pairs[0] >= 4] = 3, 4
    named, by_size = (
        FrameAveraging(Directions(), WeightedPCAFrame("E(3)"), output="vector", chunk=chunk, level=level)
        for level in ("edge_label_index", "edge")
    )
    assert torch.allclose(by_size(pos, edges, pairs, batch), named(pos, edges, pairs, batch))
    with pytest.raises(ValueError, match="it has the rows of none of edge, edge_label_index"):
        FrameAveraging(Longer(), PCAFrame("E(3)"), level="edge")(pos, edges, pairs, batch)


class Longer(nn.Module):
    def forward(self, pos, edge_index, edge_label_index, batch):
        return pos.new_zeros(13)
