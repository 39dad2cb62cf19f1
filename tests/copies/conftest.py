"""Graphs, frames and models that keep what they are called with."""

import pytest
import torch
from torch import nn

from fa_pyg import Frames
from fa_pyg.calls import Call, Layout, Signature
from fa_pyg.copies import Copies


def _frames_of(counts, batch=None, seed=0):
    """Frames in a random order; the number of frames differs from graph to graph."""
    g = torch.Generator().manual_seed(seed)
    body = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    body = body[torch.randperm(len(body), generator=g)]
    rotation = torch.linalg.qr(torch.randn(len(body), 3, 3, generator=g, dtype=torch.float64))[0]
    return Frames(rotation, body, batch=batch, num_bodies=len(counts))


class Recorder(nn.Module):
    """Keeps what it is called with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, *args, **kwargs):
        self.calls.append((args, kwargs))


class Positional(Recorder):
    def forward(self, z, pos, edge_index=None, batch=None, *, num_graphs=None, edge_attr=None, extra=None):
        kwargs = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.calls.append(((), kwargs))


class Holder(Recorder):
    def forward(self, data, factor=1.0):
        self.calls.append(((data,), {"factor": factor}))


def _run(model, args, kwargs, frames, step, levels=None):
    """Runs a model on all copies, ``step`` slots at a time."""
    layout = Layout(Call(Signature(model), args, kwargs, ("batch",)), levels)
    pos = layout.call.get("pos")
    rows = layout.rows("pos", pos)
    framed = frames.to_frame(pos, "vector", rows)
    out = []
    for slots in Copies(layout, frames).slots(step):
        slots.run(model, {"pos": slots.part(framed, rows)})
        out.append(slots)
    return out


def _graphs(seed=0):
    """Three graphs as plain tensors, with edges inside them."""
    g = torch.Generator().manual_seed(seed)
    out = []
    for size, edges in ((3, 5), (1, 1), (4, 6)):
        out.append(
            {
                "z": torch.randint(1, 9, (size,), generator=g),
                "pos": torch.randn(size, 3, generator=g, dtype=torch.float64),
                "edge_index": torch.randint(0, size, (2, edges), generator=g),
                "edge_attr": torch.randn(edges, 2, generator=g),
                "extra": torch.randn(1, 2, 2, generator=g),
            }
        )
    return out


def _merged(items, shuffle):
    """One batch of them; with ``shuffle`` the nodes and edges of the graphs are mixed."""
    g = torch.Generator().manual_seed(1)
    batch = torch.arange(len(items)).repeat_interleave(torch.tensor([len(i["z"]) for i in items]))
    start = [0, *torch.tensor([len(i["z"]) for i in items]).cumsum(0).tolist()]
    out = {k: torch.cat([i[k] for i in items]) for k in ("z", "pos", "edge_attr", "extra")}
    out["edge_index"] = torch.cat([i["edge_index"] + s for i, s in zip(items, start, strict=False)], dim=1)
    out["batch"] = batch
    if shuffle:
        order = torch.randperm(len(batch), generator=g)
        place, edges = torch.argsort(order), torch.randperm(out["edge_index"].size(1), generator=g)
        out.update({k: out[k][order] for k in ("z", "pos", "batch")})
        out["edge_index"], out["edge_attr"] = place[out["edge_index"]][:, edges], out["edge_attr"][edges]
    return out


@pytest.fixture
def frames_of():
    return _frames_of


@pytest.fixture
def run():
    return _run


@pytest.fixture
def graphs():
    return _graphs()


@pytest.fixture
def merged():
    return _merged


@pytest.fixture
def recorder():
    return Recorder


@pytest.fixture
def positional():
    return Positional


@pytest.fixture
def holder():
    return Holder
