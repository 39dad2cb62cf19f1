"""How steep frames are: closed forms of constant, averaging and blending ones; steep ones and jumps fail."""

import math

import pytest
import torch
from torch import nn
from torch_geometric.nn import global_add_pool

from fa_pyg import FrameAveraging, GroupFrame, PCAFrame, Sample, WeightedPCAFrame
from fa_pyg.builders import MotionFrame
from fa_pyg.frames import Frames
from fa_pyg.models import Potential
from fa_pyg.testing import assert_smooth, catalogue, curvature, steepness, stretches
from fa_pyg.testing.energies import Displaced, System

G2 = {cloud.name.removeprefix("G2 "): cloud for cloud in catalogue(3, ["g2"])}


def molecule(name):
    cloud = G2[name]
    return {"z": cloud.z, "pos": cloud.pos, "batch": torch.zeros_like(cloud.z)}


class Net(nn.Module):
    """Sees coordinates as they are."""

    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes = (3, 16), (16, 16), (16, 1)
        self.layers = nn.ParameterList(
            torch.randn(a, b, generator=generator, dtype=torch.float64) / a**0.5 for a, b in sizes
        )

    def forward(self, z, pos, batch):
        first, second, last = self.layers
        own = (pos / 2 + 0.1 * z.unsqueeze(1)) @ first
        return global_add_pool((own.tanh() @ second).tanh() @ last, batch)


class Radial(nn.Module):
    """Invariant by itself."""

    def forward(self, z, pos, batch):
        return global_add_pool(z * pos.square().sum(1), batch)


class Blend(MotionFrame):
    """The two elements of O(1), the first with a weight that is linear in the distance of two points."""

    def __init__(self, slope):
        super().__init__("O(1)")
        self.slope = slope

    def build(self, cloud):
        x = cloud.read[0].value.view(cloud.size, 2)
        weight = 0.5 + self.slope * ((x[:, 1] - x[:, 0]).abs() - 1)
        turn = torch.tensor([1.0, -1.0], dtype=x.dtype).repeat_interleave(cloud.size).view(-1, 1, 1)
        body = torch.arange(cloud.size).repeat(2)
        return Frames(turn, body, torch.cat([weight, 1 - weight]), batch=cloud.batch)


@pytest.mark.parametrize("slope", [0.0, 10.0, 1000.0])
def test_the_slope_of_weights_is_what_forces_get(slope):
    r"""E = (2 w - 1) (sign(x_1 - x_0) / 2 + eps x_0): force slope +- terms of the order eps, bare eps."""
    eps = 1e-6

    def bare(pos, batch):
        pair = pos.view(-1, 2)
        return (pair[:, 1] - pair[:, 0]).sign() / 2 + eps * pair[:, 0]

    class Bare(nn.Module):
        def forward(self, pos, batch):
            return bare(pos, batch)

    inputs = {"pos": torch.tensor([[-0.5], [0.5]], dtype=torch.float64), "batch": torch.tensor([0, 0])}
    model = FrameAveraging(Bare(), Blend(slope), {"pos": "vector"})
    found = steepness(model, inputs, sigma=0.05)
    assert found.largest == pytest.approx(slope / eps, abs=2 * slope + 1e-9)
    assert found.median == pytest.approx(slope / eps, abs=2 * slope + 1e-9)
    assert (found.runs, found.most_runs) == (2, 2)


@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "T(3)"])
def test_a_constant_frame_is_as_steep_as_the_network(group):
    model = FrameAveraging(Net(), GroupFrame("C1(3)"))
    found = assert_smooth(model, molecule("NH3"), group=group, most=1.000001, growth=1.2)
    assert (found.largest, found.runs, found.most_runs) == (1.0, 1, 1)
    assert found.median < found.p99 < 1
    assert curvature(model, molecule("NH3"), group=group).fine == 1


