"""The test tools find what is wrong, and pass what is right."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import global_add_pool

from fa_pyg import FrameAveraging, Frames, HaarFrame, MotionFrame, PCAFrame, Rep, ScaleFrame, WeightedPCAFrame
from fa_pyg.testing import (
    Motion,
    assert_equivariant,
    assert_frame,
    catalogue,
    equivariance_error,
    random_motion,
)

BATCH = torch.tensor([0, 0, 0, 1, 1, 1, 1])
POS = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 2


class Fn(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, pos, batch=None, vel=None):
        return self.function(pos, batch, vel)


def pairs(pos, batch, vel):
    """A function of distances within each graph."""
    same = batch.unsqueeze(0) == batch.unsqueeze(1)
    return (torch.cdist(pos, pos) * same).sum(1)


# ------------------------------------------------------------------------------------ motions


@pytest.mark.parametrize(
    "rep", ["scalar", "pseudoscalar", "vector", "pseudovector", "point", "tensor", Rep(3)]
)
@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_representations_are_homomorphisms(dim, rep):
    """rho(g h) = rho(g) rho(h)."""
    x = torch.randn(5, 2, *(dim,) * Rep.of(rep).rank, dtype=torch.float64)
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        g, h = (random_motion(f"E({dim})", generator) for _ in range(2))
        assert torch.allclose((g @ h)(x, rep), g(h(x, rep), rep), atol=1e-12)


def test_motions_against_einsum():
    g = random_motion("E(3)", torch.Generator().manual_seed(1), proper=False)
    r, x = g.rotation, torch.randn(4, 3, 3, dtype=torch.float64)
    assert torch.allclose(g(x, "tensor"), torch.einsum("ia,jb,nab->nij", r, r, x))
    assert torch.allclose(g(x, "pseudotensor"), -torch.einsum("ia,jb,nab->nij", r, r, x))
    assert torch.allclose(g(x), torch.einsum("ia,nca->nci", r, x) + g.translation)
    assert torch.allclose(g(x.flatten(1), Rep(1, flat=True)), torch.einsum("ia,nca->nci", r, x).flatten(1))
    assert torch.allclose(g(x[:, 0, 0], "pseudoscalar"), -x[:, 0, 0])
    assert g(x.float()).dtype == torch.float32


@pytest.mark.parametrize("group", ["O(3)", "SO(2)", "E(1)", "SE(4)", "T(3)"])
def test_random_motions(group):
    for seed in range(5):
        g = random_motion(group, torch.Generator().manual_seed(seed))
        dim = len(g.rotation)
        assert g.rotation.dtype == torch.float64
        assert torch.allclose(g.rotation @ g.rotation.T, torch.eye(dim, dtype=torch.float64), atol=1e-13)
        assert (g.translation.abs().max() > 0) == (group[0] in "EST" and group[:2] != "SO")
    for proper in (True, False):
        if proper is False and group[0] not in "OE":
            with pytest.raises(ValueError, match="expected one with reflections"):
                random_motion(group, proper=False)
        else:
            assert (torch.linalg.det(random_motion(group, proper=proper).rotation) > 0) == proper


# ------------------------------------------------------------------------------------ models


def test_right_models_pass_and_errors_are_returned():
    errors = assert_equivariant(Fn(pairs), {"pos": POS, "batch": BATCH}, "E(3)")
    assert set(errors) == {"proper", "improper", "translated", "permuted", "apart"}
    assert max(errors.values()) < 1e-12
    for group, kinds in {"SO(3)": {"proper"}, "T(3)": {"translated"}}.items():
        errors = equivariance_error(Fn(pairs), {"pos": POS, "batch": BATCH}, group)
        assert set(errors) == {*kinds, "permuted", "apart"}


@pytest.mark.parametrize(
    ("function", "case"),
    [
        (lambda p, b, v: torch.linalg.det(p[:3]).expand(7), "improper"),
        (lambda p, b, v: p.norm(dim=1), "translated"),
        (lambda p, b, v: pairs(p, b, v) * torch.arange(7), "permuted"),
        (lambda p, b, v: (p - p.mean(0))[:, 0], "proper"),
        (lambda p, b, v: pairs(p, b, v) * torch.nan, "proper"),
    ],
    ids=["chiral", "not centered", "ordered", "axis", "nan"],
)
def test_wrong_models_fail_by_case(function, case):
    model, args = Fn(function), {"pos": POS, "batch": BATCH}
    with pytest.raises(AssertionError, match=rf"not equivariant under E\(3\)(.|\n)*{case} +(nan|[\d.e-]+)"):
        assert_equivariant(model, args, "E(3)", level="node")
    errors = equivariance_error(model, args, "E(3)", level="node")
    assert not errors[case] < 1e-3
    if case == "improper":
        assert errors["proper"] < 1e-10


def test_outputs_of_any_structure():
    def many(pos, batch, vel):
        center = global_add_pool(pos, batch) / batch.bincount().unsqueeze(1)
        x = pos - center[batch]
        spin = torch.linalg.cross(x, vel)
        return {
            "e": global_add_pool(pairs(pos, batch, vel), batch),
            "f": (x, spin),
            "t": x[:, :, None] * x[:, None],
        }

    spec = {"e": "scalar", "f": ("vector", "pseudovector"), "t": "tensor"}
    args, reps = {"pos": POS, "batch": BATCH, "vel": POS.flip(0)}, {"pos": "point", "vel": "vector"}
    assert_equivariant(Fn(many), args, "E(3)", reps, spec)
    for wrong in (
        {**spec, "f": ("vector", "vector")},
        {**spec, "e": "pseudoscalar"},
        {**spec, "t": Rep(2, pseudo=True)},
    ):
        with pytest.raises(AssertionError, match="improper"):
            assert_equivariant(Fn(many), args, "E(3)", reps, wrong)
    with pytest.raises(AssertionError, match="proper"):
        assert_equivariant(Fn(many), args, "E(3)", {"pos": "point"}, spec)


def test_inputs_of_any_kind():
    class Held(nn.Module):
        def forward(self, data):
            return pairs(data.pos, data.batch, None)

    data = Batch.from_data_list([Data(pos=POS[:3]), Data(pos=POS[3:])])
    for model, inputs in [(Held(), data), (Fn(pairs), (POS, BATCH)), (Fn(pairs), [POS, BATCH])]:
        assert max(assert_equivariant(model, inputs, "E(3)").values()) < 1e-12
    assert_equivariant(Fn(pairs), (POS, BATCH), "E(3)", {0: "point"})
    assert torch.equal(data.pos, POS)
    framed = FrameAveraging(Fn(lambda p, b, v: p.exp().sum(1)), PCAFrame("E(3)"))
    assert_equivariant(framed, (POS, BATCH), "E(3)")
    linear = FrameAveraging(nn.Linear(3, 2).double(), PCAFrame("O(3)"), {"input": "vector"})
    assert_equivariant(linear, {"input": POS, "batch": BATCH}, "O(3)", {"input": "vector"})
    assert (
        not equivariance_error(linear.model, {"input": POS, "batch": BATCH}, "O(3)", {"input": "vector"})[
            "proper"
        ]
        < 1e-2
    )


def test_names_that_the_call_does_not_have():
    with pytest.raises(
        ValueError, match="input_reps: expected names of tensors of the call, pos, batch, found 'vel'"
    ):
        assert_equivariant(Fn(pairs), (POS, BATCH), "E(3)", {"vel": "vector"})


def test_what_vanishes_has_no_relative_error():
    zero = Fn(lambda p, b, v: (p - p.mean(0)).sum(0).expand(7, 3))  # 0 but for rounding
    assert_equivariant(zero, (POS, BATCH), "E(3)", output="vector", level="node")
    small = Fn(lambda p, b, v: 1e-6 * p)
    with pytest.raises(AssertionError, match="translated"):
        assert_equivariant(small, (POS, BATCH), "E(3)", output="vector")


class Pooled(nn.Module):
    """A vector of each graph that knows nothing of geometry."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 3)).double()

    def forward(self, z, pos, batch):
        return global_add_pool(z.unsqueeze(1) * self.layers(pos), batch)


