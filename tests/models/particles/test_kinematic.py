import pytest
import torch
from helpers import particles

from fa_pyg import FrameAveraging, PCAFrame
from fa_pyg.models import GNN, KinematicGNN
from fa_pyg.models.particles.gnn import edge_features
from fa_pyg.models.particles.kinematic import free_motion
from fa_pyg.testing import equivariance_error

INPUTS = {"pos": "point", "vel": "vector"}
VARIANTS = [{}, {"num_times": 0}, {"num_layers": 2, "horizon": 0.5}]


@pytest.fixture(autouse=True)
def in_double_precision(seeded):
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def arguments(*sizes, dim=3):
    args = particles(dim, sizes)
    del args["edge_attr"]
    return args


@pytest.mark.parametrize("settings", VARIANTS)
def test_it_is_equivariant_to_translations_and_boosts(settings):
    model, args = KinematicGNN(**settings), arguments(5, 3)
    shift, boost = torch.randn(2, 3)
    moved = args | {"pos": args["pos"] + shift, "vel": args["vel"] + boost}
    expected = model(**args) + shift + settings.get("horizon", 1.0) * boost
    assert torch.allclose(model(**moved), expected, rtol=0, atol=1e-12)
    expected = GNN()(**args) + shift + boost
    assert not torch.allclose(GNN()(**moved), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("settings", VARIANTS)
def test_only_products_of_charges_matter(settings):
    model, args = KinematicGNN(**settings), arguments(5, 3)
    assert torch.equal(model(**args | {"charge": -args["charge"]}), model(**args))
    args["charge"][0] *= -1
    other = model(**args)
    args["charge"][0] *= -1
    assert not torch.allclose(other, model(**args), atol=1e-4)


@pytest.mark.parametrize("settings", VARIANTS)
def test_the_center_of_mass_moves_uniformly(settings):
    model, args = KinematicGNN(**settings), arguments(5)
    center, velocity = args["pos"].mean(0), args["vel"].mean(0)
    expected = center + settings.get("horizon", 1.0) * velocity
    assert torch.allclose(model(**args).mean(0), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("num_times", [0, 4])
def test_framed_it_is_equivariant_and_bare_it_is_not(dim, num_times):
    model, args = KinematicGNN(dim=dim, num_times=num_times), arguments(5, 4, dim=dim)
    framed = FrameAveraging(model, PCAFrame(f"E({dim})"), inputs=INPUTS, output="point").eval()
    group = f"E({dim})"
    assert max(equivariance_error(framed, args, group, INPUTS, "point").values()) < 1e-10
    assert max(equivariance_error(model, args, group, INPUTS, "point").values()) > 1e-3


@pytest.mark.parametrize("settings", VARIANTS)
def test_batches_equal_single_systems(settings, single):
    model, args = KinematicGNN(**settings), arguments(5, 1, 3)
    together, alone = model(**args), [model(**single(args, graph)) for graph in range(3)]
    assert torch.allclose(together, torch.cat(alone), rtol=0, atol=1e-12)


def test_order_of_particles_does_not_matter():
    model, args = KinematicGNN(), arguments(5)
    order = torch.randperm(5)
    place = order.argsort()
    moved = {name: args[name][order] for name in ("pos", "vel", "charge")}
    out = model(**moved, edge_index=place[args["edge_index"]])
    assert torch.allclose(out, model(**args)[order], rtol=0, atol=1e-12)


def test_features_of_the_free_motion_are_those_of_positions_in_time():
    r, v, charges = torch.randn(7, 3), torch.randn(7, 3), torch.randn(7, 1)
    times = torch.linspace(0, 1, 3)
    features = free_motion(r, v, charges, times)
    paths = r[:, None] + torch.linspace(0, 1, 100_001)[:, None] * v[:, None]
    distances = paths.norm(dim=-1)
    assert torch.allclose(features[:, :3], distances[:, [0, 50_000, 100_000]].log(), atol=1e-4)
    assert torch.allclose(features[:, 9], distances.amin(1).log(), atol=1e-3)
    assert torch.allclose(features[:, 10], distances.argmin(1) / 100_000, atol=1e-4)
    assert features.shape == (7, 3 * 3 + 12)


def test_without_free_motion_edges_have_the_features_of_gnn():
    model, args = KinematicGNN(num_times=0), arguments(4)
    model.layers[0].from_pair.register_forward_pre_hook(lambda _, seen: edges.append(seen[0]))
    edges = []
    model(**args)
    inputs = [args[name] for name in ("pos", "vel", "charge")]
    assert torch.equal(edges[0][:, 3:], edge_features(*inputs, *args["edge_index"]))


@pytest.mark.parametrize("settings", VARIANTS)
def test_hard_cases_are_finite_with_their_gradients(settings):
    model, args = KinematicGNN(**settings), arguments(4)
    args["pos"][:2] = 0  # two coincident particles
    args["vel"][:3] = 0  # three at rest
    args["charge"][1] = 0
    args["pos"].requires_grad_()
    out = model(**args)
    gradient = torch.autograd.grad(out.square().sum(), [args["pos"], *model.parameters()])
    assert out.isfinite().all()
    assert all(one.isfinite().all() for one in gradient)
    assert all(one.any() for one in gradient)


def test_a_single_particle_moves_uniformly():
    one = arguments(1)
    assert torch.allclose(KinematicGNN()(**one), one["pos"] + one["vel"], rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_channels", 0), ("num_layers", -1), ("dim", 0), ("num_times", -1), ("horizon", 0.0)],
)
def test_arguments_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected"):
        KinematicGNN(**{name: value})


def with_velocity():
    return KinematicGNN(num_layers=2, velocity=True)


def test_velocities_follow_boosts_and_rotations():
    model, args, output = with_velocity(), arguments(5, 4), ("point", "vector")
    framed = FrameAveraging(model, PCAFrame("E(3)"), inputs=INPUTS, output=output).eval()
    assert max(equivariance_error(framed, args, "E(3)", INPUTS, output).values()) < 1e-10
    assert max(equivariance_error(model, args, "E(3)", INPUTS, output).values()) > 1e-3
    boost = torch.randn(3)
    (pos, vel), (moved, faster) = model(**args), model(**args | {"vel": args["vel"] + boost})
    assert torch.allclose(moved, pos + boost, rtol=0, atol=1e-12)
    assert torch.allclose(faster, vel + boost, rtol=0, atol=1e-12)
    assert not torch.allclose(vel, args["vel"], atol=1e-3)


def test_velocities_conserve_momentum():
    args = arguments(5)
    _, vel = with_velocity()(**args)
    assert torch.allclose(vel.mean(0), args["vel"].mean(0), rtol=0, atol=1e-14)