def test_the_group_average_of_linear_energies_vanishes():
    class Linear(nn.Module):
        def forward(self, pos, batch):
            return global_add_pool(pos @ pos.new_tensor([1.0, 2.0, 3.0]), batch)

    model = FrameAveraging(Linear(), GroupFrame("Oh"), {"pos": "vector"})
    inputs = {"pos": torch.randn(4, 3, dtype=torch.float64), "batch": torch.zeros(4, dtype=torch.long)}
    found = steepness(model, inputs, group="O(3)", count=20)
    assert found.largest < 1e-12
    assert found.runs == 48


@pytest.mark.parametrize("frame", [PCAFrame("O(3)"), WeightedPCAFrame("O(3)")], ids=["pca", "weighted"])
def test_an_invariant_network_has_its_own_forces_in_any_frame(frame):
    """Where the frame is steepest, too: the difference of the network between two frames is 0."""
    found = steepness(FrameAveraging(Radial(), frame, {"pos": "vector"}), molecule("NH3"), count=50)
    assert found.largest == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["NH3", "CH3Cl"])
def test_steep_frames_fail(name):
    frame = WeightedPCAFrame("SE(3)", tau=0.025, gap=0.05)
    with pytest.raises(AssertionError, match=r"not smooth: largest force(.|\n)*runs per structure"):
        assert_smooth(FrameAveraging(Net(), frame), molecule(name), most=2)
    for smooth in (GroupFrame("T(3):Oh"), WeightedPCAFrame("SE(3)", smoothness="forces")):
        assert_smooth(FrameAveraging(Net(), smooth), molecule(name), group="SE(3)", most=2)


def test_jumps_fail_though_their_forces_are_small():
    frame = Sample(PCAFrame("E(3)"), k=1, generator=torch.Generator().manual_seed(0))
    inputs = molecule("CH3OH")
    with pytest.raises(AssertionError, match=r"second differences .* grow 1\d.* times at a quarter"):
        assert_smooth(FrameAveraging(Net(), frame), inputs, most=5)
    assert steepness(FrameAveraging(Net(), frame), inputs).largest < 5


@pytest.mark.parametrize(("power", "growth"), [(1, 4), (0, 16), (2, 1)])
def test_second_differences_of_kinks_and_jumps(power, growth):
    """E = x^2, and a step (power 0) or |x|^power, along a line through 0."""

    def energy(pos, batch):
        x = pos[:, 0]
        added = x.abs().pow(power) if power else (x > 1e-9).double()
        return global_add_pool(x.square() + added, batch)

    inputs = {"pos": torch.zeros(1, 1, dtype=torch.float64), "batch": torch.tensor([0])}
    along = torch.ones(1, 1, 1, dtype=torch.float64)
    options = {"group": "T(1)", "span": 0.32, "steps": 256}
    found = curvature(
        energy, inputs, along, bare=lambda pos, batch: global_add_pool(pos[:, 0] ** 2, batch), **options
    )
    h = 8 * 0.32 / 256
    expected = {2: 2, 1: 1 + 1 / h, 0: 1 + 1 / (2 * h * h)}[power]  # bare: 2 everywhere
    assert found.coarse == pytest.approx(expected)
    assert found.growth == pytest.approx(growth, rel=0.01)


def test_smooth_networks_are_smooth_at_their_points_of_inflection():
    """Beside them second differences vary by more than they are."""

    class Inflected(nn.Module):
        def forward(self, pos, batch):
            return global_add_pool((pos[:, 0] + pos[:, 0].pow(3)).unsqueeze(1), batch)

    def steep(pos, batch):
        return global_add_pool(1 / (1 + (30 * pos[:, :1]).square()) + pos[:, :1].pow(3), batch)

    inputs = {"pos": torch.zeros(1, 1, dtype=torch.float64), "batch": torch.tensor([0])}
    along = torch.ones(1, 1, 1, dtype=torch.float64)
    found = curvature(steep, inputs, along, group="T(1)", bare=Inflected())
    assert found.growth == pytest.approx(1, abs=0.01)


