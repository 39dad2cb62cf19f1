"""LocalFrameConv: exactly equivariant with several frames a node, and what it is without them."""

import pytest
import torch
from torch import nn

from fa_pyg import Frames, HaarFrame, PCAFrame, Rep
from fa_pyg.builders import MotionFrame
from fa_pyg.builders.local import LocalFrame, LocalPCAFrame
from fa_pyg.builders.weighted import WeightedPCAFrame
from fa_pyg.nn import knn_graph
from fa_pyg.nn.local_conv import LocalFrameConv, smooth_cutoff
from fa_pyg.testing import assert_equivariant, equivariance_error, random_motion

CHANNELS = {"scalar": 2, "pseudoscalar": 1, "vector": 2, "pseudovector": 1, "tensor": 1}
SHAPES = {key: Rep.of(key).rank for key in CHANNELS}
GROUPS = ["O(2)", "SO(2)", "E(2)", "SE(2)", "O(3)", "SO(3)", "E(3)", "SE(3)"]


class PairFrame(MotionFrame):
    """A slow frame for tests, exact wherever two vectors of a body are not in line.

    One frame for each ordered pair (in 2-d for each vector), weighted by its area: bodies have different
    numbers of frames.
    """

    def build(self, cloud):
        x, body, _ = cloud.rows(cloud.read[0])
        dim, found = self.group.dim, []
        for b in range(cloud.size):
            rows = x[body == b]
            pairs = rows[:, None] if dim == 2 else torch.cartesian_prod(*[torch.arange(len(rows))] * 2)
            if dim == 3:
                pairs = rows[pairs[pairs[:, 0] != pairs[:, 1]]] if len(rows) > 1 else rows.new_zeros(0, 2, 3)
            found.append(self._body(pairs, dim))
        rotation, weight = (torch.cat(part) for part in zip(*found, strict=True))
        index = torch.arange(cloud.size).repeat_interleave(torch.tensor([len(w) for _, w in found]))
        return Frames(rotation, index, weight, cloud.origin(self.group), cloud.batch, cloud.size)

    def _body(self, pairs, dim):
        if len(pairs) == 0:
            return torch.eye(dim, dtype=pairs.dtype)[None], pairs.new_ones(1)
        e = pairs[:, 0] / pairs[:, 0].norm(dim=1, keepdim=True)
        if dim == 2:
            last, area = torch.stack([-e[:, 1], e[:, 0]], 1), pairs[:, 0].norm(dim=1)
            axes = torch.stack([e, last], dim=2)
        else:
            last = torch.linalg.cross(e, pairs[:, 1])
            area = last.norm(dim=1)
            last = last / area[:, None]
            axes = torch.stack([e, torch.linalg.cross(last, e), last], dim=2)
        if self.group.reflects:
            flip = axes.new_tensor([1.0] * (dim - 1) + [-1.0])
            axes, area = torch.cat([axes, axes * flip]), area.repeat(2)
        return axes, area / area.sum()


FRAMES = {
    "pca": LocalPCAFrame,
    "weighted": lambda group: LocalFrame(WeightedPCAFrame(group)),
    "ragged": lambda group: LocalFrame(PairFrame(group)),
}


class Net(nn.Module):
    """Two layers on all representations."""

    def __init__(self, frame, dim=3, aggr="sum"):
        super().__init__()
        self.frame = frame
        self.first = LocalFrameConv(CHANNELS, CHANNELS, dim, edge_dim=1, hidden_channels=16, aggr=aggr)
        self.last = LocalFrameConv(CHANNELS, CHANNELS, dim, edge_dim=1, hidden_channels=16, aggr=aggr)

    def forward(self, pos, edge_index, scalar, pseudoscalar, vector, pseudovector, tensor):
        x = pos[edge_index[0]] - pos[edge_index[1]]
        weight, attr = smooth_cutoff(x, 6.0), x.square().sum(1, keepdim=True)
        frames = self.frame(pos, edge_index, edge_weight=weight)
        features = dict(zip(CHANNELS, (scalar, pseudoscalar, vector, pseudovector, tensor), strict=True))
        features = self.first(features, pos, edge_index, frames, attr, weight)
        return self.last(features, pos, edge_index, frames, attr, weight)


