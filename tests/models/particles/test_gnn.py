import pytest
import torch
from torch_geometric.data import Batch, Data

from fa_pyg import FrameAveraging, HaarFrame, PCAFrame, PerMode
from fa_pyg.models import EGNN, FAGNN, KinematicGNN
from fa_pyg.models.particles.gnn import GNN, NEAR, edge_features
from fa_pyg.models.particles.linear import Linear


@pytest.fixture(autouse=True)
def in_double_precision():
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def system(n, dim=3):
    edge_index = (~torch.eye(n, dtype=torch.bool)).nonzero().t()
    charge = torch.randint(2, (n, 1)) * 2.0 - 1
    return Data(pos=torch.randn(n, dim), vel=torch.randn(n, dim), charge=charge, edge_index=edge_index)


def call(model, data):
    return model(data.pos, data.vel, data.charge, data.edge_index, batch=data.batch)


def moved(data, rotation, shift):
    data = data.clone()
    data.pos, data.vel = data.pos @ rotation.t() + shift, data.vel @ rotation.t()
    return data


def orthogonal(dim=3):
    return torch.linalg.qr(torch.randn(dim, dim))[0]


def error(model, data, rotation):
    """Of f(gx) = g f(x), relative to the size of what is predicted."""
    shift = torch.randn(rotation.size(0))
    expected = call(model, data) @ rotation.t() + shift
    difference = call(model, moved(data, rotation, shift)) - expected
    return difference.norm() / (expected - expected.mean(0)).norm()


def framed(model, dim=3):
    frame = PerMode(train=HaarFrame(f"E({dim})", k=1), eval=PCAFrame(f"E({dim})"))
    return FrameAveraging(model, frame, inputs={"pos": "point", "vel": "vector"}, output="point").eval()


@pytest.mark.parametrize("dim", [2, 3])
def test_framed_it_is_equivariant_and_bare_it_is_not(dim):
    model, data = GNN(dim=dim), Batch.from_data_list([system(5, dim), system(4, dim)])
    for _ in range(5):
        rotation = orthogonal(dim)
        assert error(framed(model, dim), data, rotation) < 1e-10
        assert error(model, data, rotation) > 1e-3


def test_equivariant_to_translations_by_itself():
    assert error(GNN(), Batch.from_data_list([system(5), system(3)]), torch.eye(3)) < 1e-12


def test_equivariant_to_the_order_of_particles():
    model, data, order = GNN(), system(5), torch.randperm(5)
    permuted = Data(pos=data.pos[order], vel=data.vel[order], charge=data.charge[order])
    permuted.edge_index = order.argsort()[data.edge_index]
    torch.testing.assert_close(call(model, permuted), call(model, data)[order])


def test_a_batch_equals_single_graphs():
    model, graphs = GNN(), [system(n) for n in (5, 2, 7)]
    together = call(model, Batch.from_data_list(graphs))
    torch.testing.assert_close(together, torch.cat([call(model, graph) for graph in graphs]))


def test_equals_plain_loops():
    """The equations, pair by pair, with the first linear map of a message whole."""
    model, data = GNN(hidden_channels=8, num_layers=2), system(4)
    x, v, q = data.pos - data.pos.mean(0), data.vel, data.charge
    h = [model.embed(torch.cat([x[i], v[i], q[i]])) for i in range(4)]
    for layer in model.layers:
        weight = torch.cat([layer.to_target.weight, layer.from_source.weight, layer.from_pair.weight], dim=1)
        new = []
        for i in range(4):
            total = torch.zeros(8)
            for j in range(4):
                if i != j:
                    r, distance, qq = x[i] - x[j], (x[i] - x[j]).norm(), q[i] * q[j]
                    invariants = [distance**2, 1 / distance, *qq, *(qq / distance), (v[i] - v[j]) @ r]
                    pair = torch.cat([r, torch.stack(invariants)])
                    first = weight @ torch.cat([h[i], h[j], pair]) + layer.to_target.bias
                    total = total + layer.message(first)
            new.append(h[i] + layer.update(torch.cat([h[i], total])))
        h = new
    plain = torch.stack([data.pos[i] + v[i] + model.displacement(h[i]) for i in range(4)])
    torch.testing.assert_close(call(model, data), plain, rtol=1e-5, atol=10 * NEAR)