def test_stretches_make_one_bond_longer():
    pos, bonds = G2["CH3Cl"].pos, torch.tensor([[0, 0, 2], [1, 2, 0]])
    u = stretches(pos, bonds)
    for k, (i, j) in enumerate(bonds.T.tolist()):
        x = pos + 0.1 * u[k]
        assert (x[i] - x[j]).norm() == pytest.approx((pos[i] - pos[j]).norm() + 0.1)
        assert set(u[k].norm(dim=1).nonzero().flatten().tolist()) == {i, j}


# ---------------------------------------------------------------------------------- ways to call it


@pytest.mark.parametrize("nodes", [1, 30, 10**6])
def test_copies_are_what_single_calls_give(nodes):
    """Against a loop over copies and graphs."""
    net, generator = Net(), torch.Generator().manual_seed(0)
    clouds = [G2["NH3"], G2["H2O"]]
    inputs = {
        "z": torch.cat([c.z for c in clouds]),
        "pos": torch.cat([c.pos for c in clouds]),
        "batch": torch.tensor([0] * 4 + [1] * 3),
    }
    shift = torch.randn(6, 7, 3, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(6, 2, 3, 3, generator=generator, dtype=torch.float64))[0]
    copies = Displaced(System(net, inputs, "pos", None), shift, turn, {"pos": "point"}, nodes)
    forces, energies = copies.forces(net), copies.energies(net)
    for k in range(6):
        for b in range(2):
            own = inputs["batch"] == b
            x = ((inputs["pos"] + shift[k])[own] @ turn[k, b]).requires_grad_()
            energy = net(inputs["z"][own], x, torch.zeros(len(x), dtype=torch.long)).sum()
            force = torch.autograd.grad(energy, x)[0].norm(dim=1).max()
            assert torch.allclose(forces[k, b], force, rtol=1e-12)
            assert torch.allclose(energies[k, b], energy, rtol=1e-12)


def test_models_without_batch_and_memory():
    class Alone(nn.Module):
        def forward(self, z, pos):
            return Net()(z, pos, torch.zeros_like(z))

    z, pos, batch = molecule("CH3OH").values()
    args = {"count": 5}
    alone = steepness(FrameAveraging(Alone(), WeightedPCAFrame("E(3)")), {"z": z, "pos": pos}, **args)
    for nodes in (1, 17, 1000):
        model = FrameAveraging(Net(), WeightedPCAFrame("E(3)"))
        found = steepness(model, {"z": z, "pos": pos, "batch": batch}, nodes=nodes, **args)
        assert found.largest == pytest.approx(alone.largest)


def test_velocities_turn_along():
    """A network of positions and velocities that is invariant has its own forces; were they left, not so."""

    class Both(nn.Module):
        def forward(self, pos, vel, batch):
            return global_add_pool((pos * vel).sum(1), batch)

    generator = torch.Generator().manual_seed(0)
    pos, vel = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    inputs = {"pos": pos, "vel": vel, "batch": torch.zeros(4, dtype=torch.long)}
    model = FrameAveraging(Both(), PCAFrame("O(3)"), {"pos": "vector", "vel": "vector"})
    assert steepness(model, inputs).largest == pytest.approx(1)


def test_potentials_by_their_forces():
    inputs = molecule("CH3OH")
    framed = Potential(Net(), WeightedPCAFrame("SE(3)", tau=0.025, gap=0.05)).eval()
    found = steepness(framed, inputs, energy="energy", forces="forces")
    plain = steepness(FrameAveraging(Net(), WeightedPCAFrame("SE(3)", tau=0.025, gap=0.05)), inputs)
    assert found.largest == pytest.approx(plain.largest)
    assert found.runs == plain.runs
    assert framed.network.frame.group == framed.network.frame.group.of("SE(3)")  # put back
    with pytest.raises(AssertionError, match="not smooth"):
        assert_smooth(framed, inputs, energy="energy", forces="forces")


