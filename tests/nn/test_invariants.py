"""Invariants computed once for all frames: equal outputs and derivatives, and when they are not used."""

from typing import ClassVar

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg import (
    FrameAveraging,
    GalileanFrame,
    GroupFrame,
    HaarFrame,
    LearnedFrame,
    PCAFrame,
    RandomNodeFrame,
    Rep,
    ScaleFrame,
    WeightedPCAFrame,
)
from fa_pyg.models import DGCNN, FADGCNN, GNN, FAENet, KinematicGNN, Potential
from fa_pyg.nn import radius_graph

COUNTS = (4, 7, 1, 5)
BATCH = torch.repeat_interleave(torch.arange(len(COUNTS)), torch.tensor(COUNTS))
SCALED = {"pos": Rep(1, affine=True, scale=1)}


@pytest.fixture(autouse=True)
def in_double_precision():
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


class Counted(nn.Module):
    """Sum over pairs of a filter of the distance times a direction; counts the calls of its filter."""

    invariants_of: ClassVar[dict[str, str]] = {"pos": "point"}

    def __init__(self):
        super().__init__()
        self.filter = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.calls, self.given = 0, []

    def invariants(self, pos, batch=None, num_graphs=1):
        self.calls += 1
        edge_index = radius_graph(pos, 2.0, batch)
        square = (pos[edge_index[0]] - pos[edge_index[1]]).square().sum(1, keepdim=True)
        return {"edge_index": edge_index, "edge_filter": self.filter(square)}

    def forward(self, pos, batch=None, num_graphs=1, invariants=None):
        self.given.append(invariants is not None)
        found = self.invariants(pos, batch, num_graphs) if invariants is None else invariants
        source, target = found["edge_index"]
        phase = (pos[target] - pos[source]) @ torch.tensor([[1.0], [2.0], [0.5]], dtype=pos.dtype)
        message = found["edge_filter"] * (phase + 0.5).cos()
        per_node = message.new_zeros(len(pos), 1).index_add(0, target, message)
        batch = torch.zeros(len(pos), dtype=torch.long) if batch is None else batch
        return per_node.new_zeros(num_graphs, 1).index_add(0, batch, per_node)


FRAMES = {
    "pca": lambda: (PCAFrame("E(3)"), None),
    "group": lambda: (GroupFrame("O"), {"pos": "vector"}),
    "haar": lambda: (HaarFrame("SE(3)", k=3), None),
    "weighted": lambda: (WeightedPCAFrame("SE(3)", smoothness="dynamics"), None),
    "learned": lambda: (LearnedFrame("E(3)", noise=1, k=2), None),
    "scaled": lambda: (ScaleFrame(PCAFrame("E(3)")), SCALED),
}


def derivatives(model, pos, **inputs):
    """Output, forces, and the gradient of the squared forces, in the same random numbers."""
    torch.manual_seed(1)
    pos = pos.clone().requires_grad_()
    out = model(pos=pos, **inputs)
    forces = torch.autograd.grad(out.square().sum(), pos, create_graph=True)[0]
    return out, forces, torch.autograd.grad(forces.square().sum(), pos)[0]


@pytest.mark.parametrize("chunk", [None, 1, 2])
@pytest.mark.parametrize("name", FRAMES)
def test_outputs_and_derivatives_are_those_without(name, chunk):
    frame, inputs = FRAMES[name]()
    net, pos = Counted(), torch.randn(len(BATCH), 3)
    shared, alone = (FrameAveraging(net, frame, inputs, chunk=chunk, invariants=on) for on in (True, False))
    call = {"batch": BATCH, "num_graphs": len(COUNTS)}
    found = derivatives(shared, pos, **call)
    assert (net.calls, set(net.given)) == (1, {True})
    for one, other in zip(found, derivatives(alone, pos, **call), strict=True):
        assert (one - other).abs().max() < 1e-12 * max(1, other.abs().max())
    assert net.calls > 1
    assert not net.given[-1]


