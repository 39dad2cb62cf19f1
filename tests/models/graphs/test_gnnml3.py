"""GNNML3 is its equation on supports that are those of the definition, kept with the data or not."""

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from fa_pyg.models import GNNML3, GNNML3Supports, gnnml3_supports


def plain_supports(data, frequencies=5, bandwidth=2.0, reach=1):
    """Matrices [n, n, S + 1] by the definition, and the receptive field."""
    n = data.num_nodes
    a = torch.zeros(n, n, dtype=torch.float64)
    a[tuple(data.edge_index)] = 1
    degree = a.sum(1)
    over = torch.diag(torch.where(degree > 0, degree**-0.5, 0))
    values, u = torch.linalg.eigh(torch.eye(n, dtype=torch.float64) - over @ a @ over)
    centers = torch.linspace(
        values[0].clamp(min=0).item(), values[-1].item(), frequencies, dtype=torch.float64
    )
    field = torch.linalg.matrix_power(a + torch.eye(n), reach) > 0
    parts = [u @ torch.diag(torch.exp(-bandwidth * (values - f) ** 2)) @ u.T * field for f in centers]
    return torch.stack([*parts, torch.eye(n, dtype=torch.float64)], dim=2), field


@pytest.mark.parametrize("reach", [1, 2, 3])
@pytest.mark.parametrize("frequencies", [1, 5])
def test_supports_equal_their_definition(ragged, reach, frequencies):
    batch = ragged()
    how = {"frequencies": frequencies, "bandwidth": 1.5, "reach": reach}
    index, supports = gnnml3_supports(batch.edge_index, batch.batch, **how)
    assert supports.dtype == torch.float64
    assert (batch.batch[index[0]].diff() >= 0).all()
    for b, data in enumerate(batch.to_data_list()):
        own = batch.batch[index[0]] == b
        source, target = index[:, own] - batch.ptr[b]
        expected, field = plain_supports(data, **how)
        assert torch.equal(torch.stack([source, target]), field.nonzero().T)
        torch.testing.assert_close(supports[own], expected[source, target], rtol=0, atol=1e-12)


def test_the_model_equals_its_equation(ragged):
    batch, model = ragged((9,)), GNNML3(2, 8, 2, 3).double()
    index, supports = gnnml3_supports(batch.edge_index, batch.batch)
    h = batch.x
    for layer in model.layers:
        q1, q2, q3 = layer.wide.weight.split([12, 12, 12])
        inner = [torch.relu(supports @ q1.T), torch.tanh(supports @ q2.T) * torch.tanh(supports @ q3.T)]
        learned = torch.relu(torch.cat(inner, dim=1) @ layer.narrow.weight.T)
        total = layer.bias.expand(9, -1)
        for s in range(6):
            matrix = torch.zeros(9, 9, dtype=torch.float64).index_put_(tuple(index), learned[:, s])
            total = total + matrix @ h @ layer.weight[s]
        u, v = layer.factors(h).split(2, dim=1)
        h = torch.cat([torch.relu(total), torch.tanh(u) * torch.tanh(v)], dim=1)
    out = model(batch.x, batch.edge_index, batch.batch)
    torch.testing.assert_close(out, model.head(h.sum(0, keepdim=True)), rtol=0, atol=1e-12)


def test_weights_start_with_the_size_of_each_support_alone():
    layer = GNNML3(48, 48, 1, 3).layers[0]
    assert layer.weight.abs().max().item() == pytest.approx((6 / (48 + 32)) ** 0.5, rel=0.01)


def test_supports_of_the_data_collate(ragged):
    batch, model = ragged(), GNNML3(2, 9, 2, 3).double()
    expected = model(batch.x, batch.edge_index, batch.batch)
    graphs = [GNNML3Supports()(data) for data in batch.to_data_list()]
    for loaded in (next(iter(DataLoader(graphs, batch_size=6))), GNNML3Supports()(batch)):
        kept = (loaded.support_index, loaded.support_attr)
        out = model(loaded.x, loaded.edge_index, loaded.batch, *kept)
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
    assert "support_attr" not in batch
    assert repr(GNNML3Supports(reach=2)) == "GNNML3Supports(frequencies=5, bandwidth=2.0, reach=2)"


def test_a_batch_with_supports_can_be_taken_apart(ragged):
    batch = ragged()
    together, alone = GNNML3Supports()(batch).to_data_list(), batch.to_data_list()
    for a, b in zip(together, map(GNNML3Supports(), alone), strict=True):
        assert torch.equal(a.support_index, b.support_index)
        torch.testing.assert_close(a.support_attr, b.support_attr, rtol=0, atol=1e-12)
    again = Batch.from_data_list(together)
    assert torch.equal(again.support_index, GNNML3Supports()(batch).support_index)


def test_supports_have_the_type_of_the_features(ragged, dtype):
    assert GNNML3Supports()(ragged(dtype=dtype)).support_attr.dtype == dtype
    bare = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=3)
    assert GNNML3Supports()(bare).support_attr.dtype == torch.get_default_dtype()
    assert GNNML3Supports()(bare).support_index.tolist() == [[0, 0, 1, 1, 2], [0, 1, 0, 1, 2]]


def test_wrong_arguments(ragged):
    batch, model = ragged(), GNNML3(2, 9, 2, 3, frequencies=4).double()
    index, supports = gnnml3_supports(batch.edge_index, batch.batch)
    args = (batch.x, batch.edge_index, batch.batch)
    with pytest.raises(ValueError, match=r"support_attr: expected \[\d+, 5\], found \[\d+, 6\]"):
        model(*args, index, supports)
    with pytest.raises(ValueError, match="both or neither"):
        model(*args, index)
    with pytest.raises(ValueError, match="frequencies: expected a positive integer, found 0"):
        gnnml3_supports(batch.edge_index, batch.batch, frequencies=0)
    with pytest.raises(ValueError, match=r"(hidden_channels|num_layers): expected"):
        GNNML3(2, 2, 2, 3)