def test_averages_that_vanish_by_symmetry_are_judged_by_what_is_averaged():
    torch.manual_seed(0)
    names = ("methane", "cubane", "neopentane", "buckminsterfullerene")
    for cloud in (c for c in catalogue(kinds=["molecules"]) if c.name in names):
        args = {"z": cloud.z, "pos": cloud.pos, "batch": torch.zeros_like(cloud.z)}
        right, wrong = (
            FrameAveraging(Pooled(), frame("E(3)"), output="vector") for frame in (WeightedPCAFrame, PCAFrame)
        )
        assert right(**args).abs().max() < 1e-12
        assert_equivariant(right, args, "E(3)")
        if cloud.name in ("methane", "neopentane"):  # the others' inversion alone makes any average vanish
            with pytest.raises(AssertionError, match="proper"):
                assert_equivariant(wrong, args, "E(3)", tol=1e-6)
        with pytest.raises(AssertionError, match="proper"):
            assert_equivariant(right.model, args, "E(3)", output="vector", tol=1e-3)


def test_what_is_averaged_does_not_grow_with_the_distance_from_the_origin():
    """Whose outputs do, so that the bare model's are no measure."""

    class Leaning(FrameAveraging):
        def forward(self, pos, batch):
            return super().forward(pos, batch) + self.fault * pos[:, 0].sin()

    model, far = Leaning(Fn(lambda p, b, v: p.square().sum(1)), PCAFrame("E(3)")), POS + 1e6
    model.fault = 0.0
    assert_equivariant(model, {"pos": far, "batch": BATCH}, "E(3)", tol=1e-6)
    model.fault = 1e-3
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(model, {"pos": far, "batch": BATCH}, "E(3)", tol=1e-6)


