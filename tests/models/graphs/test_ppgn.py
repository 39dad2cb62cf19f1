"""PPGN is its equation, graph by graph without padding."""

import pytest
import torch

from fa_pyg.models import PPGN


def plain(model, data):
    """The equation for one graph, channels last, with nothing padded."""
    n = data.num_nodes
    a = torch.zeros(n, n, dtype=torch.float64)
    a[tuple(data.edge_index)] = 1
    eye = torch.eye(n, dtype=torch.float64)
    h = torch.cat([a[:, :, None], eye[:, :, None], eye[:, :, None] * data.x[:, None, :]], dim=2)
    sums = []
    for block in model.blocks:
        left, right = h, h
        for one, two in zip(block.left, block.right, strict=True):
            left, right = torch.relu(one(left)), torch.relu(two(right))
        product = torch.einsum("ikc,kjc->ijc", left, right)
        h = torch.relu(block.skip[0](torch.cat([product, h], dim=2)))
        own = torch.einsum("iic->c", h)
        sums += [own, h.sum((0, 1)) - own]
    return sums


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_its_equation(ragged, depth, bias):
    batch, model = ragged(), PPGN(2, [6, 4], 2, 3, depth=depth, bias=bias).double()
    for layer in (m for m in model.blocks.modules() if isinstance(m, torch.nn.Linear) and bias):
        torch.nn.init.normal_(layer.bias)  # what lies at padded places is then not 0
    out = model(batch.x, batch.edge_index, batch.batch)
    for data, found in zip(batch.to_data_list(), out, strict=True):
        expected = model.head(torch.cat(plain(model, data)).unsqueeze(0))[0]
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_means_are_over_each_kind_of_pair(ragged):
    batch, model = ragged(), PPGN(2, 6, 2, 3, readout="mean").double()
    out = model(batch.x, batch.edge_index, batch.batch)
    for data, found in zip(batch.to_data_list(), out, strict=True):
        n = data.num_nodes
        means = [s / max(k, 1) for s, k in zip(plain(model, data), [n, n * n - n] * 2, strict=True)]
        torch.testing.assert_close(found, model.head(torch.cat(means)[None])[0], rtol=1e-12, atol=1e-12)


def test_padding_changes_nothing(ragged):
    """9 nodes run in 10 places beside a graph of 10; alone they do so too, and 8 in 8."""
    batch, model = ragged((9, 10, 8, 33, 40)), PPGN(2, 6, 3, 3).double()
    for layer in (m for m in model.blocks.modules() if isinstance(m, torch.nn.Linear)):
        torch.nn.init.normal_(layer.bias)
    out = model(batch.x, batch.edge_index, batch.batch)
    alone = torch.cat([model(data.x, data.edge_index) for data in batch.to_data_list()])
    torch.testing.assert_close(out, alone, rtol=1e-12, atol=1e-12)
