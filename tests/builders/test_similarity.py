"""Scalings and boosts: exact for the products with motions, one run of the model, and random for training."""

import pytest
import torch
from torch import nn

from fa_pyg import (
    CanonicalFrame,
    CosetFrame,
    FrameAveraging,
    GalileanFrame,
    GroupFrame,
    HaarFrame,
    LocalFrame,
    PCAFrame,
    PerMode,
    RandomBoostFrame,
    RandomScaleFrame,
    Rep,
    Sample,
    ScaleFrame,
    WeightedPCAFrame,
)
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.models import GNN
from fa_pyg.testing import Motion, assert_equivariant, assert_frame, equivariance_error

POINT, VECTOR = Rep(1, affine=True, scale=1), Rep(1, scale=1, boost=1)
LATER = Rep(1, affine=True, scale=1, boost=1)  # a position one unit of time after the others
CHARGE, PRODUCT = Rep(scale=1.5), Rep(scale=3)
INPUTS = {"pos": POINT, "vel": VECTOR, "charge": CHARGE, "edge_attr": PRODUCT}
BATCH = torch.tensor([0] * 4 + [1] * 6 + [2] * 5)


def system(dtype=torch.float64, batch=BATCH):
    """Charged particles in graphs of several sizes."""
    draw = torch.Generator().manual_seed(1)
    pos, vel = (torch.randn(len(batch), 3, generator=draw, dtype=torch.float64).to(dtype) for _ in range(2))
    charge = torch.randn(len(batch), 1, generator=draw, dtype=torch.float64).to(dtype)
    edges = (batch.unsqueeze(1) == batch).fill_diagonal_(False).nonzero().T
    product = charge[edges[0]] * charge[edges[1]]
    args = {"pos": pos + 3, "vel": vel + 1, "charge": charge, "edge_index": edges, "edge_attr": product}
    return {**args, "batch": batch}


