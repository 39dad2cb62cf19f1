"""The layers of PyG are called as they should be: self-loops, heads, each graph's largest eigenvalue."""

import pytest
import torch

from fa_pyg.models import GAT, GCN, ChebNet, largest_eigenvalues


def adjacency(data):
    return torch.zeros(data.num_nodes, data.num_nodes, dtype=torch.float64).index_put_(
        tuple(data.edge_index), torch.ones(data.num_edges, dtype=torch.float64)
    )


def laplacian(data):
    a = adjacency(data)
    degree = a.sum(1)
    over = torch.where(degree > 0, degree**-0.5, 0)
    return torch.eye(len(a), dtype=torch.float64) - over[:, None] * a * over


def test_gcn_is_its_equation(ragged):
    batch, model = ragged(), GCN(2, [6, 5], 2, 3, act=torch.tanh).double()
    for data, out in zip(batch.to_data_list(), model(batch.x, batch.edge_index, batch.batch), strict=True):
        a = adjacency(data) + torch.eye(data.num_nodes)
        a, h = a / (a.sum(0)[:, None] * a.sum(0)).sqrt(), data.x
        for conv in model.stack.convs:
            h = (a @ conv.lin(h) + conv.bias).tanh()
        torch.testing.assert_close(model.stack.readout.head.last(h.sum(0)), out, rtol=0, atol=1e-12)


def test_gcn_does_not_add_self_loops_twice(graph):
    data, model = graph(6), GCN(2, 6, 2, 3).double()
    loops = torch.arange(6).expand(2, 6)
    with_loops = torch.cat([data.edge_index, loops], dim=1)
    torch.testing.assert_close(model(data.x, with_loops), model(data.x, data.edge_index), rtol=0, atol=1e-12)


def test_chebnet_is_its_equation(ragged):
    batch, model = ragged(), ChebNet(2, 6, 2, 3, order=3, act=torch.tanh).double()
    for data, out in zip(batch.to_data_list(), model(batch.x, batch.edge_index, batch.batch), strict=True):
        lap, h = laplacian(data), data.x
        scaled = 2 * lap / torch.linalg.eigvalsh(lap)[-1] - torch.eye(len(lap))
        for conv in model.stack.convs:
            terms = [h, scaled @ h, 2 * scaled @ scaled @ h - h]
            h = sum(lin(t) for lin, t in zip(conv.lins, terms, strict=True)).add(conv.bias).tanh()
        torch.testing.assert_close(model.stack.readout.head.last(h.sum(0)), out, rtol=0, atol=1e-12)


def test_largest_eigenvalues(ragged):
    batch = ragged()
    expected = [torch.linalg.eigvalsh(laplacian(data))[-1].item() for data in batch.to_data_list()]
    found = largest_eigenvalues(batch.edge_index, batch.batch)
    assert found.tolist() == pytest.approx(expected, abs=1e-12)
    assert found[[1, 4]].tolist() == [1, 1]  # no edges
    path = torch.tensor([[0, 1, 1, 2, 0], [1, 0, 2, 1, 0]])  # bipartite, and a self-loop
    assert largest_eigenvalues(path, torch.zeros(3).long()).item() == pytest.approx(2, abs=1e-12)


def test_eigenvalues_may_be_given(ragged):
    batch, model = ragged(), ChebNet(2, 6, 2, 3).double()
    args = (batch.x, batch.edge_index, batch.batch)
    largest = largest_eigenvalues(batch.edge_index, batch.batch)
    assert torch.equal(model(*args, lambda_max=largest), model(*args))
    assert not torch.allclose(model(*args, lambda_max=torch.full((6,), 3.0)), model(*args))
    with pytest.raises(ValueError, match=r"lambda_max: expected \[6\], a number per graph, found \[1\]"):
        model(*args, lambda_max=torch.ones(1))


def test_gat_sees_only_the_number_of_nodes_where_features_are_equal(ragged):
    batch, model = ragged(), GAT(2, 8, 2, 3).double()
    out = model(torch.ones_like(batch.x), batch.edge_index, batch.batch)
    torch.testing.assert_close(out[2], out[5], rtol=0, atol=1e-12)  # of 9 nodes both
    assert not torch.allclose(out[2], out[3])
    with pytest.raises(ValueError, match="hidden_channels: expected multiples of heads = 8, found 12"):
        GAT(2, 12, 2, 3)
