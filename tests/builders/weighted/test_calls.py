"""Models called in weighted frames: ragged batches, samples, copies that share calls, BatchNorm."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg import FrameAveraging, HaarFrame, PerMode, Sample, WeightedPCAFrame
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.testing import (
    assert_equivariant,
    catalogue,
    equivariance_error,
    random_motion,
)
from fa_pyg.testing.probe import framed_probe

CLOUDS = {cloud.name: cloud for cloud in catalogue(3)}


def test_a_ragged_batch_is_its_graphs_one_by_one(collated):
    clouds = [
        CLOUDS[name] for name in ("methane", "generic", "CO2", "one atom", "SF6", "generic plane", "allene")
    ]
    z, pos, batch = collated(clouds)
    order = torch.randperm(len(z))
    for group in ("E(3)", "SE(3)", "O(3)"):
        model = framed_probe(WeightedPCAFrame(group)).double()
        together = model(z=z[order], pos=pos[order], batch=batch[order])
        frames = model.frame(pos, batch=batch, node_weight=z)
        for graph, cloud in enumerate(clouds):
            mine = batch == graph
            alone = model(z=z[mine], pos=pos[mine], batch=torch.zeros_like(z[mine]))
            same = order[batch[order] == graph].argsort()
            assert frames.counts[graph] == model.frame(pos[mine], node_weight=z[mine]).num_frames
            for name, expected in alone.items():
                found = together[name]
                found = (
                    found[batch[order] == graph][same]
                    if name.startswith("node")
                    else found[graph : graph + 1]
                )
                assert (found - expected).abs().max() < 1e-11, (cloud.name, name)


def blended():
    """A cloud of few frames of unequal weights."""
    for seed in range(1000):
        g = torch.Generator().manual_seed(seed)
        pos = torch.randn(5, 3, generator=g, dtype=torch.float64) * torch.tensor([1.0, 1.0, 1.5])
        weight = WeightedPCAFrame("E(3)", smoothness="fast")(pos).weight
        if 1 < len(weight) < 8 and weight.max() - weight.min() > 0.2:
            return pos, weight
    raise AssertionError("no such cloud")


def test_samples_are_drawn_by_weight():
    pos, weight = blended()
    n = 4000
    many, batch = pos.repeat(n, 1), torch.arange(n).repeat_interleave(5)
    full = WeightedPCAFrame("E(3)", smoothness="fast")
    sample = Sample(full, k=1, generator=torch.Generator().manual_seed(0))
    drawn = sample(many, batch=batch)
    assert drawn.num_frames == n
    elements = full(pos).rotation
    distance = (drawn.rotation[:, None] - elements).abs().amax((-1, -2))
    share = torch.bincount(distance.argmin(1), minlength=len(weight)) / n
    assert distance.amin(1).max() < 1e-12
    assert (share - weight).abs().max() < 4 * (0.25 / n) ** 0.5
    equal = torch.full_like(weight, 1 / len(weight))
    assert (share - equal).abs().max() > 4 * (0.25 / n) ** 0.5  # it is not by number
    sample.generator.manual_seed(0)
    assert torch.equal(sample(many, batch=batch).rotation, drawn.rotation)
    assert not torch.equal(sample(many, batch=batch).rotation, drawn.rotation)
    assert torch.equal(sample.eval()(pos).rotation, elements)


def test_samples_are_unbiased():
    pos, _ = blended()
    n, args = 4000, {"z": None}
    model = framed_probe(WeightedPCAFrame("E(3)", smoothness="fast")).double()
    sampled = framed_probe(Sample(WeightedPCAFrame("E(3)", smoothness="fast"), k=2)).double().train()
    plain = model(**args, pos=pos, batch=torch.zeros(5, dtype=torch.long))["graph vector"]
    found = sampled(**args, pos=pos.repeat(n, 1), batch=torch.arange(n).repeat_interleave(5))["graph vector"]
    error = found.std(0) / n**0.5
    assert error.min() > 0
    assert ((found.mean(0) - plain).abs() < 5 * error).all()


def test_per_mode():
    pos, _ = blended()
    frame = PerMode(HaarFrame("E(3)", k=1), WeightedPCAFrame("E(3)", smoothness="fast"))
    assert frame.train()(pos).num_frames == 1
    assert torch.equal(frame.eval()(pos).rotation, WeightedPCAFrame("E(3)", smoothness="fast")(pos).rotation)


class Messages(nn.Module):
    """A message-passing model on edges with BatchNorm, called with a Data or with its tensors."""

    def __init__(self, norm=False):
        super().__init__()
        torch.manual_seed(0)
        self.edge = nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 7)).double()
        self.norm = nn.BatchNorm1d(7).double() if norm else nn.Identity()

    def forward(self, pos, edge_index, batch):
        source, target = edge_index
        message = self.norm(self.edge(torch.cat([pos[source], pos[target] - pos[source]], 1)))
        node = scatter_sum(message, target, len(pos))
        size = int(batch.max()) + 1
        return {"edge": message[:, :3], "node": node[:, 3:6], "energy": scatter_sum(node[:, 6], batch, size)}


OUT = {"edge": "vector", "node": "pseudovector", "energy": "scalar"}
LEVEL = {"edge": "edge", "node": "node", "energy": "graph"}


def ragged_batch():
    """Graphs of 24, 2, 16 and 1 frames, fully connected."""
    names = ("methane", "generic plane", "CO2", "CHFClBr on a regular tetrahedron")
    data = []
    for name in names:
        n, cloud = len(CLOUDS[name].pos), CLOUDS[name]
        edges = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T
        z = torch.ones(n, dtype=torch.long) if cloud.z is None else cloud.z
        data.append(Data(z=z, pos=cloud.pos, edge_index=edges[:, edges[0] != edges[1]]))
    return Batch.from_data_list(data)


def framed_messages(chunk=None, norm=False):
    frame = WeightedPCAFrame("E(3)", smoothness="fast")
    return FrameAveraging(Messages(norm), frame, output=OUT, level=LEVEL, node_weight="z", chunk=chunk)


@pytest.mark.parametrize("chunk", [1, 3, 24, 100])
def test_chunks_of_ragged_frames(chunk):
    data = ragged_batch()
    args = {"pos": data.pos, "edge_index": data.edge_index, "batch": data.batch, "z": data.z}
    counts = WeightedPCAFrame("E(3)", smoothness="fast")(
        data.pos, batch=data.batch, node_weight=data.z
    ).counts
    assert counts.tolist() == [24, 2, 16, 1]
    plain, found = framed_messages()(**args), framed_messages(chunk)(**args)
    for name, expected in plain.items():
        torch.testing.assert_close(found[name], expected, rtol=1e-12, atol=1e-12)
    assert_equivariant(framed_messages(chunk), args, "E(3)", {"pos": "point"})
    bare = {name: args[name] for name in ("pos", "edge_index", "batch")}
    bare = equivariance_error(Messages(), bare, "E(3)", {"pos": "point"}, OUT, LEVEL)
    assert min(bare["proper"], bare["improper"], bare["translated"]) > 1e-2


def test_data_in():
    class OnData(Messages):
        def forward(self, data):
            return super().forward(data.pos, data.edge_index, data.batch)

    data = ragged_batch()
    model = FrameAveraging(
        OnData(),
        WeightedPCAFrame("E(3)", smoothness="fast"),
        {"pos": "point"},
        OUT,
        level=LEVEL,
        node_weight="z",
    )
    expected = framed_messages()(pos=data.pos, edge_index=data.edge_index, batch=data.batch, z=data.z)
    for name, found in model(data).items():
        torch.testing.assert_close(found, expected[name], rtol=1e-12, atol=1e-12)
    assert_equivariant(model, data, "E(3)")


def test_batch_norm_in_training_sees_all_copies_at_once():
    data = ragged_batch()
    args = {"pos": data.pos, "edge_index": data.edge_index, "batch": data.batch, "z": data.z}
    motion = random_motion("E(3)", torch.Generator().manual_seed(1), proper=False)
    moved = args | {"pos": motion(data.pos)}
    found = [framed_messages(chunk, norm=True).train()(**args) for chunk in (None, 1)]
    again = framed_messages(norm=True).train()(**moved)
    for name, rep in OUT.items():
        torch.testing.assert_close(found[0][name], found[1][name])
        torch.testing.assert_close(again[name], motion(found[0][name], rep), rtol=1e-8, atol=1e-9)
    bare = [Messages(norm=True).train()(x["pos"], data.edge_index, data.batch) for x in (args, moved)]
    assert (bare[1]["energy"] - bare[0]["energy"]).abs().max() > 1e-2