def test_the_tolerance_follows_the_type():
    rounded = Fn(lambda p, b, v: pairs(p, b, v) * (1 + 1e-7 * p[:, 0]))
    assert_equivariant(rounded, (POS.float(), BATCH), "E(3)")
    with pytest.raises(AssertionError, match="tol 1e-10"):
        assert_equivariant(rounded, (POS, BATCH), "E(3)")
    assert_equivariant(rounded, (POS, BATCH), "E(3)", tol=1e-5)


def test_edges_follow_permuted_nodes():
    class Edges(nn.Module):
        def forward(self, pos, edge_index, edge_attr):
            row, col = edge_index
            return (pos[row] - pos[col]).norm(dim=1) * edge_attr

    edges = torch.randint(0, 7, (2, 12))
    args = {"pos": POS, "edge_index": edges, "edge_attr": torch.rand(12, dtype=POS.dtype)}
    assert_equivariant(Edges(), args, "E(3)", level="edge")


def test_levels_of_inputs_can_be_said():
    def rows(pos, batch, vel):
        return pairs(pos, batch, vel) * vel[batch].norm(dim=1)

    pos, batch = POS[:2], torch.tensor([1, 1])  # two nodes, two graphs: one is empty
    args = {"pos": pos, "batch": batch, "vel": POS[2:4]}
    assert_equivariant(
        Fn(rows), args, "E(3)", {"pos": "point", "vel": "vector"}, "scalar", "node", {"vel": "graph"}
    )


class Weighted(nn.Module):
    """Sums over edges into nodes; with a fault, one that does not follow the nodes."""

    def __init__(self, fault=False):
        super().__init__()
        self.fault = fault

    def forward(self, pos, edge_index, w):
        row, col = edge_index
        each = (pos[row] - pos[col]).norm(dim=1) * w
        out = each.new_zeros(len(pos)).index_add(0, col, each)
        return out * torch.arange(len(pos)) if self.fault else out


def test_one_graph_with_as_many_edges_as_nodes():
    edges = torch.randint(0, 7, (2, 7))
    args = {"pos": POS, "edge_index": edges, "w": torch.rand(7, dtype=POS.dtype)}
    assert_equivariant(Weighted(), args, "E(3)")
    assert_equivariant(Weighted(), args, "E(3)", levels={"w": "edge"}, level="node")
    for model, levels in [(Weighted(fault=True), None), (Weighted(), {"w": "node"})]:
        with pytest.raises(AssertionError, match="permuted"):
            assert_equivariant(model, args, "E(3)", levels=levels, level="node")


@pytest.mark.parametrize("kind", ["adj", "bonds", "sparse"])
def test_adjacency_matrices_follow_both_ends(kind):
    class Dense(nn.Module):
        def __init__(self, fault):
            super().__init__()
            self.fault = fault

        def forward(self, pos, **matrix):
            (adj,) = matrix.values()
            out = (torch.cdist(pos, pos) * (adj.to_dense() if adj.is_sparse else adj)).sum(1)
            return out + adj.to_dense()[0] if self.fault else out

    adj = torch.rand(7, 7, dtype=POS.dtype)
    args = {"pos": POS, **({"adj_t": adj.to_sparse()} if kind == "sparse" else {kind: adj})}
    assert_equivariant(Dense(fault=False), args, "E(3)")
    with pytest.raises(AssertionError, match="permuted"):
        assert_equivariant(Dense(fault=True), args, "E(3)")


