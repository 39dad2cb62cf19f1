"""Errors for a batch vector or a number of graphs that does not fit."""

import numpy as np
import pytest
import torch
from torch import nn

from fa_pyg import FrameAveraging, PCAFrame
from fa_pyg.batches import graph_count

POS, BATCH = torch.randn(3, 3), torch.tensor([0, 5, 7])


class Same(nn.Module):
    def forward(self, pos, batch=None):
        return pos


CALLS = {"frame": PCAFrame("E(3)"), "model": FrameAveraging(Same(), PCAFrame("E(3)"), output="point")}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch": BATCH.int()}, r"batch: expected .*int64 \[N\], found torch.int32 \[3\]"),
        ({"batch": BATCH.float()}, "found torch.float32"),
        ({"batch": BATCH.unsqueeze(1)}, r"int64 \[N\], found torch.int64 \[3, 1\]"),
        ({"batch": BATCH.to_sparse()}, r"found torch.int64 \[3\] \(torch.sparse_coo\)"),
        ({"batch": [0, 5, 7]}, "found a list"),
        ({"batch": BATCH.numpy()}, "found a ndarray"),
        ({"batch": BATCH - 1}, "expected graphs numbered from 0 on, found -1 to 6"),
        ({"num_graphs": 7}, r"expected graphs numbered from 0 to 6 \(num_graphs=7\), found 0 to 7"),
        ({"num_graphs": 8.0}, "num_graphs: expected a whole number of graphs, found 8.0"),
        ({"num_graphs": True}, "num_graphs: expected a whole number"),
        ({"num_graphs": -1}, "num_graphs: expected a whole number"),
        ({"num_graphs": "8"}, "num_graphs: expected a whole number"),
    ],
)
def test_frames_and_models_say_the_same(name, changed, message):
    with pytest.raises(ValueError, match=message):
        CALLS[name](POS, **{"batch": BATCH, **changed})


def test_graphs_are_counted():
    assert graph_count(BATCH) == 8
    assert (
        graph_count(BATCH, 9) == graph_count(BATCH, np.int64(9)) == graph_count(BATCH, torch.tensor(9)) == 9
    )
    assert graph_count(BATCH[:0]) == 0
    assert graph_count(BATCH[:0], 2) == 2