def test_nan_is_not_smooth():
    class Broken(nn.Module):
        def forward(self, z, pos, batch):
            return Net()(z, pos, batch).squeeze(1) * (batch > batch.max() - 1)[0].where(
                pos.sum() > 1e9, math.nan
            )

    model = FrameAveraging(Broken(), GroupFrame("Oh"), {"pos": "vector"})
    with pytest.raises(AssertionError, match="nan"):
        assert_smooth(model, molecule("NH3"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "SE(2)"}, "group: expected one of 3 dimensions, found SE"),
        ({"pos": "x"}, r"pos: expected a tensor \[N, d\] of the call, found 'x'"),
        ({"energy": "e"}, "energy: expected a tensor, found"),
        ({"input_reps": {"vel": "vector"}}, "input_reps: expected names of tensors of the call, found 'vel'"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        steepness(FrameAveraging(Net(), PCAFrame("E(3)")), molecule("NH3"), **options)


def test_an_energy_of_all_copies_together_is_refused():
    for measure in (steepness, curvature):
        with pytest.raises(ValueError, match=r"energy: expected a number per graph, .*, found 1"):
            measure(lambda z, pos, batch: pos.square().mean(), molecule("NH3"), bare=Radial())


def test_rounding_is_no_curvature():
    model = FrameAveraging(Net().float(), GroupFrame("Oh"), {"pos": "vector"})
    inputs = molecule("NH3") | {"pos": G2["NH3"].pos.float()}
    with pytest.raises(ValueError, match=r"bare: expected a smooth network, in float64, found"):
        assert_smooth(model, inputs)
    assert_smooth(model, inputs, directions=None)


def test_a_frame_that_is_not_the_one_in_use_is_refused():
    """Of crystals a potential makes other frames; the bare network would be framed, too."""
    kwargs = {"cutoff": 3.0}

    class Edges(nn.Module):
        def forward(self, z, edge_index, edge_vec, batch, num_graphs):
            return global_add_pool(edge_vec.sum(1).tanh(), batch[edge_index[1]], num_graphs)

    model = Potential(Edges(), PCAFrame("E(3)"), **kwargs).double().eval()
    inputs = molecule("NH3") | {
        "cell": 5 * torch.eye(3).double().unsqueeze(0),
        "pbc": torch.ones(1, 3).bool(),
    }
    given = {"energy": "energy", "forces": "forces", "count": 2}
    with pytest.raises(ValueError, match=r"bare: expected the network .* builds 0 frames for 2"):
        steepness(model, inputs, **given)
    assert steepness(model, inputs, bare=model, **given).runs is None


def test_a_bare_network_is_needed():
    with pytest.raises(ValueError, match="bare: expected the network to compare with, found None for a Net"):
        steepness(Net(), molecule("NH3"))
    assert steepness(Net(), molecule("NH3"), bare=Net()).runs is None
    for wrong in (torch.ones(4, 3), torch.ones(1, 4, 2), 0):
        with pytest.raises(ValueError, match="directions: expected"):
            curvature(FrameAveraging(Net(), PCAFrame("E(3)")), molecule("NH3"), wrong)
    with pytest.raises(ValueError, match="bonds: expected pairs"):
        stretches(G2["NH3"].pos, torch.tensor([[0], [4]]))


def test_what_has_no_direction_is_refused():
    pos = torch.eye(3, dtype=torch.float64)
    for wrong, bonds, message in (
        (pos[0], torch.tensor([[0], [1]]), r"pos: expected floating point \[N, d\]"),
        (pos.long(), torch.tensor([[0], [1]]), "pos: expected floating point"),
        (pos, torch.tensor([[0], [0]]), "bonds: expected pairs of different nodes"),
    ):
        with pytest.raises(ValueError, match=message):
            stretches(wrong, bonds)
