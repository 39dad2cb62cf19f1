"""Random motions move everything that is declared, each graph on its own, and nothing else."""

import copy
import pickle
import warnings

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import Compose, RandomRotate

from fa_pyg import Group, Rep
from fa_pyg.testing import Motion
from fa_pyg.transforms import RandomMotion


def seeded(seed=7):
    return torch.Generator().manual_seed(seed)


def drawn(group, size, scale=1.0):
    """The motions that a RandomMotion with this generator draws."""
    generator, group = seeded(), Group.of(group)
    rotation = group.haar(size, generator, dtype=torch.float64)
    shift = torch.zeros(size, group.dim, dtype=torch.float64)
    if group.translates:
        shift = scale * torch.randn(size, group.dim, generator=generator, dtype=torch.float64)
    return [Motion(r, t) for r, t in zip(rotation, shift, strict=True)]


@pytest.mark.parametrize("group", ["O(3)", "SO(3)", "E(3)", "SE(3)", "T(3)"])
def test_every_declared_attribute_of_every_graph_moves(group, molecules, inputs):
    batch = Batch.from_data_list(molecules)
    moved = RandomMotion(group, inputs, seeded(), scale=2.0)(batch)
    motions = drawn(group, len(molecules), 2.0)
    for g, before, after in zip(motions, molecules, moved.to_data_list(), strict=True):
        for name in before.keys():  # noqa: SIM118, a Data iterates over its values
            expected = g(before[name], inputs[name]) if name in inputs else before[name]
            assert torch.allclose(after[name], expected, rtol=0, atol=1e-12), name
    one = RandomMotion(group, inputs, seeded(), scale=2.0)(molecules[0])
    (g,) = drawn(group, 1, 2.0)
    for name, rep in inputs.items():
        assert torch.allclose(one[name], g(molecules[0][name], rep), rtol=0, atol=1e-12), name


def angles(data):
    """Invariant under rotations if positions and forces turn together."""
    return (data.force * (data.pos - data.pos.mean(0))).sum(-1)


def test_forces_turn_along_and_those_of_random_rotate_do_not(make):
    data = make(6)
    ours = RandomMotion("E(3)", {"pos": "point", "force": "vector"})(data)
    assert torch.allclose(angles(ours), angles(data), atol=1e-10)
    assert (ours.pos - data.pos).abs().max() > 0.1
    for other in (RandomRotate(180), RandomMotion("E(3)")):  # what is not declared stays
        assert (angles(other(data)) - angles(data)).abs().max() > 0.1


@pytest.mark.parametrize(
    ("group", "signs"), [("SO(3)", {1}), ("SE(3)", {1}), ("O(3)", {-1, 1}), ("T(3)", {1})]
)
def test_the_motions_are_of_the_group(group, signs):
    eye = torch.eye(3, dtype=torch.float64)
    batch = Batch.from_data_list([Data(pos=eye.clone(), axes=eye.clone()) for _ in range(40)])
    moved = RandomMotion(group, {"pos": "point", "axes": "vector"})(batch)
    axes, pos = moved.axes.view(-1, 3, 3), moved.pos.view(-1, 3, 3)
    assert torch.allclose(axes @ axes.mT, eye.expand_as(axes), atol=1e-12)
    assert set(torch.linalg.det(axes).round().int().tolist()) == signs
    shift = pos - axes
    assert torch.allclose(shift, shift[:, :1].expand_as(shift), atol=1e-12)  # the same for all points
    assert (shift.abs().max() > 0.1) == Group.of(group).translates
    assert (axes - eye).abs().amax((1, 2)).gt(1e-3).all() == (group != "T(3)")


@pytest.mark.parametrize("dim", [1, 2, 4])
def test_other_dimensions(dim):
    data = Data(pos=torch.randn(6, dim, dtype=torch.float64), stress=torch.randn(1, dim, dim).double())
    moved = RandomMotion(f"E({dim})", {"pos": "point", "stress": "tensor"}, seeded())(data)
    (g,) = drawn(f"E({dim})", 1)
    assert torch.allclose(moved.pos, g(data.pos))
    assert torch.allclose(moved.stress, g(data.stress, "tensor"))