def inputs(dim=3, n=12, k=5, dtype=torch.float64):
    pos = torch.randn(n, dim, dtype=dtype)
    edge_index = knn_graph(pos, k)
    kept = torch.rand(n, k) < 0.7
    kept[:, :3] = True
    edge_index = edge_index[:, kept.flatten()]  # different numbers of neighbors, three at least
    return {"pos": pos, "edge_index": edge_index, **features(dim, n, dtype)}


def features(dim=3, n=12, dtype=torch.float64):
    return {k: torch.randn(n, c, *(dim,) * SHAPES[k], dtype=dtype) for k, c in CHANNELS.items()}


def reps(group):
    return {"pos": "point" if group[0] in "ES" and "E" in group else "vector", **{k: k for k in CHANNELS}}


def errors(model, args, group, **kwargs):
    return equivariance_error(model, args, group, reps(group), {k: k for k in CHANNELS}, "node", **kwargs)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("group", GROUPS)
def test_equivariant_and_not_without_frames(group, frame):
    dim = int(group[-2])
    args = inputs(dim)
    outputs = {k: k for k in CHANNELS}
    net = Net(FRAMES[frame](group), dim).double()
    assert_equivariant(net, args, group, reps(group), outputs, "node", tol=1e-9, trials=1)
    net.frame = LocalPCAFrame(f"T({dim})")
    assert errors(net, args, group, trials=1)["proper"] > 1e-2


@pytest.mark.parametrize("aggr", ["mean", "max", "softmax"])
def test_other_aggregations(aggr):
    net = Net(FRAMES["ragged"]("E(3)"), aggr=aggr).double()
    assert_equivariant(net, inputs(), "E(3)", reps("E(3)"), {k: k for k in CHANNELS}, "node", trials=1)


def test_types(dtype):
    args = inputs()
    net = Net(LocalPCAFrame("E(3)")).to(dtype)
    wide = Net(LocalPCAFrame("E(3)")).double()
    wide.load_state_dict(net.state_dict())
    args = {k: v.to(dtype) if v.is_floating_point() else v for k, v in args.items()}
    exact = wide(**{k: v.double() if v.is_floating_point() else v for k, v in args.items()})
    for key, value in net(**args).items():
        assert value.dtype == dtype
        torch.testing.assert_close(value.double(), exact[key], rtol=1e-3, atol=1e-4)


def by_pairs(conv, given, pos, edge_index, frames, send=None):
    """The layer node by node, frame by frame of the receiver *and of the sender*, with features that are kept
    in the frames and carried by rho(g^-1 h). ``send`` may replace that map."""

    def act(g, x, key):  # rho(g) x, written anew
        rep = Rep.of(key)
        for axis in range(2, 2 + rep.rank):
            x = torch.tensordot(x, g, dims=([axis], [1])).movedim(-1, axis)
        return x * torch.linalg.det(g).round() if rep.pseudo else x

    def row(f):
        return torch.cat([f[key].reshape(-1) for key in CHANNELS])

    def local(g, node):
        return {key: act(g.T, x[node : node + 1], key) for key, x in given.items()}

    out = {key: torch.zeros_like(x) for key, x in given.items()}
    for i in range(len(pos)):
        for a, g in enumerate(frames.rotation[frames.body == i]):
            own, total = row(local(g, i)), torch.zeros(conv.hidden_channels, dtype=pos.dtype)
            for j in edge_index[0, edge_index[1] == i].tolist():
                mean = 0
                for b, h in enumerate(frames.rotation[frames.body == j]):
                    carried = send(a, b) if send else frames.weight[frames.body == j][b]
                    there = g.T @ h if send is None else torch.eye(len(g), dtype=g.dtype)
                    sent = row({key: act(there, x, key) for key, x in local(h, j).items()})
                    mean += carried * conv.message(torch.cat([own, sent, (pos[j] - pos[i]) @ g]))
                total = total + mean
            parts = conv.update(torch.cat([own, total])).split(conv.outputs.sizes)
            for (key, x), part in zip(out.items(), parts, strict=True):
                weight = frames.weight[frames.body == i][a]
                x[i] += weight * act(g, part.reshape(1, *x.shape[1:]), key)[0]
    return out


@pytest.mark.parametrize("frame", FRAMES)
@torch.no_grad()
def test_the_layer_is_the_sum_over_all_pairs_of_frames(frame):
    args = inputs(n=5, k=4)
    pos, edge_index = args.pop("pos"), args.pop("edge_index")
    frames = FRAMES[frame]("O(3)")(pos, edge_index)
    assert frame != "ragged" or frames.slots == 0  # numbers of frames differ
    conv = LocalFrameConv(CHANNELS, CHANNELS, hidden_channels=8).double()
    expected = by_pairs(conv, args, pos, edge_index, frames)
    for key, value in conv(args, pos, edge_index, frames).items():
        torch.testing.assert_close(value, expected[key], rtol=0, atol=1e-12)