class Levels(nn.Module):
    """Outputs of nodes, edges and graphs with several weights, which no symmetry constrains."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(7, 7).double()

    def forward(self, pos, vel, charge, edge_index, edge_attr, batch, num_graphs=None):
        y = self.layer(torch.cat([pos, vel, charge], 1)).tanh()
        edge = y[edge_index[0], :3] * edge_attr.tanh() + y[edge_index[1], :3]
        num_graphs = int(batch.max()) + 1 if num_graphs is None else num_graphs
        total = torch.zeros(num_graphs, 7, dtype=y.dtype).index_add(0, batch, y)
        return {"node": y[:, :3] + pos, "speed": y[:, 3:6], "edge": edge, "energy": total[:, 6]}


OUTPUTS = {"node": LATER, "speed": VECTOR, "edge": Rep(1, scale=-2), "energy": Rep(scale=2)}
LEVEL = {"node": "node", "speed": "node", "edge": "edge", "energy": "graph"}


def framed(frame, **options):
    torch.manual_seed(0)
    return FrameAveraging(Levels(), frame, INPUTS, OUTPUTS, level=LEVEL, **options)


FRAMES = {
    "R+:E(3)": lambda: ScaleFrame(PCAFrame("E(3)")),
    "R+:SE(3)": lambda: ScaleFrame(WeightedPCAFrame("SE(3)")),
    "R+:T(3)": lambda: ScaleFrame(PCAFrame("T(3)")),
    "R+:C4v": lambda: ScaleFrame(GroupFrame("C4v")),
    "B:E(3)": lambda: GalileanFrame(PCAFrame("E(3)")),
    "B:C1(3)": lambda: GalileanFrame(GroupFrame("C1(3)")),
    "R+:B:E(3)": lambda: GalileanFrame(ScaleFrame(PCAFrame("E(3)"))),
    "R+:B:SE(3)": lambda: GalileanFrame(ScaleFrame(CosetFrame(PCAFrame("SE(3)"), "O"))),
}


# ------------------------------------------------------------------------------------ exactness


@pytest.mark.parametrize("group", FRAMES)
def test_the_average_is_equivariant_to_the_product(group):
    model = framed(FRAMES[group](), chunk=3)
    assert str(model.frame.group) == group
    cases = assert_equivariant(model, system(), group)
    assert ("scaled" in cases, "boosted" in cases) == (group.startswith("R+"), "B:" in group)


@pytest.mark.parametrize("group", ["R+:E(3)", "B:E(3)", "R+:B:E(3)"])
def test_without_them_it_is_not(group):
    """The negative control: in the frame of motions alone, exactly these cases fail."""
    errors = equivariance_error(framed(PCAFrame("E(3)")), system(), group)
    wrong = {case for case, error in errors.items() if not error < 1e-10}
    assert wrong == {case for case, prefix in (("scaled", "R+:"), ("boosted", "B:")) if prefix in group}


def test_types(dtype):
    model = FrameAveraging(GNN(8, 2).to(dtype), GalileanFrame(ScaleFrame(PCAFrame("E(3)"))), INPUTS, LATER)
    assert model(**system(dtype)).dtype == dtype
    assert_equivariant(model, system(dtype), "R+:Gal(3)")


def test_frames_alone():
    args = system()
    pos, vel = args["pos"], args["vel"]
    assert_frame(ScaleFrame(PCAFrame("E(3)")), pos, vel, batch=BATCH)
    assert_frame(GalileanFrame(ScaleFrame(WeightedPCAFrame("E(3)"))), pos, vel, batch=BATCH)
    mass = torch.rand(15, dtype=torch.float64) + 0.5
    assert_frame(GalileanFrame(PCAFrame("O(3)")), pos, vel, batch=BATCH, node_weight=mass)


def test_elements_in_closed_form():
    args, mass = system(), torch.rand(15, dtype=torch.float64) + 0.5
    pos, vel = args["pos"], args["vel"]
    frames = GalileanFrame(ScaleFrame(PCAFrame("E(3)")))(pos, vel, batch=BATCH, node_weight=mass)
    for b in range(3):
        x, v, w = pos[b == BATCH], vel[b == BATCH], mass[b == BATCH].unsqueeze(1) / mass[b == BATCH].sum()
        centroid, drift = (w * x).sum(0), (w * v).sum(0)
        square = (w * (x - centroid).square()).sum()  # frame(pos, vel) reads both
        square = square + (w * (v - drift).square()).sum()
        assert torch.allclose(frames.origin[b], centroid, rtol=0, atol=1e-13)
        assert torch.allclose(frames.velocity[b], drift, rtol=0, atol=1e-13)
        assert torch.allclose(frames.scale[b], square.sqrt(), rtol=0, atol=1e-13)


def test_weights_of_what_is_read_give_one_length():
    """Inputs with other weights are read as powers of a length."""
    area = Rep(1, scale=2)
    model = FrameAveraging(
        Vel(), ScaleFrame(PCAFrame("E(3)")), {"pos": POINT, "vel": area}, area, ["pos", "vel"]
    )
    args = {key: system()[key] for key in ("pos", "vel", "batch")}
    assert_equivariant(model, args, "Sim(3)")


class Vel(nn.Module):
    def forward(self, pos, vel, batch=None):
        return vel.tanh() + pos.square()


# ------------------------------------------------------------------------------------ one run, other forms


def test_one_run_of_the_model():
    calls, net = [], Levels()
    net.register_forward_hook(lambda *_: calls.append(1))
    frame = GalileanFrame(ScaleFrame(PCAFrame("T(3)")))
    FrameAveraging(net, frame, INPUTS, OUTPUTS, level=LEVEL)(**system())
    assert calls == [1]


@pytest.mark.parametrize("group", ["R+:E(3)", "B:E(3)", "R+:B:E(3)"])
def test_it_is_the_nested_average(group):
    """An operator around the operator, as the definition says; the outer frame is trivial in its motions."""
    inner = framed(PCAFrame("E(3)"))
    trivial = GroupFrame("C1(3)", translations=group.startswith("R+"))
    outer = {"R+:E(3)": ScaleFrame, "B:E(3)": GalileanFrame}.get(
        group, lambda f: GalileanFrame(ScaleFrame(f))
    )
    nested = FrameAveraging(inner, outer(trivial), INPUTS, OUTPUTS, level=LEVEL)
    a, b = nested(**system()), framed(FRAMES[group]())(**system())
    for name in a:
        assert torch.allclose(a[name], b[name], rtol=1e-11, atol=1e-11), name


def test_computed_frames_can_be_given():
    args, model = system(), framed(GalileanFrame(ScaleFrame(PCAFrame("E(3)"))))
    layout = model.reading.layout(model_call(model, args))
    frames = model.reading.frames(model.frame, layout)
    a, b = model(**args), model(**args, frames=frames)
    assert all(torch.equal(a[name], b[name]) for name in a)
    for plain, missing in ((ScaleFrame(PCAFrame("E(3)")), "velocity"), (PCAFrame("E(3)"), "scale")):
        given = plain(args["pos"], batch=BATCH)
        with pytest.raises(ValueError, match=f"frames: expected frames of R.*, with a {missing}"):
            model(**args, frames=given)


def model_call(model, args):
    from fa_pyg.calls import Call

    return Call(model.signature, (), args, extra=model.reading.extra())


@pytest.mark.parametrize("frame", ["R+:E(3)", "R+:SE(3)", "R+:B:SE(3)"])
def test_values(frame):
    """Samples, casts and copies of frames keep the scale and the velocity."""
    args = system()
    vectors = (args["vel"],) if "B" in frame else ()
    frames = FRAMES[frame]()(args["pos"], *vectors, batch=BATCH)
    assert torch.equal(frames.sample(1).scale, frames.scale)
    assert torch.equal(frames.detach().scale, frames.scale)
    assert frames.to(torch.float32).scale.dtype == torch.float32
    one = frames.with_one_frame(torch.tensor([True, False, True]))
    assert torch.equal(one.scale, frames.scale)
    for rep in (POINT, VECTOR, LATER, Rep(2, scale=-1.5), PRODUCT):
        x = torch.randn(15, *(3,) * rep.rank, dtype=torch.float64)
        for value in (frames, one, getattr(frames, "explicit", lambda: frames)()):
            copies = value.to_frame(x, rep)
            back = value.from_frame(copies, rep)
            row = value.rows(BATCH, 15)[0]
            assert torch.allclose(back, x[row], rtol=1e-12, atol=1e-12), rep
            assert torch.allclose(value.average(copies, rep), x, rtol=1e-12, atol=1e-12), rep


def test_sample_and_per_mode():
    model = framed(GalileanFrame(ScaleFrame(Sample(PCAFrame("E(3)"), k=1, eval_k=None))))
    outside = framed(Sample(GalileanFrame(ScaleFrame(PCAFrame("E(3)")))))
    modes = ScaleFrame(PerMode(RandomScaleFrame(HaarFrame("E(3)"), 0.3), PCAFrame("E(3)")))
    assert modes.is_random
    assert str(modes.group) == "R+:E(3)"
    for one in (model, outside, framed(modes)):
        one.train()(**system())
        assert_equivariant(one.eval(), system(), one.frame.group)


# ------------------------------------------------------------------------------------ gradients


def test_gradients_pass_through_scale_and_velocity():
    args, model = system(), framed(GalileanFrame(ScaleFrame(PCAFrame("E(3)"))))

    def energy(pos, vel):
        out = model(**{**args, "pos": pos, "vel": vel})
        return out["energy"].sum() + out["node"].square().sum()

    pos, vel = (args[name].clone().requires_grad_() for name in ("pos", "vel"))
    assert torch.autograd.gradcheck(energy, (pos, vel), fast_mode=True)
    assert torch.autograd.gradgradcheck(energy, (pos, vel), fast_mode=True)


@pytest.mark.parametrize("make", [ScaleFrame, GalileanFrame])
def test_detached_elements_carry_no_gradient(make):
    args = system()
    pos, vel = (args[name].requires_grad_() for name in ("pos", "vel"))
    for detach in (False, True):
        frames = make(PCAFrame("E(3)"), detach=detach)(pos, vel, batch=BATCH)
        element = frames.scale if make is ScaleFrame else frames.velocity
        assert element.requires_grad != detach
        assert "detach=True" not in repr(make(PCAFrame("E(3)")))
        assert frames.rotation.requires_grad


@pytest.mark.parametrize("batch", [[0], [0, 0, 0], [0, 0, 1]])
def test_gradients_are_finite_where_points_coincide(batch):
    args = system(batch=torch.tensor(batch))
    pos = torch.full_like(args["pos"], 0.1).requires_grad_()
    model = FrameAveraging(Levels(), ScaleFrame(PCAFrame("T(3)")), INPUTS, OUTPUTS, level=LEVEL)
    out = model(**{**args, "pos": pos}, num_graphs=max(batch) + 1)
    gradient = torch.autograd.grad(sum(y.sum() for y in out.values()), pos)[0]
    assert gradient.isfinite().all()


# ------------------------------------------------------------------------------------ hard inputs


def test_one_particle_and_coincident_ones():
    """What scales is multiplied by 0, whatever the model: points are at their centroid, plus the drift."""
    frame = GalileanFrame(ScaleFrame(PCAFrame("E(3)")))
    batch = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 2])
    args = system(batch=batch)
    args["pos"][:4] = (
        torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64) * 1e3
    )  # rounding in the mean of three
    args["vel"][1:4] = args["vel"][1]
    model = framed(frame)
    out = model(**args)
    assert torch.allclose(out["node"][:4], args["pos"][:4] + args["vel"][:4], rtol=0, atol=1e-9)
    assert torch.allclose(out["speed"][:4], args["vel"][:4], rtol=0, atol=1e-12)
    assert out["energy"][:2].eq(0).all()
    assert out["energy"][2] != 0
    assert out["edge"].isfinite().all()
    assert_equivariant(model, args, frame.group, tol=1e-7)  # of coordinates of 300
    frames = ScaleFrame(PCAFrame("E(3)"))(args["pos"], batch=batch)
    assert frames.scale.eq(0).tolist() == [True, True, False]
    assert frames.exact_for("vector").tolist() == [False, False, True]


def test_velocities_that_are_read_give_a_moving_particle_a_scale():
    args = system(batch=torch.tensor([0]))
    lost, kept = (
        FrameAveraging(GNN(8, 2).double(), ScaleFrame(PCAFrame("T(3)")), INPUTS, LATER, reads)
        for reads in (["pos"], ["pos", "vel"])
    )
    assert torch.equal(lost(**args), args["pos"])
    assert not torch.allclose(kept(**args), args["pos"], atol=1e-3)
    assert_equivariant(kept, args, "R+:T(3)")


def test_zero_velocities():
    args = system()
    args["vel"] = torch.zeros_like(args["vel"])
    model = framed(GalileanFrame(ScaleFrame(PCAFrame("E(3)"))))
    assert_equivariant(model, args, "R+:Gal(3)")


@pytest.mark.parametrize("factor", [1e-20, 1e-10, 1e10, 1e20])
def test_huge_and_tiny_scales_in_float32(factor):
    args = {key: value for key, value in system(torch.float32).items() if key != "edge_attr"}
    inputs = {key: rep for key, rep in INPUTS.items() if key in args}
    powers = {"pos": 1, "vel": 1, "charge": 1.5}
    scaled = {k: (x.double() * factor ** powers[k]).float() if k in powers else x for k, x in args.items()}
    torch.manual_seed(0)
    net = GNN(8, 2)
    exact = FrameAveraging(net, GalileanFrame(ScaleFrame(PCAFrame("E(3)"))), inputs, LATER)
    bare = FrameAveraging(net, PCAFrame("E(3)"), inputs, LATER)
    for model, is_exact in ((exact, True), (bare, False)):
        a, b = model(**args).double() * factor, model(**scaled).double()
        error = (a - b).abs().max() / a.abs().max()
        assert bool(error < 1e-5) is is_exact, error  # `not <`: a NaN is not exact


def test_no_graphs_and_graphs_without_nodes():
    frame = GalileanFrame(ScaleFrame(PCAFrame("E(3)")))
    none = torch.zeros(0, 3, dtype=torch.float64)
    frames = frame(none, none, batch=torch.zeros(0, dtype=torch.long))
    assert (frames.num_bodies, len(frames.scale), frames.velocity.shape) == (0, 0, (0, 3))
    args = system()
    gaps = frame(args["pos"], args["vel"], batch=2 * BATCH + 1, num_graphs=7)
    assert gaps.scale.isfinite().all()
    assert gaps.velocity.isfinite().all()
    assert gaps.scale.eq(0).tolist() == [True, False, True, False, True, False, True]


def test_a_nan_stays_in_its_graph_and_does_not_vanish():
    args = system()
    args["pos"][0] = torch.nan
    out = framed(GalileanFrame(ScaleFrame(PCAFrame("T(3)"))))(**args)
    assert out["node"][:4].isnan().any()
    assert out["node"][4:].isfinite().all()
    assert out["energy"].isfinite().tolist() == [False, True, True]


# ------------------------------------------------------------------------------------ random elements


def test_random_scales_in_training_are_the_augmentation_written_by_hand():
    """Inputs and target scaled by lambda, and the errors divided by it, so that all graphs count alike."""
    args, net = system(), GNN(8, 2).double()
    target = torch.randn(15, 3, dtype=torch.float64)
    seed = torch.Generator().manual_seed
    frame = RandomScaleFrame(GroupFrame("C1(3)"), 0.4, generator=seed(5))
    model = FrameAveraging(net, frame, {**INPUTS, "vel": Rep(1, scale=1)}, POINT)
    loss = (model(**args) - target).square().mean()
    factor = (-0.4 * torch.randn(3, generator=seed(5), dtype=torch.float64)).exp()  # inputs are divided
    node, edge = (factor[index].unsqueeze(1) for index in (BATCH, BATCH[args["edge_index"][0]]))
    scaled = {"pos": node * args["pos"], "vel": node * args["vel"], "charge": node**1.5 * args["charge"]}
    scaled["edge_attr"] = edge**3 * args["edge_attr"]
    by_hand = ((net(**{**args, **scaled}) - node * target) / node).square().mean()
    assert torch.allclose(loss, by_hand, rtol=1e-12)
    plain = (net(**args) - target).square().mean()
    assert not torch.allclose(loss, plain, rtol=1e-3)


@pytest.mark.parametrize("sigma", [0.4, 1.5])
def test_random_elements_have_the_distribution_that_is_asked_for(sigma):
    pos = torch.randn(4000, 3, dtype=torch.float64)
    inputs, batch = {"pos": LATER}, torch.arange(4000)
    for make in (RandomScaleFrame, RandomBoostFrame):
        model = FrameAveraging(nn.Identity(), make(PCAFrame("T(3)"), sigma), inputs, LATER)
        args = {"input": pos, "batch": batch}
        model = FrameAveraging(nn.Identity(), model.frame, {"input": LATER}, LATER)
        frames = model.reading.frames(model.frame, model.reading.layout(model_call(model, args)))
        draws = frames.scale.log() if make is RandomScaleFrame else frames.velocity
        assert draws.mean().abs() < 5 * sigma / 60
        assert draws.std() == pytest.approx(sigma, rel=0.05)
        assert not frames.exact_for("scalar").any()


@pytest.mark.parametrize("make", [RandomScaleFrame, RandomBoostFrame])
def test_random_elements_leave_models_alone_that_are_equivariant(make):
    class Free(nn.Module):
        def forward(self, pos, vel, batch):
            return pos + vel

    args = {key: system()[key] for key in ("pos", "vel", "batch")}
    inputs = {"pos": POINT, "vel": VECTOR}
    found = FrameAveraging(Free(), make(HaarFrame("E(3)")), inputs, LATER)(**args)
    assert torch.allclose(found, args["pos"] + args["vel"], rtol=1e-12)


@pytest.mark.parametrize("make", [RandomScaleFrame, RandomBoostFrame])
def test_draws_are_new_in_every_call_and_reproducible(make):
    args = system()
    model, again = (
        framed(make(GroupFrame("C1(3)"), generator=torch.Generator().manual_seed(1))) for _ in range(2)
    )
    a, b = model(**args)["node"], model(**args)["node"]
    assert torch.equal(a, again(**args)["node"])
    assert not torch.allclose(a, b, atol=1e-4)
    assert model.frame.is_random
    assert "sigma=" in repr(model.frame)


def test_training_in_random_scales_and_evaluation_without():
    frame = PerMode(RandomScaleFrame(HaarFrame("E(3)")), PCAFrame("E(3)"))
    model, plain = framed(frame), framed(PCAFrame("E(3)"))
    a, b = model.eval()(**system()), plain(**system())
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.allclose(model.train()(**system())["node"], b["node"], atol=1e-3)


def test_the_sum_over_edges_is_not_needed():
    """Levels by name: the products of charges scale by the graph of their edge."""
    args = system()
    frame = RandomScaleFrame(GroupFrame("C1(3)"), 1.0, torch.Generator().manual_seed(0))

    class Products(nn.Module):
        def forward(self, pos, edge_index, edge_attr, batch):
            return scatter_sum(edge_attr, edge_index[1], len(pos))

    inputs = {"pos": POINT, "edge_attr": PRODUCT}
    given = {key: args[key] for key in ("pos", "edge_index", "edge_attr", "batch")}
    found = FrameAveraging(Products(), frame, inputs, PRODUCT, level="node")(**given)
    assert torch.allclose(found, Products()(**given), rtol=1e-12)


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("make", [ScaleFrame, GalileanFrame, RandomScaleFrame, RandomBoostFrame])
def test_refusals(make):
    with pytest.raises(ValueError, match="frame: expected a frame of motions"):
        make(CanonicalFrame())
    with pytest.raises(ValueError, match=r"(?s)frame: expected a frame without scaling and boosts.* wrap"):
        LocalFrame(Sample(make(PCAFrame("O(3)"))))
    with pytest.raises(ValueError, match="frame: expected a frame without scaling and boosts"):
        CosetFrame(make(PCAFrame("O(3)")), "O")
    model = FrameAveraging(Vel(), make(PCAFrame("E(3)")), output="point")  # "point" has no weights
    with pytest.raises(ValueError, match=f"inputs of a {make.__name__}: expected .* the weight"):
        model(torch.randn(4, 3), torch.ones(4, 1))


def test_what_a_scale_frame_cannot_be_computed_from():
    args = system()
    charge = FrameAveraging(Levels(), ScaleFrame(PCAFrame("O(3)")), {**INPUTS, "pos": "vector"}, OUTPUTS)
    with pytest.raises(ValueError, match="reads: expected inputs with a positive scale"):
        charge(**args)
    with pytest.raises(
        ValueError, match=r"(?s)frame: expected one without boosts.*GalileanFrame\(ScaleFrame"
    ):
        ScaleFrame(GalileanFrame(PCAFrame("E(3)")))


@pytest.mark.parametrize("group", ["Sim(3)", "Gal(3)", "R+:Oh"])
def test_other_frames_do_not_take_their_groups(group):
    for make in (PCAFrame, WeightedPCAFrame, HaarFrame, GroupFrame):
        with pytest.raises(ValueError, match=r"group.*ScaleFrame\(PCAFrame|expected a finite group"):
            make(group)


@pytest.mark.parametrize(
    ("inputs", "output", "what"),
    [
        ({"pos": POINT, "vel": VECTOR}, "point", "all points"),
        ({"pos": POINT, "other": Rep(1, affine=True, scale=2)}, "scalar", "all points"),
        ({"pos": POINT, "vel": Rep(1, boost=1)}, LATER, "all quantities that boosts change"),
        ({"pos": POINT}, ("scalar", {"a": "point"}), "all points"),
    ],
)
def test_weights_that_contradict_each_other(inputs, output, what):
    with pytest.raises(ValueError, match=f"scale: expected the same for {what}, found .*: 1"):
        FrameAveraging(Levels(), PCAFrame("E(3)"), inputs, output)


def test_motions_compose_with_scales_and_boosts():
    """The group law, of points and velocities with the weight 1."""
    from fa_pyg.testing import random_motion

    draw = torch.Generator().manual_seed(3)
    g, h = (random_motion("R+:Gal(3)", draw) for _ in range(2))
    x = torch.randn(5, 3, dtype=torch.float64)
    for rep in (POINT, VECTOR, LATER, Rep(1, scale=-2), CHARGE):
        y = x if rep.rank else x[:, 0]
        assert torch.allclose((g @ h)(y, rep), g(h(y, rep), rep), rtol=1e-12), rep
    assert Motion(g.rotation, g.translation)(x, LATER).equal(Motion(g.rotation, g.translation)(x, "point"))


class Sum(nn.Module):
    """Depends on where the origin is, and on nothing else that could be equivariant."""

    def forward(self, pos, before, vel=None):
        return pos.sin() + before.cos() + (0 if vel is None else vel)


def test_a_velocity_is_read_from_vectors_only():
    inputs = {"pos": Rep(1, affine=True), "before": Rep(1, affine=True, boost=-1), "vel": Rep(1, boost=2)}
    frame, later = GalileanFrame(PCAFrame("E(3)")), Rep(1, affine=True, boost=1)
    args = {name: torch.randn(5, 3, dtype=torch.float64) for name in inputs}
    assert_equivariant(FrameAveraging(Sum(), frame, inputs, later), args, "Gal(3)")
    del inputs["vel"], args["vel"]
    with pytest.raises(ValueError, match="inputs of a GalileanFrame: expected a velocity"):
        FrameAveraging(Sum(), frame, inputs, later)(**args)