def test_the_first_call_has_the_numbers_of_a_call_without():
    """A far offset and float32: invariants are of the centered input, as those of every frame are."""
    net, pos = Counted().float(), 1e5 + torch.randn(6, 3).float()
    outputs = []
    net.register_forward_hook(lambda *seen: outputs.append(seen[2]))
    for on in (True, False):
        FrameAveraging(net, PCAFrame("E(3)"), invariants=on)(pos)
    assert len(outputs) == 16
    assert torch.equal(outputs[0], outputs[8])


def test_one_frame_has_nothing_to_share():
    net = Counted()
    FrameAveraging(net, HaarFrame("E(3)"))(torch.randn(5, 3))
    assert net.given == [False]


@pytest.mark.parametrize(
    "inputs", [{"pos": "pseudovector"}, {"pos": "point", "num_graphs": "scalar"}, {"pos": Rep(1, flat=True)}]
)
def test_inputs_must_transform_as_the_model_says(inputs):
    net = Counted()
    FrameAveraging(net, GroupFrame("O"), inputs)(torch.randn(5, 3))
    assert set(net.given) == {inputs["pos"] != "pseudovector"}


class Angles(Counted):
    """An invariant of positions and velocities together."""

    invariants_of: ClassVar[dict[str, str]] = {"pos": "point", "vel": "vector"}

    def invariants(self, pos, vel):
        return {"node_angle": (pos * vel).sum(1)}

    def forward(self, pos, vel, invariants=None):
        self.given.append(invariants is not None)
        angle = (self.invariants(pos, vel) if invariants is None else invariants)["node_angle"]
        return angle.unsqueeze(1) * pos.exp()


@pytest.mark.parametrize("declared", [True, False])
def test_a_joint_invariant_needs_both_inputs(declared):
    """The dot product of a position that rotates and a velocity that does not differs from frame to frame."""
    net, pos, vel = Angles(), torch.randn(5, 3), torch.randn(5, 3)
    inputs = {"pos": "point", "vel": "vector" if declared else "scalar"}
    shared, alone = (
        FrameAveraging(net, PCAFrame("E(3)"), inputs, "vector", level="node", invariants=on)(pos, vel)
        for on in (True, False)
    )
    assert torch.allclose(shared, alone, atol=1e-12)
    assert net.given[0] is declared


def test_graphs_of_a_ragged_frame_are_selected():
    """A frame with one element for some graphs and four for others, whose later slots hold the others."""
    net, pos = Counted(), torch.randn(len(BATCH), 3)
    frames = PCAFrame("SE(3)")(pos, batch=BATCH, num_graphs=4)
    frames = frames.with_one_frame(torch.tensor([True, False, False, True]))
    shared, alone = (
        FrameAveraging(net, PCAFrame("SE(3)"), chunk=chunk, invariants=on)(
            pos, batch=BATCH, num_graphs=4, frames=frames
        )
        for on, chunk in ((True, 1), (False, 1))
    )
    assert torch.allclose(shared, alone, atol=1e-13)
    assert net.given[:4] == [True] * 4
    whole = FrameAveraging(net, PCAFrame("SE(3)"))(pos, batch=BATCH, num_graphs=4)
    assert not torch.allclose(whole, shared, atol=1e-6)


class Held(Counted):
    """The model of a ``Data``."""

    def invariants(self, data):
        return super().invariants(data.pos, data.batch, 2)

    def forward(self, data, invariants=None):
        invariants = self.invariants(data) if invariants is None else invariants
        return super().forward(data.pos, data.batch, int(data.batch.max()) + 1, invariants)


@pytest.mark.parametrize("chunk", [1, 4])
def test_data(chunk):
    data = Batch.from_data_list([Data(pos=torch.randn(n, 3)) for n in (5, 6)])
    net = Held()
    shared, alone = (
        FrameAveraging(net, PCAFrame("E(3)"), level="graph", chunk=chunk, invariants=on)(data)
        for on in (True, False)
    )
    assert torch.allclose(shared, alone, atol=1e-13)
    assert net.calls == 1 + 8 // chunk