@torch.no_grad()
def test_features_that_are_not_carried_break_it():
    """Numbers of the sender's frames taken as those of the receiver's, the k-th of one for the other's."""
    args = inputs(n=6, k=3)
    pos, edge_index = args.pop("pos"), args.pop("edge_index")
    conv, g = LocalFrameConv(CHANNELS, CHANNELS, hidden_channels=8).double(), random_motion("SO(3)")
    moved = {key: g(x, key) for key, x in args.items()}

    def run(given, x, **kwargs):
        return by_pairs(conv, given, x, edge_index, LocalPCAFrame("SO(3)")(x, edge_index), **kwargs)["vector"]

    right, wrong = ({"send": send} for send in (None, lambda a, b: float(a == b)))
    for kwargs, holds in ((right, True), (wrong, False)):
        error = (run(moved, g(pos), **kwargs) - g(run(args, pos, **kwargs), "vector")).abs().max()
        assert (error < 1e-11) == holds
        assert (error > 1e-3) != holds


@pytest.mark.parametrize("frame", FRAMES)
@torch.no_grad()
def test_chunks_agree(frame):
    args = inputs()
    pos, edge_index = args.pop("pos"), args.pop("edge_index")
    frames = FRAMES[frame]("O(3)")(pos, edge_index)
    attr, weight = torch.rand(edge_index.size(1), 2), torch.rand(edge_index.size(1))
    conv = LocalFrameConv(CHANNELS, CHANNELS, edge_dim=2, aggr="max").double()
    first = conv(args, pos, edge_index, frames, attr, weight)
    for conv.chunk in (1, 3, 8, 100):
        for key, x in conv(args, pos, edge_index, frames, attr, weight).items():
            torch.testing.assert_close(x, first[key], rtol=0, atol=1e-12)


@torch.no_grad()
def test_batch_norm_sees_all_copies_together():
    net, args = Net(LocalPCAFrame("E(3)")).double(), inputs()
    for conv in (net.first, net.last):
        conv.message = nn.Sequential(conv.message, nn.BatchNorm1d(16)).double()
    assert net.training
    assert_equivariant(net, args, "E(3)", reps("E(3)"), {k: k for k in CHANNELS}, "node")


def test_local():
    net, args = Net(LocalPCAFrame("E(3)")).double(), inputs(n=30)
    reach = {0}
    for _ in range(2):  # two layers
        reach |= {j for j, i in args["edge_index"].T.tolist() if i in reach}
    far = torch.tensor([i not in reach for i in range(30)])
    assert far.any()
    before = net(**args)
    for changed in (far, ~far):
        again = {
            k: torch.where(_wide(changed, v), v + 1, v) if k != "edge_index" else v for k, v in args.items()
        }
        after = net(**again)
        same = [torch.equal(after[k][0], before[k][0]) for k in CHANNELS]
        assert not any(same) if changed is not far else all(same)


def _wide(mask, like):
    return mask.view(-1, *(1,) * (like.dim() - 1))


def around(*neighbors):
    """Node 0 in the middle of its neighbors, which have none, with features of its own on node 0 alone."""
    pos = torch.tensor([(0, 0, 0), *neighbors], dtype=torch.float64) @ random_motion("SO(3)").rotation.T
    n = len(pos)
    args = {k: torch.zeros_like(v) if SHAPES[k] else torch.ones_like(v) for k, v in features(n=n).items()}
    args["pseudoscalar"] *= 0
    edges = torch.stack([torch.arange(1, n), torch.zeros(n - 1, dtype=torch.long)])
    return {"pos": pos, "edge_index": edges, **args}


TETRAHEDRON = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]


class AtFirstNode(nn.Module):
    """What node 0 gets from one layer."""

    def __init__(self, frame, reads=False):
        super().__init__()
        self.frame, self.reads = frame, reads
        self.conv = LocalFrameConv(CHANNELS, CHANNELS, hidden_channels=16)

    def forward(self, pos, edge_index, **given):
        frames = self.frame(pos, edge_index, *([given["vector"]] if self.reads else []))
        return {key: y[:1] for key, y in self.conv(given, pos, edge_index, frames).items()}