def test_a_matrix_of_node_features_follows_its_rows():
    class Mixed(nn.Module):
        def forward(self, pos, features):
            return pairs(pos, torch.zeros(7), None) * (features @ torch.arange(7.0, dtype=POS.dtype))

    assert_equivariant(Mixed(), {"pos": POS, "features": torch.rand(7, 7, dtype=POS.dtype)}, "E(3)")


def test_as_many_channels_of_one_graph_as_nodes():
    def channels(pos, batch, vel):
        return (pos - pos.mean(0)).norm(dim=1).sum() * torch.arange(1.0, 8, dtype=pos.dtype)

    assert_equivariant(Fn(channels), {"pos": POS}, "E(3)")
    assert_equivariant(Fn(channels), {"pos": POS}, "E(3)", level="graph")
    with pytest.raises(AssertionError, match="permuted"):
        assert_equivariant(Fn(channels), {"pos": POS}, "E(3)", level="node")


@pytest.mark.parametrize("pooled", [False, True], ids=["node", "graph"])
def test_a_small_graphs_error_does_not_hide_beside_a_big_one(pooled):
    """Of two graphs the first is wrong by its own measure; the other is a million times larger."""

    def uneven(fault):
        def make(pos, batch, vel):
            size = torch.tensor([1.0, 1e6], dtype=pos.dtype)[batch]
            out = size * pairs(pos, batch, vel) + fault * (batch == 0) * pos[:, 0].sin()
            return global_add_pool(out, batch) if pooled else out

        return Fn(make)

    args, level = {"pos": POS, "batch": BATCH}, "graph" if pooled else "node"
    assert_equivariant(uneven(0.0), args, "E(3)", level=level)
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(uneven(0.1), args, "E(3)", level=level, tol=1e-3)
    assert not equivariance_error(uneven(torch.nan), args, "E(3)", level=level)["proper"] < 1


def test_what_cancels_in_one_graph_of_many_is_no_error_in_float32():
    """A graph whose output is 1e-4 of what it is the difference of, among others as large as that."""

    def difference(pos, batch, vel):
        energy = global_add_pool(pairs(pos, batch, vel), batch)
        return energy - energy[0].detach().round(decimals=2) * (torch.arange(2) == 0)

    assert_equivariant(Fn(difference), {"pos": 10 * POS.float(), "batch": BATCH}, "SO(3)", trials=20)


def test_levels_of_some_outputs():
    def both(pos, batch, vel):
        return {"a": pairs(pos, batch, vel), "b": (pairs(pos, batch, vel), pos)}

    spec = {"a": "scalar", "b": ("scalar", "point")}
    args = {"pos": POS, "batch": BATCH}
    assert_equivariant(Fn(both), args, "E(3)", output=spec, level={"b": ("node", "node")})
    with pytest.raises(ValueError, match="expected some of a, b, found 'c'"):
        assert_equivariant(Fn(both), args, "E(3)", output=spec, level={"c": "node"})


# ------------------------------------------------------------------------------------ frames


class Broken(MotionFrame):
    """Principal axes with something wrong about them."""

    def __init__(self, group, change):
        super().__init__(group)
        self.inner, self.change = PCAFrame(group), change

    def build(self, cloud):
        frames = self.inner.build(cloud)
        parts = {k: getattr(frames, k) for k in ("rotation", "body", "weight", "origin")}
        return Frames(**{**parts, **self.change(frames)}, num_bodies=frames.num_bodies)


@pytest.mark.parametrize("group", ["O(3)", "SO(3)", "E(3)", "SE(3)", "T(3)"])
def test_right_frames_pass(group):
    assert_frame(PCAFrame(group), POS, batch=BATCH)
    assert_frame(PCAFrame(group), POS, POS.flip(0), batch=BATCH, node_weight=torch.rand(7))
    assert_frame(Broken(group, lambda f: {}), POS, batch=BATCH)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: {"rotation": f.rotation * 1.1}, "not orthogonal, by 0.21"),
        (lambda f: {"rotation": -f.rotation}, "a reflection in a frame of SE"),
        (lambda f: {"weight": f.weight * 2}, "sums over a body differ from 1 by 1"),
        (lambda f: {"weight": f.weight * torch.nan}, "sums over a body differ from 1 by nan"),
        (lambda f: {"origin": f.origin * 1.1}, "origin: F.gx. and gF.x. differ"),
        (lambda f: {"rotation": f.rotation[:2].repeat(4, 1, 1)}, "is not gF.x.: in body 0"),
        (lambda f: {"weight": torch.tensor([0.5, 0.5, 0.5, 0.5] + [0.0] * 4).double()}, "is not gF"),
    ],
    ids=["stretched", "reflected", "heavy", "nan", "elsewhere", "too few", "one sided"],
)
def test_wrong_frames_fail(change, message):
    with pytest.raises(AssertionError, match=message):
        assert_frame(Broken("SE(3)", change), POS, batch=BATCH, trials=8)