def test_arguments_that_the_invariants_do_not_take_are_named():
    net = Counted()
    net.invariants = lambda pos: {"edge_index": EDGES}
    pos = torch.randn(6, 3)
    message = "invariants: expected the arguments of forward, in their order, found .* argument"
    with pytest.raises(ValueError, match=message):
        FrameAveraging(net, PCAFrame("E(3)"))(pos, torch.zeros(6, dtype=torch.long), 1)


def test_functional_transforms():
    net, pos = Counted(), torch.randn(4, 6, 3)
    model, alone = (FrameAveraging(net, PCAFrame("E(3)"), invariants=on) for on in (True, False))
    net.invariants = lambda pos, batch=None, num_graphs=1: {  # the edges of a vmap are the same for all
        "edge_index": EDGES,
        "edge_filter": net.filter((pos[EDGES[0]] - pos[EDGES[1]]).square().sum(1, keepdim=True)),
    }
    slopes = [torch.func.vmap(torch.func.grad(lambda x, m=m: m(x).sum()))(pos) for m in (model, alone)]
    assert torch.allclose(*slopes, atol=1e-12)


EDGES = (~torch.eye(6, dtype=torch.bool)).nonzero().T


class Wrong(Counted):
    def __init__(self, values):
        super().__init__()
        self.values = values

    def invariants(self, pos, batch=None, num_graphs=1):
        return self.values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (3, "invariants: expected a dict of tensors, found"),
        ({"edge_index": EDGES, "edge_filter": None}, r"invariants\['edge_filter'\]: expected a tensor"),
        (
            {"edge_index": EDGES, "filter": EDGES},
            r"by level, edge_\*, node_\*, graph_\*, found 'filter'",
        ),
        ({3: EDGES}, r"invariants: expected names by level, edge_\*, node_\*, graph_\*, found 3"),
        ({None: EDGES, "edge_index": EDGES}, r"by level, edge_\*, node_\*, graph_\*, found None"),
        ({"edge_index": EDGES[0]}, r"\['edge_index'\]: expected node indices, int64 \[2, E\], found"),
        ({"edge_index": 3}, r"\['edge_index'\]: expected node indices, int64 \[2, E\], found 3"),
        ({"edge_index": None}, r"\['edge_index'\]: expected node indices, int64 \[2, E\], found None"),
        ({"edge_index": EDGES.double()}, r"int64 \[2, E\], found torch.float64 \[2, 30\]"),
        ({"edge_index": EDGES.int()}, r"int64 \[2, E\], found torch.int32 \[2, 30\]"),
        ({"edge_index": EDGES.T}, r"int64 \[2, E\], found torch.int64 \[30, 2\]"),
        ({"edge_index": EDGES.to_sparse()}, r"\['edge_index'\]: expected a dense tensor, found a"),
        ({"edge_index": EDGES + 1}, r"\['edge_index'\]: expected nodes from 0 to 5, found 1 to 6"),
        ({"edge_index": EDGES - 1}, r"\['edge_index'\]: expected nodes from 0 to 5, found -1 to 4"),
        ({"node_index": EDGES.T[:6] + 5}, r"\['node_index'\]: expected nodes from 0 to 5, found 5 to"),
        ({"node_index": torch.ones(6, 2)}, r"\['node_index'\]: expected node indices, integers \[N, k\]"),
        ({"edge_filter": torch.ones(3)}, "expected edge_index with rows of edges, found 'edge_filter'"),
        ({"node_x": torch.ones(3)}, r"invariants\['node_x'\]: expected 6 rows \(node\), found \[3\]"),
        ({"node_x": torch.eye(6).to_sparse()}, r"invariants\['node_x'\]: expected a dense tensor, found a"),
        ({"graph_x": torch.tensor(1.0)}, r"expected 1 rows \(graph\), found \[\]"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        FrameAveraging(Wrong(values), PCAFrame("E(3)"))(torch.randn(6, 3))


@pytest.mark.parametrize(
    ("edge", "message"),
    [
        ((3, 4), "edges within graphs, found one from node 3 of graph 0 to node 4"),
        ((0, 18), "nodes from 0 to"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 2])
def test_edges_of_a_batch_stay_in_its_graphs(edge, message, chunk):
    model = FrameAveraging(Wrong({"edge_index": torch.tensor([edge]).T}), PCAFrame("E(3)"), chunk=chunk)
    with pytest.raises(ValueError, match=rf"invariants\['edge_index'\]: expected {message}"):
        model(torch.randn(len(BATCH), 3), BATCH, 4)


class Sizes(nn.Module):
    """The number of graphs of each call, which the model is not given."""

    invariants_of: ClassVar[dict[str, str]] = {"pos": "point"}

    def __init__(self):
        super().__init__()
        self.found = []

    def invariants(self, pos, batch):
        return {"node_x": pos.norm(dim=1)}

    def forward(self, pos, batch, invariants=None):
        self.found.append(int(batch.max()) + 1)
        return pos.norm(dim=1)


class Bare(Sizes):
    invariants_of = None


@pytest.mark.parametrize(("make", "on"), [(Sizes, True), (Sizes, False), (Bare, True)])
def test_switched_off_they_do_not_let_copies_share_a_call(make, on):
    net = make()
    FrameAveraging(net, PCAFrame("E(3)"), level="node", invariants=on)(torch.randn(len(BATCH), 3), BATCH)
    is_shared = on and make is Sizes
    assert (len(net.found) < 8) is is_shared
    assert (set(net.found) == {len(COUNTS)}) is not is_shared


class Says(nn.Module):
    """What a model says of its invariants."""

    def __init__(self, method="invariants", **said):
        super().__init__()
        for name, value in said.items():
            setattr(self, name, value)
        setattr(self, method, lambda pos, vel=None: {"node_x": pos.norm(dim=1)})

    def forward(self, pos, vel=None, invariants=None):
        return pos.norm(dim=1) if invariants is None else invariants["node_x"]


class Deaf(Says):
    def forward(self, pos, vel=None):
        return pos.norm(dim=1)


class OfData(Says):
    def forward(self, data, invariants=None):
        return data.pos.norm(dim=1)


POINT = {"pos": "point"}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Says(invariants_of={"poss": "point"}), r"found 'poss' \(did you mean pos\?\)"),
        (Says(invariants_of={**POINT, "charge": "scalar"}), r"forward \(pos, vel\), found 'charge'$"),
        (Says(invariants_of={0: "point"}), "invariants_of: expected arguments of forward .*, found 0"),
        (Says(invariants_of=["pos"]), "invariants_of: expected a dict of inputs"),
        (Says(invariants_of={"pos": "no such"}), r"invariants_of\['pos'\]"),
        (Says(invariants_of={"pos": "scalar"}), "invariants_of: expected inputs that transform"),
        (Says(invariants_of={}), "invariants_of: expected inputs that transform"),
        (Says("invariant", invariants_of=POINT), "invariants: .* found 'invariant'"),
        (Says("other", invariants_of=POINT), "invariants: expected a method of the model"),
        (Says(invariant_of=POINT), "invariants_of: .* found 'invariant_of'"),
        (Deaf(invariants_of=POINT), "forward: expected a keyword invariants, .* found 'pos, vel'"),
    ],
)
def test_a_typo_is_no_silent_cost(model, message):
    with pytest.raises(ValueError, match=message):
        FrameAveraging(model, PCAFrame("E(3)"))
    FrameAveraging(model, PCAFrame("E(3)"), invariants=False)