def node_errors(model, args, group="SE(3)"):
    """The relative error of each representation."""
    before, worst = model(**args), dict.fromkeys(CHANNELS, 0.0)
    for _ in range(3):
        g = random_motion(group)
        moved = {k: g(v, reps("E(3)")[k]) if k != "edge_index" else v for k, v in args.items()}
        for key, y in model(**moved).items():
            error = (y - g(before[key], key)).abs().max() / before[key].abs().max().clamp(min=1e-3)
            worst[key] = max(worst[key], error.item())
    return worst


SYMMETRIC = {
    "tetrahedron": TETRAHEDRON,
    "octahedron": [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)],
    "triangle": [(1, 0, 0), (-0.5, 0.75**0.5, 0), (-0.5, -(0.75**0.5), 0)],
}


@pytest.mark.parametrize("neighbors", SYMMETRIC)
@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
@torch.no_grad()
def test_a_symmetric_neighborhood_needs_other_frames_than_plain_pca(neighbors, group):
    args = around(*SYMMETRIC[neighbors])
    args |= features(n=len(args["pos"]))
    for frame, make in FRAMES.items():
        error = max(node_errors(AtFirstNode(make(group)).double(), args, group).values())
        assert error > 1e-2 if frame == "pca" else error < 1e-9  # the documented limit, and its cures


@pytest.mark.parametrize("neighbors", [[], [(1, 0, 0)], [(1, 0, 0), (-2, 0, 0)]], ids=["none", "one", "line"])
@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
@torch.no_grad()
def test_few_neighbors(neighbors, group):
    args = around(*neighbors)
    model = AtFirstNode(LocalPCAFrame(group)).double()
    weighted = AtFirstNode(FRAMES["weighted"](group)).double()
    error = node_errors(model, args, group)
    assert max(error[key] for key in CHANNELS if key != "tensor") < 1e-10
    assert error["tensor"] > 1e-3  # the documented limits: tensors, and features across
    assert max(node_errors(weighted, args, group).values()) < 1e-10
    args["vector"] = torch.randn_like(args["vector"])
    for one in (model, weighted):
        assert max(node_errors(one, args, group).values()) > 1e-3
        one.reads = True
        assert max(node_errors(one, args, group).values()) < 1e-10


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
@torch.no_grad()
def test_planar_and_two_neighbors_are_exact(group):
    for neighbors in ([(1, 0, 0), (0.3, 1, 0)], [(1, 0, 0), (0.3, 1, 0), (-1, 2, 0)]):
        args = around(*neighbors)
        args |= features(n=len(neighbors) + 1)
        error = node_errors(AtFirstNode(LocalPCAFrame(group)).double(), args, group)
        assert max(error.values()) < 1e-10


def energy(detach=False, conv=None):
    conv = (
        conv
        or LocalFrameConv({"scalar": 1, "vector": 1}, {"scalar": 1, "tensor": 1}, hidden_channels=6).double()
    )
    frame, edge_index = LocalPCAFrame("E(3)", detach), torch.tensor([[1, 2, 3, 0, 2, 3], [0, 0, 0, 1, 1, 1]])

    def value(pos, vector):
        weight = smooth_cutoff(pos[edge_index[0]] - pos[edge_index[1]], 4.0)
        frames = frame(pos, edge_index, vector, edge_weight=weight)
        given = {"scalar": torch.ones_like(pos[:, :1]), "vector": vector}
        out = conv(given, pos, edge_index, frames, edge_weight=weight)
        return 1e3 * (out["scalar"][:2].sum() + out["tensor"][:2].square().sum())

    return value, conv


def test_gradients():
    pos = torch.tensor(
        [[0, 0, 0], [1, 0.2, 0], [0.1, 1.3, 0.4], [-0.4, 0.3, 1.1]], dtype=torch.float64, requires_grad=True
    )
    vector = torch.randn(4, 1, 3, dtype=torch.float64, requires_grad=True)
    value, conv = energy()
    assert torch.autograd.gradcheck(value, (pos, vector))
    assert torch.autograd.gradgradcheck(value, (pos, vector))
    right, wrong = (torch.autograd.grad(f(pos, vector), pos)[0] for f in (value, energy(True, conv)[0]))
    assert (right - wrong).abs().max() > 1e-2 * right.abs().max()  # through frames held fixed