def test_random_frames_are_no_frames():
    with pytest.raises(AssertionError, match="is not gF"):
        assert_frame(HaarFrame("SO(3)", k=2), POS, batch=BATCH)


def test_turned_axes_in_a_group_of_translations():
    class Turned(MotionFrame):
        def build(self, cloud):
            return Frames(
                random_motion("SO(3)").rotation.expand(cloud.size, 3, 3), origin=cloud.origin(self.group)
            )

    with pytest.raises(AssertionError, match=r"in a frame of T\(3\) it differs from 1"):
        assert_frame(Turned("T(3)"), POS, batch=BATCH)


def test_weighted_sets_may_repeat_elements():
    """Two frames that are one element count as one of the summed weight."""

    def twice(f):
        return {
            "rotation": f.rotation.repeat(2, 1, 1),
            "body": f.body.repeat(2),
            "weight": f.weight.repeat(2) / 2,
        }

    assert_frame(Broken("SE(3)", twice), POS, batch=BATCH)


def test_motions_compose_with_their_inverse():
    g = random_motion("E(3)")
    inverse = Motion(g.rotation.T, -g.rotation.T @ g.translation)
    assert torch.allclose((inverse @ g)(POS), POS)


@pytest.mark.parametrize("trials", [0, -1, True, 1.0])
def test_no_trial_is_no_test(trials):
    with pytest.raises(ValueError, match="trials: expected a positive integer"):
        assert_equivariant(
            torch.nn.Linear(3, 1), [torch.rand(4, 3)], "E(3)", {"input": "point"}, trials=trials
        )


# ------------------------------------------------------------------------------------ scaling and boosts


class Gravity(nn.Module):
    """A law that scales: accelerations of masses that are read as weights, and velocities."""

    def __init__(self, power=-3):
        super().__init__()
        self.power = power

    def forward(self, pos, vel, mass):
        r = pos.unsqueeze(0) - pos.unsqueeze(1)
        square = r.square().sum(-1) + torch.eye(len(pos), dtype=pos.dtype)
        return vel + (mass * r * square.unsqueeze(-1) ** (self.power / 2)).sum(1)


LAW = {"pos": Rep(1, affine=True, scale=1), "vel": Rep(1, scale=1, boost=1), "mass": Rep(scale=3)}


def test_a_law_that_scales_and_is_boosted_passes():
    args = {"pos": POS, "vel": POS.flip(0), "mass": POS[:, :1].exp()}
    errors = assert_equivariant(Gravity(), args, "R+:Gal(3)", LAW, LAW["vel"])
    assert {"scaled", "boosted", "proper", "translated"} <= set(errors)


@pytest.mark.parametrize(
    ("power", "output", "case"), [(-2, LAW["vel"], "scaled"), (-3, Rep(1, scale=1), "boosted")]
)
def test_one_that_does_not_fails_in_that_case_alone(power, output, case):
    args = {"pos": POS, "vel": POS.flip(0), "mass": POS[:, :1].exp()}
    errors = equivariance_error(Gravity(power), args, "R+:Gal(3)", LAW, output)
    assert {name for name, error in errors.items() if not error < 1e-10} == {case}


def test_nothing_that_scales_is_no_test():
    with pytest.raises(ValueError, match="input_reps: expected inputs with a weight scale"):
        assert_equivariant(Fn(pairs), {"pos": POS, "batch": BATCH}, "Sim(3)")


def test_a_scale_frame_that_is_not_one_is_found():
    class Wrong(ScaleFrame):
        def element(self, cloud):
            return 1 + super().element(cloud)

    assert_frame(ScaleFrame(PCAFrame("E(3)")), POS, batch=BATCH)
    with pytest.raises(AssertionError, match=r"scale: F\(gx\) and gF\(x\) differ"):
        assert_frame(Wrong(PCAFrame("E(3)")), POS, batch=BATCH)
