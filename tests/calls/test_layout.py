"""Layouts: the level of each tensor of a call."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg.calls import Call, Layout, Signature


class Anything(nn.Module):
    def forward(self, **kwargs):
        return None


def layout(levels=None, **values):
    return Layout(Call(Signature(Anything()), (), values), levels)


BATCH = torch.tensor([0, 0, 1, 2, 2, 2])
EDGES = torch.tensor([[0, 1, 2, 3, 4], [1, 0, 2, 4, 3]])


def test_levels_by_size():
    one = layout(pos=torch.zeros(6, 3), batch=BATCH, edge_index=EDGES)
    sizes = {"node": 6, "graph": 3, "edge": 5}
    for level, size in sizes.items():
        assert one.level("a", torch.zeros(size, 2)) == level
    assert one.rows("a", torch.zeros(6)).body.tolist() == BATCH.tolist()
    assert one.rows("b", torch.zeros(3)).body.tolist() == [0, 1, 2]
    assert one.rows("c", torch.zeros(5)).body.tolist() == [0, 0, 1, 2, 2]
    assert one.level("cutoff", torch.tensor(1.0)) == "shared"
    with pytest.raises(
        ValueError,
        match=r"'a': expected .*found 4 rows in a batch of 6 nodes, 3 graphs, 5 edges: .*levels=.'a': ",
    ):
        one.level("a", torch.zeros(4))


def test_levels_by_name_where_sizes_meet():
    one = layout(pos=torch.zeros(5, 3), batch=BATCH[:5], edge_index=EDGES)
    assert one.level("edge_weight", torch.zeros(5)) == "edge"
    assert one.level("z", torch.zeros(5)) == one.level("pos", torch.zeros(5, 3)) == "node"
    with pytest.raises(ValueError, match="found 5 rows in a batch of 5 nodes, 3 graphs, 5 edges"):
        one.level("w", torch.zeros(5))
    told = layout({"w": "edge"}, pos=torch.zeros(5, 3), batch=BATCH[:5], edge_index=EDGES)
    assert told.rows("w", torch.zeros(5)).body.tolist() == [0, 0, 1, 2, 2]


def test_as_many_nodes_as_graphs():
    one = layout(pos=torch.zeros(3, 3), batch=torch.arange(3))
    assert one.level("a", torch.zeros(3)) == "node"  # each graph is a node: it does not matter
    for batch in (torch.tensor([0, 2, 2]), torch.tensor([1, 0, 2])):
        one = layout(pos=torch.zeros(3, 3), batch=batch)
        with pytest.raises(ValueError, match="3 nodes, 3 graphs"):
            one.level("a", torch.zeros(3))


def test_one_graph_needs_no_levels():
    one = layout(pos=torch.zeros(1, 3))
    assert one.rows("cell", torch.zeros(17, 3)).body is None
    one = layout(pos=torch.zeros(1, 3), batch=torch.tensor([0]))
    assert one.rows("a", torch.zeros(1, 3)).body.tolist() == [0]
    assert layout(pos=torch.zeros(5, 3), edge_index=EDGES).level("w", torch.zeros(5)) == "node"


def test_number_of_graphs():
    pos = torch.zeros(6, 3)
    assert layout(pos=pos).num_graphs == 1
    assert layout(pos=pos, batch=BATCH).num_graphs == 3
    assert layout(pos=pos, batch=BATCH, num_graphs=5).num_graphs == 5
    assert layout(pos=pos, batch=BATCH, batch_size=4).num_graphs == 4
    assert layout(pos=pos, batch=BATCH, ptr=torch.tensor([0, 2, 3, 6, 6])).num_graphs == 4
    assert layout(pos=pos[:0], batch=BATCH[:0]).num_graphs == 0


@pytest.mark.parametrize("batch", [BATCH.float(), BATCH.int(), BATCH.view(-1, 1), torch.tensor(0)])
def test_a_wrong_batch(batch):
    with pytest.raises(ValueError, match="batch: expected the graph of each node"):
        layout(pos=torch.zeros(6, 3), batch=batch)


def test_the_edge_level_needs_edges():
    with pytest.raises(ValueError, match="edge_index"):
        _ = layout(pos=torch.zeros(6, 3), batch=BATCH).edges


def test_a_batch_whose_nodes_pyg_could_not_tell():
    items = [Data(place=torch.zeros(n, 3)) for n in (2, 3)]
    with pytest.raises(ValueError, match="batch: expected the graph of each node, found none"):
        Layout(Call(Signature(Anything()), (), {"data": Batch.from_data_list(items)}), {}, "place")
    for item in items:
        item.num_nodes = len(item.place)
    one = Layout(Call(Signature(Anything()), (), {"data": Batch.from_data_list(items)}), {}, "place")
    assert one.rows("place", one.call.get("place")).body.tolist() == [0, 0, 1, 1, 1]


def test_slices_know_levels_that_sizes_do_not():
    """Three nodes and three edges in all, but not graph by graph; and a size that is no level's."""
    items = [
        Data(
            pos=torch.zeros(n, 3),
            edge_index=torch.zeros(2, e, dtype=torch.long),
            w=torch.zeros(e),
            v=torch.zeros(k),
        )
        for n, e, k in ((1, 2, 1), (2, 1, 4))
    ]
    one = Layout(Call(Signature(Anything()), (), {"data": Batch.from_data_list(items)}))
    bodies = {name: one.rows(name, one.call.get(name)).body.tolist() for name in ("pos", "w", "v")}
    assert bodies == {"pos": [0, 1, 1], "w": [0, 0, 1], "v": [0, 1, 1, 1, 1]}