@pytest.mark.parametrize(
    "model",
    [
        Says(invariants_of={**POINT, "vel": "scalar"}),
        Says(invariants_of=None),
        Says(invariants=True),
        OfData(invariants_of={"attribute": "point"}),
        FrameAveraging(nn.Linear(3, 3), PCAFrame("E(3)"), level="node"),
    ],
)
def test_what_can_be_meant_is_allowed(model):
    FrameAveraging(model, PCAFrame("E(3)"))


def test_a_typo_in_an_attribute():
    data = Data(pos=torch.randn(5, 3))
    FrameAveraging(OfData(invariants_of={"other": "point"}), PCAFrame("E(3)"), POINT, level="node")(data)
    model = FrameAveraging(OfData(invariants_of={"poss": "point"}), PCAFrame("E(3)"), POINT, level="node")
    with pytest.raises(ValueError, match=r"attributes of the data, found 'poss' \(did you mean pos\?\)"):
        model(data)


def test_inputs_that_do_not_transform_may_be_named():
    model = FrameAveraging(Says(invariants_of={**POINT, "vel": "scalar"}), PCAFrame("E(3)"), POINT, "scalar")
    given = []
    model.model.register_forward_pre_hook(lambda _, a, k: given.append("invariants" in k), with_kwargs=True)
    model(torch.randn(5, 3), vel=torch.randn(5, 1))
    assert all(given)


