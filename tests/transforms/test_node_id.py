"""Identifiers are places within graphs, and stay with the data."""

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from fa_pyg.transforms import NodeID


@pytest.fixture
def graphs():
    return [Data(x=torch.randn(n, 1), edge_index=torch.zeros(2, 0, dtype=torch.long)) for n in (3, 1, 4)]


PLACES = [0, 1, 2, 0, 0, 1, 2, 3]


def test_one_graph(graphs):
    data = NodeID()(graphs[0])
    assert data.node_id.tolist() == [0, 1, 2]
    assert data.node_id.dtype == torch.long
    assert "node_id" not in graphs[0]
    assert NodeID()(Data(num_nodes=2)).node_id.tolist() == [0, 1]


def test_batches(graphs):
    batch = Batch.from_data_list(graphs)
    assert NodeID()(batch).node_id.tolist() == PLACES
    loaded = next(iter(DataLoader([NodeID()(data) for data in graphs], batch_size=3)))
    assert loaded.node_id.tolist() == PLACES
    assert "node_id" not in batch
    assert "node_id" not in batch._slice_dict


def test_a_batch_can_be_taken_apart(graphs):
    apart = NodeID()(Batch.from_data_list(graphs)).to_data_list()
    assert [data.node_id.tolist() for data in apart] == [[0, 1, 2], [0], [0, 1, 2, 3]]
    assert Batch.from_data_list(apart).node_id.tolist() == PLACES


def test_graphs_that_do_not_lie_together():
    data = Data(x=torch.zeros(5, 1), batch=torch.tensor([1, 0, 1, 1, 0]))
    assert NodeID()(data).node_id.tolist() == [0, 0, 1, 2, 1]


@pytest.mark.filterwarnings("ignore:Unable to accurately infer")
def test_no_nodes_to_number():
    with pytest.raises(ValueError, match="expected nodes"):
        NodeID()(Data())
