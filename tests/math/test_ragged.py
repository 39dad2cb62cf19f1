"""Entries of ragged bodies, against a loop."""

import torch

from fa_pyg.math.ragged import index_within_body


def test_index_within_body_is_that_of_a_loop():
    body = torch.randint(0, 7, (50,), generator=torch.Generator().manual_seed(0))
    seen, expected = [0] * 8, []
    for b in body.tolist():
        expected.append(seen[b])
        seen[b] += 1
    counts = torch.bincount(body, minlength=8)
    assert index_within_body(body, counts).tolist() == expected
    order = torch.argsort(body, stable=True)
    assert index_within_body(body, counts, order).tolist() == expected
    assert index_within_body(body[:0], counts * 0).tolist() == []
