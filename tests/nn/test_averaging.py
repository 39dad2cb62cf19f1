"""The operator against a loop over graphs and frames, and what it says of calls that do not fit."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import global_add_pool

from fa_pyg import FrameAveraging, Frames, MotionFrame, PCAFrame, Rep
from fa_pyg.testing import Motion, assert_equivariant, equivariance_error

SIZES = [4, 1, 6]
COUNTS = {"uniform": [3, 3, 3], "ragged": [2, 5, 1]}


class Given(MotionFrame):
    """Frames that were made beforehand, whatever the input."""

    def __init__(self, frames, group="E(3)"):
        super().__init__(group)
        self.frames = frames

    def build(self, cloud):
        self.cloud = cloud
        return self.frames


def given(counts, seed=0):
    """Ragged frames in a random order, of unequal weights."""
    g = torch.Generator().manual_seed(seed)
    body = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    body = body[torch.randperm(len(body), generator=g)]
    rotation = torch.linalg.qr(torch.randn(len(body), 3, 3, generator=g, dtype=torch.float64))[0]
    weight = torch.rand(len(body), generator=g, dtype=torch.float64) + 0.1
    weight = weight / weight.new_zeros(len(counts)).index_add(0, body, weight)[body]
    origin = torch.randn(len(counts), 3, generator=g, dtype=torch.float64)
    return Frames(rotation, body, weight, origin, num_bodies=len(counts))


class Net(nn.Module):
    """Uses points, vectors, a cell, species and edges; nothing about it is equivariant."""

    def __init__(self, dim=3):
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.mix = nn.Parameter(torch.randn(dim + dim + 1 + dim * dim, 8, generator=g, dtype=torch.float64))
        self.out = nn.Parameter(torch.randn(8, 2 * dim, generator=g, dtype=torch.float64))

    def forward(self, z, pos, vel, edge_index, cell, batch=None, edge_attr=None):
        batch = z.new_zeros(len(z)) if batch is None else batch
        x = torch.cat([pos, vel, z.unsqueeze(1).to(pos), cell.flatten(1)[batch]], dim=1)
        h = (x @ self.mix).tanh()
        row, col = edge_index
        message = h[row] * edge_attr * (pos[row] - pos[col]).pow(3).sum(1, keepdim=True).sin()
        h = h + torch.zeros_like(h).index_add(0, col, message)
        y = h @ self.out
        graph = global_add_pool(y, batch, len(cell))
        dim = pos.size(1)
        return {
            "energy": graph[:, 0],
            "charges": y[:, :2],
            "forces": y[:, :dim],
            "many": y.view(len(y), 2, dim),
            "moved": pos + y[:, :dim],
            "stress": graph[:, :dim].unsqueeze(-1) * graph[:, None, dim:],
            "spin": y[:, 0],
            "bonds": message[:, :1],
            "flows": message[:, :dim],
        }


SPEC = {
    "energy": "scalar",
    "charges": "scalar",
    "forces": "vector",
    "many": "vector",
    "moved": "point",
    "stress": "tensor",
    "spin": "pseudoscalar",
    "bonds": "scalar",
    "flows": "pseudovector",
}
LEVEL = {name: "edge" if name in ("bonds", "flows") else None for name in SPEC}
INPUTS = {"pos": "point", "vel": "vector", "cell": "vector"}


def molecules(dim=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    out = []
    for size, edges in zip(SIZES, (7, 1, 9), strict=True):
        scale = torch.arange(1.0, dim + 1, dtype=torch.float64)
        out.append(
            Data(
                z=torch.randint(1, 9, (size,), generator=g),
                pos=torch.randn(size, dim, generator=g, dtype=torch.float64) * scale + 2,
                vel=torch.randn(size, dim, generator=g, dtype=torch.float64),
                edge_index=torch.randint(0, size, (2, edges), generator=g),
                cell=torch.randn(1, dim, dim, generator=g, dtype=torch.float64),
                edge_attr=torch.randn(edges, 1, generator=g, dtype=torch.float64),
            )
        )
    return out


def arguments(shuffle=False):
    """Loose arguments of the three molecules; with ``shuffle`` nodes and edges of the graphs are mixed."""
    data = Batch.from_data_list(molecules())
    args = {k: data[k] for k in ("z", "pos", "vel", "edge_index", "cell", "edge_attr", "batch")}
    if shuffle:
        g = torch.Generator().manual_seed(2)
        order = torch.randperm(len(data.batch), generator=g)
        edges = torch.randperm(data.num_edges, generator=g)
        args.update({k: args[k][order] for k in ("z", "pos", "vel", "batch")})
        args["edge_index"] = torch.argsort(order)[args["edge_index"]][:, edges]
        args["edge_attr"] = args["edge_attr"][edges]
    return args


def oracle(net, frames, args):
    """The equation, graph by graph and frame by frame, with the bare model called on one graph at a time."""
    batch, edge_batch = args["batch"], args["batch"][args["edge_index"][0]]
    total = {}
    for body in range(frames.num_bodies):
        nodes, edges = batch == body, edge_batch == body
        place = nodes.long().cumsum(0) - 1
        rows = {"node": nodes, "edge": edges, "graph": torch.arange(frames.num_bodies) == body}
        one = {k: args[k][nodes] for k in ("z", "pos", "vel")}
        one.update(edge_index=place[args["edge_index"][:, edges]], edge_attr=args["edge_attr"][edges])
        one["cell"] = args["cell"][body : body + 1]
        for f in (frames.body == body).nonzero().flatten().tolist():
            rotation, origin = frames.rotation[f], frames.origin[body]
            g = Motion(rotation, origin)
            inverse = Motion(rotation.T, -rotation.T @ origin)
            out = net(**{**one, **{k: inverse(one[k], rep) for k, rep in INPUTS.items()}})
            for name, value in out.items():
                level = LEVEL[name] or ("graph" if name in ("energy", "stress") else "node")
                empty = value.new_zeros(len(rows[level]), *value.shape[1:])
                total.setdefault(name, empty)[rows[level]] += frames.weight[f] * g(value, SPEC[name])
    return total


def assert_same(found, expected, atol=1e-11):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(found[name], value, atol=atol), name


@pytest.mark.parametrize("chunk", [None, 1, 2, 3, 10])
@pytest.mark.parametrize("shuffle", [False, True], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("counts", COUNTS)
def test_against_the_oracle(counts, shuffle, chunk):
    net, frames, args = Net(), given(COUNTS[counts]), arguments(shuffle)
    model = FrameAveraging(net, Given(frames), INPUTS, SPEC, level=LEVEL, chunk=chunk)
    assert_same(model(**args), oracle(net, frames, args))


@pytest.mark.parametrize("chunk", [None, 1, 2, 10])
@pytest.mark.parametrize("counts", COUNTS)
def test_a_batch_is_called_like_loose_arguments(counts, chunk):
    class Held(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def forward(self, data):
            return self.net(
                data.z, data.pos, data.vel, data.edge_index, data.cell, data.batch, data.edge_attr
            )

    data, frames = Batch.from_data_list(molecules()), given(COUNTS[counts])
    model = FrameAveraging(Held(), Given(frames), INPUTS, SPEC, level=LEVEL, chunk=chunk)
    assert_same(model(data), oracle(Net(), frames, arguments()))
    loose = Data(**arguments())  # with `batch`, but not collated
    assert_same(model(loose), oracle(Net(), frames, arguments()))


@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_a_batch_is_its_graphs_one_by_one(chunk):
    model = FrameAveraging(Net(), PCAFrame("E(3)"), INPUTS, SPEC, level=LEVEL, chunk=chunk)
    parts = [model(**molecule.to_dict()) for molecule in molecules()]
    expected = {name: torch.cat([part[name] for part in parts]) for name in SPEC}
    assert_same(model(**arguments()), expected)


def test_chunks_agree_to_the_last_bit():
    """Where sums are taken in the same order, as here, sharing a call changes nothing at all."""

    class Elementwise(nn.Module):
        def forward(self, pos, batch):
            return global_add_pool((pos.sin() * pos.roll(1, 1).exp()).sum(1), batch, int(batch.max()) + 1)

    args = arguments()
    results = [
        FrameAveraging(Elementwise(), PCAFrame("SE(3)"), chunk=chunk)(args["pos"], args["batch"])
        for chunk in (None, 1, 2, 3, 4, 100)
    ]
    assert all(torch.equal(results[0], other) for other in results)


@pytest.mark.parametrize("dim", [2, 3, 4])
@pytest.mark.parametrize("kind", ["O", "SO", "E", "SE", "T"])
def test_all_levels_and_representations_at_once(kind, dim):
    generic = [molecules(dim, seed)[i] for i, seed in ((0, 0), (2, 0), (2, 1))]  # one node alone has no axes
    args = {k: v for k, v in Batch.from_data_list(generic).to_dict().items() if k != "ptr"}
    model = FrameAveraging(Net(dim), PCAFrame(f"{kind}({dim})"), INPUTS, SPEC, level=LEVEL)
    assert_equivariant(model, args, f"{kind}({dim})", INPUTS, SPEC, LEVEL)
    bare = equivariance_error(Net(dim), args, f"{kind}({dim})", INPUTS, SPEC, LEVEL)
    assert max(bare.pop(case) for case in ("permuted", "apart")) < 1e-10
    assert min(bare.values()) > 1e-2


def test_a_nan_stays_in_its_graph():
    model = FrameAveraging(Net(), PCAFrame("E(3)"), INPUTS, SPEC, level=LEVEL)
    args = arguments()
    good = model(**args)
    pos = args["pos"].clone()
    pos[4] = torch.nan  # the only node of graph 1
    pos.requires_grad_()
    bad = model(**{**args, "pos": pos})
    edges = args["batch"][args["edge_index"][0]]
    for name, value in bad.items():
        index = {"bonds": edges, "flows": edges, "energy": torch.arange(3), "stress": torch.arange(3)}
        graph = index.get(name, args["batch"])
        assert torch.equal(value[graph != 1], good[name][graph != 1]), name
        assert value[graph == 1].isnan().any(), name
    bad["energy"][[0, 2]].sum().backward()
    assert pos.grad[args["batch"] != 1].isfinite().all()


def test_all_declared_inputs_are_handed_to_the_frame_and_those_read_are_named():
    frame, args = Given(given([2, 2, 2])), arguments()
    model = FrameAveraging(Net(), frame, INPUTS, SPEC, level=LEVEL, reads=("vel", "cell"))
    model(**args)
    cloud = frame.cloud
    assert [q.rep for q in cloud.declared] == [Rep.of(r) for r in INPUTS.values()]
    assert torch.equal(cloud.read[0].value, args["vel"])
    assert torch.equal(cloud.read[1].value, args["cell"])
    assert cloud.read[1].rows.body.tolist() == [0, 1, 2]
    assert torch.equal(cloud.weight, args["z"])


@pytest.mark.parametrize("reads", [("pos",), ("vel",), ("pos", "vel"), ("cell",), ("cell", "pos"), None])
def test_axes_from_any_of_the_inputs(reads):
    model = FrameAveraging(Net(), PCAFrame("E(3)"), INPUTS, SPEC, level=LEVEL, reads=reads)
    data = molecules()
    for molecule in (data[0], data[2]):
        assert_equivariant(model, molecule.to_dict(), "E(3)", INPUTS, SPEC, LEVEL)


def test_reading_velocities_changes_the_axes():
    data = molecules()[2].to_dict()
    outs = [
        FrameAveraging(Net(), PCAFrame("E(3)"), INPUTS, SPEC, level=LEVEL, reads=reads)(**data)["energy"]
        for reads in (("pos",), ("pos", "vel"))
    ]
    assert not torch.allclose(*outs)