def test_only_the_displacement_is_not_invariant():
    data, rotation = system(5), orthogonal()
    both = data, moved(data, rotation, torch.ones(3))
    inputs, turned = (edge_features(d.pos, d.vel, d.charge, *d.edge_index) for d in both)
    torch.testing.assert_close(turned[:, 3:], inputs[:, 3:])
    torch.testing.assert_close(turned[:, :3], inputs[:, :3] @ rotation.t())
    assert (turned[:, :3] - inputs[:, :3]).abs().max() > 0.1


def test_two_particles_in_one_place():
    model, data = GNN(), system(3)
    data.pos[1] = data.pos[0]
    data.pos.requires_grad_()
    out = call(model, data)
    out.sum().backward()
    assert out.isfinite().all()
    assert data.pos.grad.isfinite().all()


def test_every_weight_learns():
    model, data = GNN(), system(5)
    call(model, data).square().sum().backward()
    assert all(weight.grad.abs().max() > 0 for weight in model.parameters())


def test_edge_attributes_change_nothing():
    model, data = GNN(), system(5)
    with_them = model(data.pos, data.vel, data.charge, data.edge_index, edge_attr=torch.randn(20, 1))
    assert torch.equal(with_them, call(model, data))


def test_linear_is_equivariant():
    assert error(Linear(), Batch.from_data_list([system(5), system(3)]), orthogonal()) < 1e-12


def test_linear_starts_at_free_flight():
    data = system(5)
    assert torch.equal(call(Linear(), data), data.pos + data.vel)


def test_linear_learns_the_least_squares_time():
    model, data = Linear(), system(50)
    y = data.pos + 0.73 * data.vel + 0.1 * torch.randn(50, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(call(model, data), y).backward()
        optimizer.step()
    best = ((y - data.pos) * data.vel).sum() / data.vel.square().sum()
    torch.testing.assert_close(model.time.detach(), best)


def test_graphs_may_be_numbered_anyhow():
    """Numbers that are left out, that are larger than there are nodes, and that come in any order."""
    data = Batch.from_data_list([system(4), system(5), system(3)])
    model = GNN()
    for numbers in ([0, 5, 70], [9, 2, 4]):
        renamed = data.clone()
        renamed.batch = torch.tensor(numbers)[data.batch]
        assert torch.allclose(call(model, renamed), call(model, data), atol=1e-12)
    order = torch.randperm(12)
    mixed = data.clone()
    for key in ("pos", "vel", "charge", "batch"):
        mixed[key] = data[key][order]
    mixed.edge_index = torch.argsort(order)[data.edge_index]
    assert torch.allclose(call(model, mixed), call(model, data)[order], atol=1e-12)


@pytest.mark.parametrize("make", [GNN, KinematicGNN, EGNN, FAGNN])
@pytest.mark.parametrize("name", ["pos", "vel", "charge", "edge_attr"])
def test_derivatives_by_one_input_agree_in_forward_and_reverse_mode(make, name):
    model, data = make(12, num_layers=1), system(3)
    source, target = data.edge_index
    data.edge_attr = data.charge[source] * data.charge[target]
    given = {key: data[key] for key in ("pos", "vel", "charge", "edge_index", "edge_attr")}

    def predict(x):
        return model(**{**given, name: x})

    forward = torch.func.jacfwd(predict)(given[name])
    reverse = torch.autograd.functional.jacobian(predict, given[name])
    assert torch.allclose(forward, reverse, atol=1e-10)