def test_gradients_are_finite_where_frames_are_arbitrary():
    for neighbors in (TETRAHEDRON, [(1, 0, 0)], [(1, 0, 0), (-1, 0, 0)], [(0, 0, 0)], []):
        args = around(*neighbors)
        args["pos"].requires_grad_()
        model = AtFirstNode(LocalPCAFrame("E(3)")).double()
        sum(y.square().sum() for y in model(**args).values()).backward()
        assert args["pos"].grad is None or args["pos"].grad.isfinite().all()


@torch.no_grad()
def test_a_neighbor_enters_continuously():
    net, args = Net(LocalPCAFrame("E(3)")).double(), inputs(n=6, k=5)
    args["pos"][5] *= 5.99 / args["pos"][5].norm()
    args["pos"][0] = 0
    without = dict(args, edge_index=args["edge_index"][:, (args["edge_index"] != 5).all(0)])

    def gap(model):
        pair = model(**args), model(**without)
        return max((pair[0][k][0] - pair[1][k][0]).abs().max().item() for k in CHANNELS)

    pos, radius = args["pos"], []
    for near in (0.5, 1e-3):
        pos[5] *= 6 * (1 - near) / pos[5].norm()
        radius.append(gap(net))
    assert (args["edge_index"][0] == 5).any()
    assert radius[0] > 1e-3
    assert radius[1] < 1e-6


@torch.no_grad()
def test_weighted_frames_do_not_count_what_has_no_weight():
    frame, conv = LocalFrame(WeightedPCAFrame("E(3)", tau=0.5)), LocalFrameConv(CHANNELS, CHANNELS).double()
    edge_index = torch.stack([torch.arange(1, 6), torch.zeros(5, dtype=torch.long)])
    for _ in range(10):
        given, pos = features(n=6), torch.randn(6, 3, dtype=torch.float64).clamp(-1.5, 1.5)
        pos[0] = 0
        pos[5] *= 4 * (1 - 1e-4) / pos[5].norm()
        weight, results = smooth_cutoff(pos[1:], 4.0), []
        for kept in (5, 4):
            edges, w = edge_index[:, :kept], weight[:kept]
            frames = frame(pos, edges, given["vector"], edge_weight=w)
            results.append(conv(given, pos, edges, frames, edge_weight=w))
        for key in CHANNELS:
            torch.testing.assert_close(results[0][key][0], results[1][key][0], rtol=0, atol=1e-6)


def test_smooth_cutoff():
    x = torch.tensor([[0.0, 0], [1, 1], [0, 2], [3, 0]], dtype=torch.float64, requires_grad=True)
    weight = smooth_cutoff(x, 2.0)
    torch.testing.assert_close(weight, torch.tensor([1, 1 / 8, 0, 0], dtype=torch.float64))
    assert torch.autograd.gradgradcheck(lambda y: smooth_cutoff(y, 2.0), x)
    with pytest.raises(ValueError, match="cutoff: expected a positive number, found 0"):
        smooth_cutoff(x, 0)


def normals(turn=None):
    """Points on a paraboloid in random poses, with the projections on their normals, which have no sign."""
    xy = torch.rand(80, 2, dtype=torch.float64) * 2 - 1
    pos = torch.cat([xy, (xy * xy * xy.new_tensor([0.5, -0.3])).sum(1, keepdim=True)], dim=1)
    normal = torch.cat([xy * xy.new_tensor([-1.0, 0.6]), torch.ones(80, 1)], dim=1)
    normal = normal / normal.norm(dim=1, keepdim=True)
    g = turn or random_motion("E(3)")
    return g(pos), g(normal[:, :, None] * normal[:, None, :], "tensor")