def test_levels_are_copied():
    """Rows of nodes, graphs, edges and tables of nodes, in copies that share a call."""
    seen = []

    class Levels(nn.Module):
        invariants_of: ClassVar[dict[str, str]] = {"pos": "point"}

        def invariants(self, pos, batch):
            node = torch.arange(len(pos)).unsqueeze(1)
            return {"node_index": node, "node_x": node * 10, "graph_x": torch.tensor([5, 6])}

        def forward(self, pos, batch, invariants=None):
            seen.append(invariants)
            return pos

    model = FrameAveraging(Levels(), PCAFrame("SE(3)"), None, "vector", level="node", chunk=2)
    model(torch.randn(3, 3), torch.tensor([0, 0, 1]))
    assert seen[0]["node_index"].flatten().tolist() == [0, 1, 2, 3, 4, 5]
    assert seen[0]["node_x"].flatten().tolist() == [0, 10, 20] * 2
    assert seen[0]["graph_x"].tolist() == [5, 6, 5, 6]


def test_frames_of_graphs_leave_the_model_alone():
    class Nodes(nn.Module):
        invariants_of: ClassVar[dict[str, str]] = {}

        def forward(self, x, edge_index, batch, invariants=None):
            assert invariants is None
            return x

    frame = RandomNodeFrame(k=2)
    FrameAveraging(Nodes(), frame, level="node")(torch.randn(6, 1), EDGES, torch.zeros(6, dtype=torch.long))


def particles():
    edge_index = torch.cat([EDGES, EDGES + 6], dim=1)
    batch = torch.arange(2).repeat_interleave(6)
    state = {name: torch.randn(12, 3) for name in ("pos", "vel")}
    return {**state, "charge": torch.randn(12, 1), "edge_index": edge_index, "batch": batch}


MOVING = {"pos": "point", "vel": "vector"}


@pytest.mark.parametrize("make", [GNN, KinematicGNN, lambda *args: KinematicGNN(*args, num_times=0)])
@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), GalileanFrame(PCAFrame("SE(3)"))])
def test_particles(make, frame):
    net, given = make(6, 2), []
    net.register_forward_pre_hook(
        lambda _, args, kwargs: given.append("invariants" in kwargs), with_kwargs=True
    )
    inputs = {**MOVING, "vel": Rep(1, boost=1)} if frame.group.boosts else MOVING
    shared, alone = (
        derivatives(FrameAveraging(net, frame, inputs, "point", level="node", invariants=on), **particles())
        for on in (True, False)
        if torch.manual_seed(0)
    )
    assert all(torch.allclose(*pair, atol=1e-10) for pair in zip(shared, alone, strict=True))
    assert given[0]
    assert not given[-1]


def molecules():
    return {"z": torch.randint(1, 10, BATCH.shape), "pos": 1.5 * torch.randn(len(BATCH), 3), "batch": BATCH}


