"""The MLP on the adjacency matrix sees exactly the padded matrix and the features."""

import pytest
import torch

from fa_pyg.models import AdjacencyMLP


def test_equals_a_loop(ragged):
    batch, model = ragged(), AdjacencyMLP(2, 13, [7, 6], 2, 3, act=torch.tanh).double()
    weight = torch.randn(batch.num_edges, dtype=torch.float64)
    rows = torch.zeros(6, 13 * 13 + 13 * 2, dtype=torch.float64)
    for (source, target), w in zip(batch.edge_index.T.tolist(), weight, strict=True):
        first = int(batch.ptr[batch.batch[source]])
        rows[batch.batch[source], 13 * (source - first) + target - first] += w
    for b, data in enumerate(batch.to_data_list()):
        rows[b, 169 : 169 + data.x.numel()] = data.x.flatten()
    expected = model.layers[2](model.layers[1](model.layers[0](rows).tanh()).tanh())
    out = model(batch.x, batch.edge_index, batch.batch, weight)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_edges_weigh_one_by_default(ragged):
    batch, model = ragged(), AdjacencyMLP(2, 12, 8, 1, 3).double()
    ones = torch.ones(batch.num_edges)
    args = (batch.x, batch.edge_index, batch.batch)
    assert torch.equal(model(*args), model(*args, ones))
    assert not torch.equal(model(*args), model(*args, 2 * ones))


def test_without_features(ragged):
    batch, model = ragged(), AdjacencyMLP(0, 12, 8, 1, 3).double()
    assert model.layers[0].in_features == 144
    args = (batch.edge_index, batch.batch)
    assert torch.equal(model(batch.x, *args), model(batch.x + 1, *args))


def test_wrong_arguments(ragged):
    batch = ragged()
    args = (batch.x, batch.edge_index, batch.batch)
    with pytest.raises(ValueError, match="max_nodes = 11 nodes a graph, found 12"):
        AdjacencyMLP(2, 11, 8, 1, 3).double()(*args)
    with pytest.raises(ValueError, match=f"edge_weight: expected \\[{batch.num_edges}\\]"):
        AdjacencyMLP(2, 12, 8, 1, 3).double()(*args, torch.ones(3))
    with pytest.raises(ValueError, match="num_layers: expected a positive integer, found 0"):
        AdjacencyMLP(2, 12, 8, 0, 3)
    with pytest.raises(ValueError, match=r"hidden_channels: expected .* sequence of 2 of them, found \[8\]"):
        AdjacencyMLP(2, 12, [8], 2, 3)