def test_normals_are_learned_in_one_pose_and_found_in_all():
    """FA-Local-PointNet's block: a shared network on the neighbors in their local frame, and the largest."""
    frame, one = LocalPCAFrame("E(3)"), random_motion("E(3)")

    def predict(conv, frame, pos):
        edge_index = knn_graph(pos, 8)
        ones = {"scalar": torch.ones_like(pos[:, :1])}
        return conv(ones, pos, edge_index, frame(pos, edge_index))["tensor"][:, 0]

    def error(frame):
        torch.manual_seed(0)
        conv = LocalFrameConv({"scalar": 1}, {"tensor": 1}, hidden_channels=16, aggr="max").double()
        optimizer = torch.optim.Adam(conv.parameters(), 1e-2)
        for _ in range(40):
            pos, target = normals(one)
            loss = (predict(conv, frame, pos) - target).square().sum((1, 2)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            return torch.stack([(predict(conv, frame, p) - t).square().sum((1, 2)).mean() for p, t in tests])

    tests = [normals() for _ in range(5)]
    framed, bare = error(frame), error(LocalPCAFrame("T(3)"))
    assert framed.max() < 0.1  # guessing the mean over all poses leaves 2 / 3
    assert bare.max() > 0.5


@torch.no_grad()
def test_edge_vectors_frames_of_any_kind_and_networks_of_any_kind():
    args = inputs()
    pos, edge_index = args.pop("pos"), args.pop("edge_index")
    frames = LocalFrame(HaarFrame("O(3)", k=3))(pos, edge_index)
    width = 2 + 1 + 6 + 3 + 9
    conv = LocalFrameConv(CHANNELS, {Rep(3): 2, "scalar": 1}, hidden_channels=5).double()
    assert conv.inputs.width == width
    out = conv(args, pos, edge_index, frames)
    assert [x.shape for x in out.values()] == [(12, 2, 3, 3, 3), (12, 1)]
    again = conv(args, pos + 1, edge_index, frames, edge_vec=pos[edge_index[0]] - pos[edge_index[1]])
    for key, x in out.items():
        torch.testing.assert_close(again[key], x)
    twice = conv(args, pos, edge_index, frames, edge_vec=2 * (pos[edge_index[0]] - pos[edge_index[1]]))
    assert not torch.allclose(twice["scalar"], out["scalar"])
    message = nn.Linear(2 * width + 3, 5)
    given = LocalFrameConv(
        CHANNELS, {"scalar": 1}, hidden_channels=5, message=message, update=nn.Linear(width + 5, 1)
    )
    assert given.double()(args, pos, edge_index, frames)["scalar"].shape == (12, 1)


def test_what_does_not_fit():
    args = inputs()
    pos, edge_index = args.pop("pos"), args.pop("edge_index")
    frames, conv = LocalPCAFrame("O(3)")(pos, edge_index), LocalFrameConv(CHANNELS, CHANNELS).double()
    with pytest.raises(ValueError, match=r"inputs: expected channels such as .*found \{\}"):
        LocalFrameConv({}, {"scalar": 1})
    with pytest.raises(
        ValueError, match="outputs: expected channels that are neither points nor flat, found a point"
    ):
        LocalFrameConv({"scalar": 1}, {"point": 1})
    with pytest.raises(ValueError, match=r"outputs\['vector'\]: expected a positive integer, found 0"):
        LocalFrameConv({"scalar": 1}, {"vector": 0})
    with pytest.raises(ValueError, match="chunk: expected a positive integer or None, found 0"):
        LocalFrameConv({"scalar": 1}, {"scalar": 1}, chunk=0)
    with pytest.raises(ValueError, match=r"features: expected \['scalar', .*found \['scalar'\]"):
        conv({"scalar": args["scalar"]}, pos, edge_index, frames)
    wrong = {**args, "vector": args["vector"][:, :1]}
    with pytest.raises(ValueError, match=r"features\['vector'\]: .*\[12, 2, 3\], found .*\[12, 1, 3\]"):
        conv(wrong, pos, edge_index, frames)
    with pytest.raises(ValueError, match="frames: expected frames of 12 nodes in 3 dimensions"):
        conv(args, pos, edge_index, PCAFrame("O(3)")(pos))
    with pytest.raises(ValueError, match=r"edge_attr: expected floating point \[\d+, 0\]"):
        conv(args, pos, edge_index, frames, torch.ones(edge_index.size(1), 1))
    with pytest.raises(ValueError, match=r"edge_attr: expected \[E, 2\], found none"):
        LocalFrameConv(CHANNELS, CHANNELS, edge_dim=2).double()(args, pos, edge_index, frames)
    with pytest.raises(ValueError, match=r"edge_vec: expected floating point \[\d+, 3\]"):
        conv(args, pos, edge_index, frames, edge_vec=pos)
    for name in ("message", "update"):
        bad = LocalFrameConv(CHANNELS, CHANNELS, **{name: nn.LazyLinear(7)}).double()
        with pytest.raises(ValueError, match=rf"{name}: expected an output \[M, \d+\], found"):
            bad(args, pos, edge_index, frames)
