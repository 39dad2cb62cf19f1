"""The canonical frame on arbitrary batches: any order of nodes and edges, features, hard graphs."""

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from fa_pyg import CanonicalFrame, RandomNodeFrame, SpectralFrame
from fa_pyg.builders.graphs import graphs_of
from fa_pyg.datasets import GRAPH8c, cfi_pair, rook, shrikhande


def form(frames):
    """The graphs in their frames: edges, and the numbers of the nodes of each."""
    return frames.edges_in_frame()


def relabelled(data, seed):
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(data.num_nodes, generator=draw)
    mix = torch.randperm(data.num_edges, generator=draw)
    return torch.argsort(order)[data.edge_index][:, mix]


def cycle(n):
    i = torch.arange(n)
    return to_undirected(torch.stack([i, (i + 1) % n]))


def complete(n):
    return (1 - torch.eye(n)).nonzero().t()


@pytest.mark.parametrize(
    "make", [rook, shrikhande, lambda: cfi_pair(complete(4))[1]], ids=["rook", "S", "CFI"]
)
def test_twenty_relabellings_have_one_form(make):
    data = make() if make is not rook else rook(4)
    frame, n = CanonicalFrame(), data.num_nodes
    forms = {tuple(form(frame(relabelled(data, seed), num_nodes=n)).flatten().tolist()) for seed in range(20)}
    assert len(forms) == 1


def test_forms_distinguish_hard_pairs():
    frame = CanonicalFrame()
    for a, b in ((rook(4), shrikhande()), cfi_pair(complete(4))):
        assert a.num_edges == b.num_edges
        assert not torch.equal(form(frame(a.edge_index)), form(frame(b.edge_index)))


def test_all_small_graphs_differ(tmp_path):
    """The 112 connected graphs on six nodes, each with a copy: 112 forms."""
    graphs = list(GRAPH8c(tmp_path, n=6))
    edges = [one.edge_index for one in graphs] + [relabelled(one, i) for i, one in enumerate(graphs)]
    frame = CanonicalFrame()
    forms = [tuple(form(frame(one, num_nodes=6)).flatten().tolist()) for one in edges]
    assert len(set(forms[:112])) == 112
    assert forms[:112] == forms[112:]


def test_batches_with_mixed_nodes_and_edges():
    draw = torch.Generator().manual_seed(0)
    edges = [cycle(5), complete(4), cycle(7)]
    begin = [0, 5, 9]
    together = torch.cat([one + b for one, b in zip(edges, begin, strict=True)], 1)
    batch = torch.tensor([0] * 5 + [1] * 4 + [2] * 7)
    x = torch.randint(0, 2, (16, 1), generator=draw)
    order, mix = (torch.randperm(n, generator=draw) for n in (16, together.size(1)))
    frame = CanonicalFrame()
    plain = frame(together, x, batch=batch)
    mixed = frame(torch.argsort(order)[together][:, mix], x[order], batch=batch[order])
    assert torch.equal(plain.sizes, mixed.sizes)
    assert torch.equal(local_form(plain, x), local_form(mixed, x[order]))


def local_form(frames, x):
    """Rows (graph, tail, head) of all edges, then (graph, place, feature) of all nodes."""
    edges, local, batch = frames.edges_in_frame(), frames.numbers.local, frames.batch
    rows = torch.stack([batch[edges[0]], local[edges[0]], local[edges[1]]], 1)
    nodes = torch.stack([batch, local, frames.to_frame(x)[:, 0]], 1)
    return torch.cat([torch.unique(rows, dim=0), torch.unique(nodes, dim=0)])


def test_orbits_are_numbered_within_their_graphs():
    batch = torch.tensor([0, 0, 0, 1, 1, 1])
    path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    frames = CanonicalFrame()(torch.cat([path, path + 3], 1), batch=batch)
    assert frames.orbit.tolist() == [0, 1, 0, 0, 1, 0]
    assert frames.edge_orbit[:4].unique().numel() == 2
    assert torch.equal(frames.edge_orbit[:4], frames.edge_orbit[4:])
    assert frames.exact_for().all()


def test_features_split_orbits():
    frames = CanonicalFrame()(cycle(6), torch.tensor([1, 0, 0, 0, 0, 0]))
    assert len(frames.orbit.unique()) == 4
    edge = cycle(6)
    one = ((edge == 0).any(0) & (edge == 1).any(0)).long()
    assert len(CanonicalFrame()(edge, edge_attr=one).orbit.unique()) == 3


def test_large_and_symmetric_graphs_end():
    star = to_undirected(torch.stack([torch.zeros(499, dtype=torch.long), torch.arange(1, 500)]))
    frames = CanonicalFrame()(star)
    assert len(frames.orbit.unique()) == 2
    assert len(CanonicalFrame()(complete(60)).orbit.unique()) == 1
    assert len(CanonicalFrame()(torch.zeros(2, 0, dtype=torch.long), num_nodes=300).orbit.unique()) == 1


def test_loops_parallel_and_directed_edges():
    loop = torch.tensor([[0, 1, 2, 2], [1, 2, 0, 2]])
    assert len(CanonicalFrame()(loop).orbit.unique()) == 3
    twice = torch.tensor([[0, 0, 1], [1, 1, 2]])
    forms = {
        tuple(form(CanonicalFrame()(torch.argsort(p)[twice])).flatten().tolist())
        for p in (torch.randperm(3) for _ in range(10))
    }
    assert len(forms) == 1


def test_no_graph_and_graphs_without_nodes():
    none = torch.zeros(2, 0, dtype=torch.long)
    assert CanonicalFrame()(none, num_nodes=0).num_frames == 1
    frames = CanonicalFrame()(none, batch=torch.tensor([1]), num_graphs=3)
    assert frames.sizes.tolist() == [0, 1, 0]


def test_a_first_frame_decides_and_ties_are_exact():
    torch.manual_seed(0)
    for data in (rook(4), relabelled_tree()):
        frame, n = CanonicalFrame(first=SpectralFrame()), data.num_nodes
        ranks = SpectralFrame().ranks(graphs_of(data.edge_index, num_nodes=n))
        assert bool((ranks[frame(data.edge_index).order].diff() >= 0).all())
        forms = {
            tuple(form(frame(relabelled(data, seed), num_nodes=n)).flatten().tolist()) for seed in range(20)
        }
        assert len(forms) == 1


def relabelled_tree():
    """Four equal branches of two lengths: ties that the spectrum cannot break."""
    pairs = torch.tensor([[0, 1, 0, 3, 0, 5, 0, 6], [1, 2, 3, 4, 5, 7, 6, 8]])
    return Data(edge_index=to_undirected(pairs), num_nodes=9)


def test_features_come_first():
    x = torch.tensor([[2.0], [0.0], [1.0], [0.0], [3.0]])
    assert x[CanonicalFrame()(cycle(5), x).order].flatten().tolist() == [0, 0, 1, 2, 3]


def test_bad_first():
    with pytest.raises(ValueError, match="first: expected a SpectralFrame or None"):
        CanonicalFrame(first=RandomNodeFrame())
