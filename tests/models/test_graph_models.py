"""What holds for every model of graphs: invariance or not, batches, types, small graphs, gradients."""

import pytest
import torch
from torch_geometric.data import Batch, Data


def call(model, data):
    return model(data.x, data.edge_index, data.batch)


def test_invariant_to_the_order_of_nodes_and_edges(invariant, ragged, relabelled):
    batch, model = ragged(), invariant().double()
    out = call(model, batch)
    assert out.std(0).min() > 1e-3  # the graphs are told apart at all
    torch.testing.assert_close(call(model, relabelled(batch)), out, rtol=0, atol=1e-10)


def test_models_of_places_are_not(by_place, ragged, relabelled):
    batch, model = ragged(), by_place().double()
    assert (call(model, relabelled(batch)) - call(model, batch)).abs().amax(1)[[2, 3, 5]].min() > 1e-3


def test_a_batch_equals_single_graphs(any_model, ragged):
    """Also where the graphs are padded: 12 next to 9 and 1."""
    batch, model = ragged(), any_model().double()
    alone = torch.cat([model(data.x, data.edge_index) for data in batch.to_data_list()])
    torch.testing.assert_close(call(model, batch), alone, rtol=0, atol=1e-12)


def test_nodes_of_graphs_that_do_not_lie_together(any_model, ragged):
    batch, model = ragged(), any_model().double()
    shuffle = torch.argsort(torch.arange(len(batch.x)) - 3 * batch.batch, stable=True)  # order kept in graphs
    assert (batch.batch[shuffle].diff() < 0).any()
    mixed = model(batch.x[shuffle], shuffle.argsort()[batch.edge_index], batch.batch[shuffle])
    torch.testing.assert_close(mixed, call(model, batch), rtol=0, atol=1e-12)


def test_both_types_agree(any_model, ragged, dtype):
    batch, model = ragged(), any_model().double()
    expected = call(model, batch)
    batch.x, model = batch.x.to(dtype), model.to(dtype)
    out = call(model, batch)
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["GCN", "GAT", "GIN", "ChebNet", "GNNML3"])
def test_means(build, kind, ragged):
    """Of two copies of a graph in one, the mean is that of the graph, and the sum is not."""
    data = ragged((7,)).to_data_list()[0]
    edges = torch.cat([data.edge_index, data.edge_index + 7], dim=1)
    twice = torch.cat([data.x, data.x])
    for readout in ("mean", "sum"):
        model = build(kind, readout=readout, head=6, act=torch.tanh).double()
        same = torch.allclose(model(twice, edges), model(data.x, data.edge_index), rtol=0, atol=1e-10)
        assert same == (readout == "mean")


def test_graphs_without_edges_or_nodes(any_model):
    model = any_model().double()
    none = torch.zeros(2, 0, dtype=torch.long)
    x = torch.randn(4, 2, dtype=torch.float64)
    assert model(x[:1], none).shape == (1, 5)
    out = model(x, none, torch.tensor([0, 0, 2, 3]))  # the second has no nodes
    assert out.shape == (4, 5)
    assert out.isfinite().all()
    assert model(x[:0], none, none[0]).shape == (0, 5)


def test_gradients_reach_every_parameter(any_model, ragged, dtype):
    batch, model = ragged(dtype=dtype), any_model(act=torch.tanh).to(dtype)
    batch.x.requires_grad_()
    call(model, batch).square().sum().backward()
    for name, parameter in [*model.named_parameters(), ("x", batch.x)]:
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_the_input_is_left_as_it_is(any_model, ragged):
    batch = ragged()
    before = batch.clone()
    call(any_model().double(), batch)
    assert torch.equal(batch.x, before.x)
    assert torch.equal(batch.edge_index, before.edge_index)


def test_wrong_shapes(any_model, ragged):
    batch, model = ragged(), any_model().double()
    x, edge_index, index = batch.x, batch.edge_index, batch.batch
    with pytest.raises(ValueError, match=r"x: expected .*\[N, 2\], found .*\[38, 1\]"):
        model(x[:, :1], edge_index, index)
    with pytest.raises(ValueError, match="x: expected floating point"):
        model(x.long(), edge_index, index)
    with pytest.raises(ValueError, match="edge_index: expected integers"):
        model(x, edge_index.double(), index)
    with pytest.raises(ValueError, match=r"batch: expected int64 \[38\]"):
        model(x, edge_index, index[1:])


def test_wrong_arguments(build):
    for name in ("GCN", "GAT", "GIN", "ChebNet", "PPGN", "GNNML3"):
        with pytest.raises(ValueError, match=r"readout: expected .sum. or .mean., found 'max'"):
            build(name, readout="max")


def separation(model, batch):
    """How far apart the two graphs of a pair are, relative to the output."""
    a, b = call(model, batch)
    return ((a - b).norm() / a.norm()).item()


TELLS = {
    "two triangles, hexagon": {"PPGN", "PPGN, deep", "GNNML3", "AdjacencyMLP", "GIN+ID"},
    # One is bipartite and the other is not: their Laplacians differ in the largest eigenvalue.
    "bicyclopentyl, decalin": {"PPGN", "PPGN, deep", "GNNML3", "AdjacencyMLP", "GIN+ID", "ChebNet"},
    "Shrikhande, rook": {"AdjacencyMLP", "GIN+ID"},  # the 3-WL test does not
}


@pytest.mark.parametrize("name", [*TELLS])
@pytest.mark.parametrize(
    "kind",
    ["GCN", "GAT", "GIN", "ChebNet", "PPGN", "PPGN, deep", "GNNML3", "AdjacencyMLP", "GIN+ID"],
)
def test_what_they_can_tell_apart(build, pair, kind, name):
    apart = separation(build(kind, 1, act=torch.tanh).double(), pair(name))
    if kind in TELLS[name]:
        assert apart > 1e-5
    else:
        assert apart < 1e-12


@pytest.mark.filterwarnings("ignore:The hashes")
def test_the_pairs_are_what_they_are_called(pair):
    """Degrees agree, the graphs do not."""
    nx = pytest.importorskip("networkx")
    from torch_geometric.utils import to_networkx

    for name in TELLS:
        a, b = (to_networkx(data, to_undirected=True) for data in pair(name).to_data_list())
        assert nx.weisfeiler_lehman_graph_hash(a) == nx.weisfeiler_lehman_graph_hash(b)
        assert not nx.is_isomorphic(a, b)
    assert all(nx.is_strongly_regular(g) for g in (a, b))


def test_an_isolated_self_loop_does_no_harm(any_model):
    data = Batch.from_data_list([Data(x=torch.ones(1, 2).double(), edge_index=torch.zeros(2, 1).long())])
    assert call(any_model().double(), data).isfinite().all()