def test_layouts_of_one_graph():
    """Without an axis of rows, and flat, as PyG's layers have it."""
    data = Data(pos=torch.randn(4, 3).double(), dipole=torch.randn(3).double(), h=torch.randn(4, 6).double())
    reps = {"pos": "point", "dipole": "vector", "h": Rep(1, flat=True)}
    moved = RandomMotion("E(3)", reps, seeded())(data)
    (g,) = drawn("E(3)", 1)
    assert torch.allclose(moved.dipole, g(data.dipole, "vector"))
    assert torch.allclose(moved.h, g(data.h, Rep(1, flat=True)))
    alone = RandomMotion("E(3)", reps, seeded())(Batch.from_data_list([data]))  # a batch of one
    assert torch.allclose(alone.dipole, moved.dipole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyG cannot tell the number of nodes
        just = RandomMotion("E(3)", {"dipole": "vector"}, seeded())(Data(dipole=data.dipole))
    assert torch.allclose(just.dipole, moved.dipole)


def test_a_batch_made_by_hand():
    data = Data(
        pos=torch.randn(5, 3).double(), u=torch.randn(2, 3).double(), batch=torch.tensor([0, 1, 0, 1, 1])
    )
    moved = RandomMotion("E(3)", {"pos": "point", "u": "vector"}, seeded())(data)
    for graph, g in enumerate(drawn("E(3)", 2)):
        mine = data.batch == graph
        assert torch.allclose(moved.pos[mine], g(data.pos[mine]))
        assert torch.allclose(moved.u[graph], g(data.u[graph], "vector"))
    two = Data(pos=data.pos[:2], u=data.u, batch=data.batch[:2])  # as many nodes as graphs, in their order
    same = RandomMotion("E(3)", {"pos": "point", "u": "vector"}, seeded(), levels={"u": "graph"})(two)
    assert torch.allclose(same.u, moved.u)
    crossed = Data(pos=data.pos[:2], u=data.u, batch=torch.tensor([1, 0]))
    with pytest.raises(ValueError, match=r"'u': .*found 2 rows"):
        RandomMotion("E(3)", {"pos": "point", "u": "vector"})(crossed)


def test_float32_is_float64_rounded(make):
    data = make(6, torch.float32)
    data.pos = data.pos + 1000
    (g,) = drawn("E(3)", 1)
    moved = RandomMotion("E(3)", {"pos": "point", "force": "vector"}, seeded())(data)
    for name, rep in {"pos": "point", "force": "vector"}.items():
        assert moved[name].dtype == torch.float32
        exact = g(data[name].double(), rep)
        assert ((moved[name] - exact).abs() <= exact.abs() * 2**-23).all()
    rough = data.pos @ g.rotation.float().T + g.translation.float()
    assert ((rough - g(data.pos.double())).abs() > g(data.pos.double()).abs() * 2**-23).any()


def test_what_is_given_stays_as_it_is(molecules, inputs):
    for data in (molecules[0], Batch.from_data_list(molecules)):
        before, tensors = copy.deepcopy(data), {k: data[k] for k in data.keys()}  # noqa: SIM118
        for transform in (
            RandomMotion("E(3)", inputs),
            Compose([RandomMotion("T(3)"), RandomMotion("O(3)")]),
        ):
            assert transform(data).pos is not data.pos
            assert all(
                data[name] is value and torch.equal(value, before[name]) for name, value in tensors.items()
            )


def test_reproducible(make):
    data = make(4)
    a, b = RandomMotion("E(3)", generator=seeded()), RandomMotion("E(3)", generator=seeded())
    first = a(data).pos
    assert torch.equal(first, b(data).pos)
    assert not torch.equal(a(data).pos, first)
    torch.manual_seed(3)
    first = RandomMotion("E(3)")(data).pos
    torch.manual_seed(3)
    assert torch.equal(RandomMotion("E(3)")(data).pos, first)


class Same(torch.utils.data.Dataset):
    """One molecule many times, so that motions can be compared."""

    def __init__(self, data, transform):
        self.data, self.transform = data, transform

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return self.transform(self.data)


@pytest.mark.parametrize("generator", [None, 5], ids=["global", "generator"])
def test_workers_and_epochs_draw_differently_and_again_the_same(make, generator):
    data = make(3)

    def run():
        torch.manual_seed(11)
        made = None if generator is None else seeded(generator)
        loader = DataLoader(Same(data, RandomMotion("E(3)", generator=made)), batch_size=1, num_workers=2)
        return torch.stack([batch.pos for _ in range(2) for batch in loader])

    poses = run()
    distance = (poses.unsqueeze(0) - poses.unsqueeze(1)).abs().amax((-1, -2))
    assert (distance + torch.eye(12) > 1e-3).all()  # no two of the 2 x 6 are the same
    assert torch.equal(run(), poses)


def test_gradients_pass(make):
    data = make(4)
    data.pos.requires_grad_()
    moved = RandomMotion("E(3)", {"pos": "point", "force": "vector"})(data)
    torch.linalg.vector_norm(moved.pos - moved.pos.mean(0)).backward()
    centered = data.pos.detach() - data.pos.detach().mean(0)
    assert torch.allclose(data.pos.grad, centered / torch.linalg.vector_norm(centered))


def test_copies_and_repr(make):
    data, motion = make(4), RandomMotion("E(3)", {"pos": "point", "h": Rep(3)}, seeded(), scale=0.5)
    data.h = torch.randn(4, 3, 3, 3)
    for other in (pickle.loads(pickle.dumps(motion)), copy.deepcopy(motion)):
        assert torch.equal(other(data).pos, RandomMotion("E(3)", generator=seeded(), scale=0.5)(data).pos)
    text = f"RandomMotion(\"E(3)\", inputs={{'pos': 'point', 'h': {Rep(3)!r}}}, scale=0.5)"
    assert repr(motion) == text


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"group": "E(x)"}, "unknown group"),
        ({"inputs": {}}, "inputs: expected at least one"),
        ({"inputs": ["pos"]}, "inputs: expected a dict"),
        ({"inputs": {"pos": "arrow"}}, "unknown representation 'arrow'"),
        ({"generator": 3}, "generator: expected a torch.Generator"),
        ({"scale": -1.0}, "scale: expected a number >= 0, found -1.0"),
        ({"scale": float("nan")}, "scale"),
        (
            {"inputs": {"vel": "vector"}},
            r"'vel': expected a tensor \(a vector\), found none; the data has .*pos",
        ),
        ({"inputs": {"name": "vector"}}, "'name': expected a tensor .*found a str"),
        (
            {"inputs": {"z": "vector"}},
            r"'z': expected floating point numbers for a vector, found torch.int64 \[4\]",
        ),
        (
            {"inputs": {"flat": "point"}},
            r"'flat' of shape \[4, 2\] cannot be a point in 3 dim.*expected \[\.\.\., 3\]",
        ),
        ({"inputs": {"pos": "tensor"}}, r"'pos' of shape \[4, 3\] cannot be a tensor"),
        ({"levels": {"pos": "atom"}}, "levels: expected one of node, edge, graph"),
    ],
)
def test_wrong_arguments_and_data(kwargs, message, make):
    data = make(4)
    data.name, data.flat = "water", torch.zeros(4, 2)
    with pytest.raises(ValueError, match=message):
        RandomMotion(**{"group": "E(3)", **kwargs})(data)


def test_vectors_without_rows_cannot_be_batched(molecules):
    """[3] a graph is collated to [3 B], which nothing can tell from B numbers a component."""
    batch = Batch.from_data_list([Data(pos=m.pos, dipole=m.torque[0]) for m in molecules])
    with pytest.raises(ValueError, match=r"'dipole' of shape \[12\]"):
        RandomMotion("E(3)", {"pos": "point", "dipole": "vector"})(batch)
    with pytest.raises(
        ValueError, match=r"'dipole': expected Rep.* rows \[n, \.\.\.\], found \[12\] for 4 graphs"
    ):
        RandomMotion("E(3)", {"pos": "point", "dipole": Rep(1, flat=True)})(batch)
    made = Data(pos=torch.randn(4, 3), dipole=torch.randn(3), batch=torch.tensor([0, 1, 2, 2]))
    with pytest.raises(ValueError, match=r"'dipole': expected a vector in each of its rows"):
        RandomMotion("E(3)", {"pos": "point", "dipole": "vector"})(made)


def test_other_containers_are_refused():
    for data in (HeteroData(), {"pos": torch.zeros(4, 3)}):
        with pytest.raises(ValueError, match="data: expected a Data or Batch, found a"):
            RandomMotion("E(3)")(data)