@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), WeightedPCAFrame("SE(3)", smoothness="dynamics")])
def test_faenet(frame):
    net, inputs = FAENet(8, 2), molecules()
    shared, alone = (derivatives(FrameAveraging(net, frame, invariants=on), **inputs) for on in (True, False))
    assert all(torch.allclose(*pair, rtol=1e-9, atol=1e-11) for pair in zip(shared, alone, strict=True))


def test_radial_filters_run_once():
    net, calls = FAENet(8, 2), []
    net.layers[0].radial.register_forward_hook(lambda *_: calls.append(1))
    FrameAveraging(net, PCAFrame("E(3)"))(**molecules())
    assert len(calls) == 1


def test_crystals_share_the_invariants_of_edge_vectors():
    net, calls = FAENet(8, 1), []
    net.layers[0].radial.register_forward_hook(lambda *_: calls.append(1))
    model = Potential(net, PCAFrame("SE(3)")).eval()
    inputs = {"z": torch.tensor([6, 8]), "pos": torch.rand(2, 3)}
    inputs |= {
        "cell": 4 * torch.eye(3)[None] + torch.rand(1, 3, 3),
        "pbc": torch.ones(1, 3, dtype=torch.bool),
    }
    out = model(**inputs)
    assert len(calls) == 1
    model._periodic[0].invariants = False
    other = model(**inputs)
    assert len(calls) > 2
    assert all(torch.allclose(out[name], other[name], atol=1e-12) for name in out)


@pytest.mark.parametrize("transforms", [True, False])
def test_neighbors_of_points_are_found_once(transforms, monkeypatch):
    from fa_pyg.models.points import edge_conv

    seen = []
    table = edge_conv.knn_table
    monkeypatch.setattr(edge_conv, "knn_table", lambda *a, **k: (seen.append(len(a[0])), table(*a, **k))[1])
    model = FADGCNN(0.1, 4, transforms=transforms).eval()
    model.averaging.chunk = 1
    pos, batch = torch.randn(20, 3), torch.arange(2).repeat_interleave(10)
    out = model(pos, batch)
    in_all = 3 + transforms  # searches in a call
    assert len(seen) == 1 + 8 * (in_all - 1)
    model.averaging.invariants = False
    assert torch.allclose(model(pos, batch), out, atol=1e-10)
    assert len(seen) == 1 + 8 * (in_all - 1) + 8 * in_all


def test_wrappers_of_models_without_invariants_have_none():
    from fa_pyg.models import FramedPoints

    class Bare(nn.Module):
        num_classes = None

        def forward(self, pos, batch=None):
            return pos.exp()

    pos = torch.randn(6, 3)
    assert FramedPoints(Bare())(pos).shape == pos.shape
    assert isinstance(FramedPoints(DGCNN(0.1, 3)).averaging.model.invariants_of, dict)


class Changing(Counted):
    """A model that changes the invariants that it is given: the dict, or a tensor of it."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, pos, batch=None, num_graphs=1, invariants=None):
        out = super().forward(pos, batch, num_graphs, invariants)
        self.change(invariants or {"edge_filter": out})
        return out


def test_each_copy_has_a_dict_of_its_own():
    model = FrameAveraging(
        Changing(lambda found: found.pop("edge_filter")), PCAFrame("E(3)"), {"pos": "point"}
    )
    model.chunk = 1
    pos = torch.randn(len(BATCH), 3)
    out = model(pos, BATCH, 4)
    model.invariants = False
    assert torch.allclose(model(pos, BATCH, 4), out, atol=1e-12)


def test_invariants_that_a_model_changes_in_place_are_refused():
    model = FrameAveraging(
        Changing(lambda found: found["edge_filter"].detach().mul_(2)), PCAFrame("E(3)"), {"pos": "point"}
    )
    model.chunk = 1
    with pytest.raises(ValueError, match="'edge_filter': expected a model that does not modify"):
        model(torch.randn(len(BATCH), 3), BATCH, 4)
