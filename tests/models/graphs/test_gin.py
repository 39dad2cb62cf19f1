"""GIN is its equation; with identifiers it reads the place of each node."""

import pytest
import torch

from fa_pyg.models import GIN
from fa_pyg.transforms import NodeID


def test_equals_its_equation(ragged):
    batch, model = ragged(), GIN(2, 6, 2, 3, act=torch.tanh).double()
    adjacency = torch.zeros(38, 38, dtype=torch.float64)
    adjacency[batch.edge_index[1], batch.edge_index[0]] = 1
    h = batch.x
    for conv in model.stack.convs:
        h = conv.nn((1 + conv.eps) * h + adjacency @ h).tanh()
    sums = torch.stack([h[batch.batch == b].sum(0) for b in range(6)])
    out = model(batch.x, batch.edge_index, batch.batch)
    torch.testing.assert_close(out, model.stack.readout.head.last(sums), rtol=0, atol=1e-12)


def test_epsilon_starts_between_0_and_1_and_is_trained():
    eps = [conv.eps for conv in GIN(2, 4, 30, 3).stack.convs]
    assert all(isinstance(e, torch.nn.Parameter) for e in eps)
    assert min(eps) >= 0
    assert max(eps) < 1
    assert len({e.item() for e in eps}) == 30


def test_identifiers_are_one_hot_codes_of_places(ragged):
    batch, model = ragged(), GIN(2, 6, 2, 3, ids=12).double()
    bare = GIN(14, 6, 2, 3).double()
    bare.load_state_dict(model.state_dict())
    place = torch.cat([torch.arange(n) for n in (5, 1, 9, 12, 2, 9)])
    coded = torch.cat([batch.x, torch.eye(12, dtype=torch.float64)[place]], dim=1)
    args = (batch.edge_index, batch.batch)
    assert torch.equal(model(batch.x, *args), bare(coded, *args))
    assert torch.equal(model(batch.x, *args, node_id=place), model(batch.x, *args))
    assert torch.equal(model(batch.x, *args, node_id=NodeID()(batch).node_id), model(batch.x, *args))


def test_identifiers_that_move_with_their_nodes_make_it_invariant(graph):
    data, model, order = graph(8), GIN(2, 6, 2, 3, ids=8).double(), torch.randperm(8)
    out = model(data.x, data.edge_index, node_id=torch.arange(8))
    moved = (data.x[order], order.argsort()[data.edge_index])
    torch.testing.assert_close(model(*moved, node_id=order), out, rtol=0, atol=1e-12)
    assert not torch.allclose(model(*moved), out, rtol=0, atol=1e-3)


def test_wrong_identifiers(ragged):
    batch, model = ragged(), GIN(2, 6, 2, 3, ids=11).double()
    args = (batch.x, batch.edge_index, batch.batch)
    with pytest.raises(ValueError, match=r"identifiers from 0 to 10 \(ids=11\), found 0 to 11"):
        model(*args)
    with pytest.raises(ValueError, match="found -1 to -1"):
        model(*args, node_id=-torch.ones(38).long())
    with pytest.raises(ValueError, match=r"node_id: expected int64 \[38\]"):
        model(*args, node_id=torch.zeros(38))
