"""Dense parts hold what PyG's dense tensors hold, and bound the padding."""

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.utils import to_dense_adj, to_dense_batch

from fa_pyg.models.graphs.dense import dense_batches, in_order


@pytest.mark.parametrize("at_once", [1, 400, 1 << 20])
def test_equals_pyg(ragged, at_once):
    batch = ragged((5, 1, 9, 12, 2, 9, 17, 12))
    weight = torch.randn(batch.num_edges, 3, dtype=torch.float64)
    matrices = to_dense_adj(batch.edge_index, batch.batch, weight)
    nodes, masks = to_dense_batch(batch.x, batch.batch)
    parts = dense_batches(batch.edge_index, batch.batch, at_once=at_once)
    assert sorted(torch.cat([part.graphs for part in parts]).tolist()) == [*range(8)]
    for part in parts:
        n, own = min(part.size, 17), part.graphs
        assert torch.equal(part.edges(weight)[:, :n, :n], matrices[own, :n, :n])
        assert torch.equal(part.nodes(batch.x)[:, :n], nodes[own, :n])
        assert torch.equal(part.mask[:, :n], masks[own, :n])
        assert part.full == bool(part.mask.all())
        for rest in (part.edges(weight)[:, n:], part.nodes(batch.x)[:, n:], part.mask[:, n:]):
            assert not rest.any()
        assert part.diagonal.tolist() == torch.diag_embed(part.mask).flatten().nonzero().flatten().tolist()


def test_edges_given_twice_are_summed():
    edge_index = torch.tensor([[0, 0, 1], [1, 1, 1]])
    (part,) = dense_batches(edge_index, torch.zeros(2).long())
    assert part.edges(torch.tensor([1.0, 2.0, 4.0])).tolist() == [[[0, 3], [0, 4]]]


def test_padding_is_bounded_and_so_is_the_number_of_parts():
    sizes = torch.arange(1, 1025)
    batch = torch.arange(1024).repeat_interleave(sizes)
    parts = dense_batches(torch.zeros(2, 0).long(), batch, at_once=1 << 40)
    for part in parts:
        least = int(sizes[part.graphs].min())
        assert 1 - (least / part.size) ** 2 <= 0.36
        assert least > 8 or part.full
    assert len(parts) == 8 + 4 * 7  # 1 to 8, and four an octave up to 1024


def test_much_work_is_cut_into_pieces(ragged):
    batch = ragged((6,) * 10 + (30,))
    parts = dense_batches(batch.edge_index, batch.batch, at_once=100)
    assert [len(part.graphs) for part in parts] == [2, 2, 2, 2, 2, 1]


def test_one_large_graph_does_not_make_the_small_ones_large(ragged):
    batch = ragged((300,) + (5,) * 50)
    parts = dense_batches(batch.edge_index, batch.batch)
    assert sum(len(part.graphs) * part.size**2 for part in parts) == 320**2 + 50 * 25


def test_the_same_places_for_all(ragged):
    batch = ragged()
    (part,) = dense_batches(batch.edge_index, batch.batch, size=14)
    assert part.graphs.tolist() == [*range(6)]
    assert part.mask.sum(1).tolist() == [5, 1, 9, 12, 2, 9]
    with pytest.raises(ValueError, match="max_nodes = 11 nodes a graph, found 12"):
        dense_batches(batch.edge_index, batch.batch, size=11)


def test_rows_come_back_in_order(ragged):
    batch = ragged()
    parts = dense_batches(batch.edge_index, batch.batch)
    assert len(parts) > 3
    back = in_order(parts, [part.graphs.double().unsqueeze(1) for part in parts], batch.x.new_zeros(0, 1))
    assert back.flatten().tolist() == [*range(6)]


def test_no_graphs():
    none = torch.zeros(2, 0, dtype=torch.long)
    assert dense_batches(none, none[0]) == []
    assert in_order([], [], torch.zeros(0, 3)).shape == (0, 3)


def test_graphs_without_nodes(graph):
    batch = Batch.from_data_list([graph(3), graph(2)])
    parts = dense_batches(batch.edge_index, batch.batch * 2)
    assert {part.graphs.item(): int(part.mask.sum()) for part in parts} == {0: 3, 1: 0, 2: 2}
