"""PointNet, DGCNN and their framed forms: structure, batches, equivariance."""

import pytest
import torch
from torch import nn

from fa_pyg.models import DGCNN, FADGCNN, FALocalPointNet, FAPointNet, PointNet
from fa_pyg.testing import assert_equivariant, equivariance_error

HEAD = [(256, 256), (256, 128), (128, 3)]


def maps(model):
    """Inputs and outputs of all linear maps, in the order of the module."""
    return [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]


def test_published_widths():
    layers = [(3, 64), (64, 128), (128, 128), (128, 512), (512, 2048)]
    net = [(128, 1024), (1024, 512), (512, 256)]
    nets = [(3, 64), (64, 128), *net, (256, 9), (128, 64), (64, 128), *net, (256, 128**2)]
    joined = 2048 + 64 + 128 + 128 + 512 + 2048
    assert maps(PointNet()) == [*layers, *nets, (joined, 256), *HEAD]
    assert maps(FAPointNet()) == [*layers, (joined, 256), *HEAD]
    convs = [(6, 64), (64, 64), (128, 64), (64, 64), (128, 64)]
    nets = [(6, 64), (64, 128), *net, (256, 9)]
    assert maps(DGCNN()) == [*nets, *convs, (192, 1024), (1216, 256), *HEAD]
    assert maps(FADGCNN()) == [*nets, *convs, (195, 1024), (1219, 256), *HEAD]
    patch, layers = [(60, 63), (63, 126), (126, 126)], [(126, 128), (128, 256), (256, 256), (256, 512)]
    assert maps(FALocalPointNet()) == [*patch, *layers, (512, 2048), (5248, 256), *HEAD]


def test_width_multiplies_all():
    assert maps(PointNet(0.5, transforms=False))[:2] == [(3, 32), (32, 64)]
    assert maps(DGCNN(1e-3, transforms=False))[0] == (6, 4)


def test_normals_are_unit_vectors(any_model, clouds):
    normals = any_model().eval()(clouds()[0].float(), clouds()[1])
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(37))


def test_batch_as_clouds_alone(any_model, clouds, settled):
    pos, batch = clouds()
    for classes in (None, 4):
        model = settled(any_model(num_classes=classes), pos, batch)
        alone = [model(pos[batch == i]) for i in range(3)]
        torch.testing.assert_close(model(pos, batch), torch.cat(alone))
        assert len(model(pos, batch)) == (37 if classes is None else 3)


def test_equal_sizes_as_any(any_model, clouds, settled):
    """The fast ways through equal and sorted clouds, against those of shuffled nodes."""
    pos, batch = clouds((9, 9, 9))
    model, order = settled(any_model(), pos, batch), torch.randperm(27)
    torch.testing.assert_close(model(pos[order], batch[order]), model(pos, batch)[order])


@pytest.mark.parametrize("sizes", [(9, 9), (9, 12)])
def test_not_a_number_stays_in_its_cloud(any_model, sizes, clouds, settled):
    pos, batch = clouds(sizes)
    model = settled(any_model(), pos, batch)
    expected, pos[0, 0] = model(pos, batch)[9:], torch.nan
    found = model(pos, batch)
    assert found[:9].isnan().all()
    torch.testing.assert_close(found[9:], expected)


@pytest.mark.parametrize("average", ["vector", "tensor"])
def test_framed_models_are_equivariant(framed, average, clouds, settled):
    pos, batch = clouds()
    model = settled(framed(average=average), pos, batch)
    tested = Squares(model) if average == "tensor" else model  # eigenvectors have no sign
    rep = {"output": average, "level": "node"}
    assert_equivariant(tested, {"pos": pos, "batch": batch}, "E(3)", **rep, trials=1)


def test_classes_are_invariant(framed, clouds, settled):
    pos, batch = clouds()
    model = settled(framed(num_classes=4), pos, batch)
    assert_equivariant(model, {"pos": pos, "batch": batch}, "E(3)", output="scalar", level="graph", trials=1)


def test_plain_models_are_not(plain, clouds, settled):
    pos, batch = clouds()
    model = settled(plain(), pos, batch)
    errors = equivariance_error(model, {"pos": pos, "batch": batch}, "E(3)", output="vector", level="node")
    assert min(errors["proper"], errors["improper"], errors["translated"]) > 1e-3
    assert max(errors["permuted"], errors["apart"]) < 1e-10


def test_training_sees_all_copies(framed, clouds):
    """Batch norm has the statistics of all frames together, so that training steps are equivariant."""
    pos, batch = clouds()
    model = framed().double()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    turn = torch.linalg.qr(torch.randn(3, 3).double())[0]
    torch.testing.assert_close(model(pos @ turn.T, batch), model(pos, batch) @ turn.T)


def test_learning(any_model, clouds):
    """All parameters have a gradient, and the loss falls."""
    pos, batch = clouds((10, 10))
    pos, normal = pos.float(), nn.functional.normalize(pos.float(), dim=1)
    torch.manual_seed(0)
    model = any_model()
    optimizer, losses = torch.optim.Adam(model.parameters(), 3e-3), []
    for _ in range(30):
        loss = 1 - (model(pos, batch) * normal).sum(1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_transforms_start_at_the_identity(plain, clouds):
    pos, batch = clouds((10, 10))
    torch.manual_seed(0)
    model = plain().double().eval()
    expected = plain(transforms=False).double().eval()
    expected.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(model(pos, batch), expected(pos, batch))


def test_penalty_of_the_transform(clouds):
    pos, batch = clouds((10, 10))
    model = PointNet(0.06).double().eval()
    assert model.forward_with_penalty(pos, batch)[1] == 0
    size = model.transforms[1].size
    model.transforms[1].last.bias.data = torch.eye(size).double().flatten()  # A = 2 I
    torch.testing.assert_close(model.forward_with_penalty(pos, batch)[1].item(), 9.0 * size)
    assert PointNet(0.06, transforms=False).double().forward_with_penalty(pos, batch)[1] == 0


@pytest.mark.parametrize(
    ("pos", "batch"),
    [(torch.ones(4, 2), None), (torch.ones(0, 3), None), (torch.ones(4, 3), torch.zeros(3).long())],
)
def test_errors(any_model, pos, batch):
    with pytest.raises(ValueError, match="expected"):
        any_model().eval()(pos, batch)


class Squares(nn.Module):
    """Outer products of the normals of a model."""

    def __init__(self, model):
        super().__init__()
        self.model = model.eval()

    def forward(self, pos, batch=None):
        normal = self.model(pos, batch)
        return normal.unsqueeze(2) * normal.unsqueeze(1)
