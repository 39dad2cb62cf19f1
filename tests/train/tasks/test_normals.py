"""The training steps on point clouds: losses, measures, penalties."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize
from torch_geometric.data import Batch, Data

from fa_pyg import HaarFrame
from fa_pyg.models import DGCNN, FramedPoints, PointNet
from fa_pyg.train import ClassesCLI, ClassesModule, NormalsModule, main
from fa_pyg.train.tasks.normals import angles


def batch_of(*sizes):
    clouds = []
    for i, n in enumerate(sizes):
        normal = normalize(torch.randn(n, 3), dim=1)
        clouds.append(Data(pos=torch.randn(n, 3), normal=normal, y=torch.tensor([i])))
    return Batch.from_data_list(clouds)


class Up(nn.Module):
    """Normals along z, however the cloud lies; or logits that prefer the first class."""

    def __init__(self, num_classes=None):
        super().__init__()
        self.sign, self.num_classes = nn.Parameter(torch.ones(())), num_classes

    def forward(self, pos, batch):
        if self.num_classes is None:
            return self.sign * torch.tensor([0.0, 0.0, 1.0]).expand(len(pos), 3)
        return self.sign * torch.eye(self.num_classes)[:1].expand(int(batch[-1]) + 1, -1)


def test_loss_and_angle_of_lines():
    module, data = NormalsModule(Up()).eval(), batch_of(3, 5)
    loss, rmse = module.measures(module(data), data)
    z = data.normal[:, 2].double()
    parts = [z[:3], z[3:]]
    assert loss.item() == pytest.approx(sum((1 - one**2).mean().item() for one in parts) / 2, rel=1e-5)
    squares = [torch.acos(one.abs()).rad2deg().square().mean().sqrt().item() for one in parts]
    assert rmse.item() == pytest.approx(sum(squares) / 2, rel=1e-5)
    flipped = Batch.from_data_list([Data(pos=d.pos, normal=-d.normal, y=d.y) for d in data.to_data_list()])
    torch.testing.assert_close(module.measures(module(flipped), flipped), (loss, rmse))


def test_oriented():
    module, data = NormalsModule(Up(), oriented=True), batch_of(4)
    loss, _ = module.measures(module(data), data)
    assert loss.item() == pytest.approx((1 - data.normal[:, 2]).mean().item(), rel=1e-5)


def test_small_angles_are_exact():
    normal = torch.tensor([[1.0, 0.0, 0.0]])
    for angle in (1e-4, 1e-2, 1.0):
        moved = torch.tensor([[math.cos(angle), math.sin(angle), 0.0]])
        assert angles(-moved, normal).item() == pytest.approx(math.degrees(angle), rel=1e-5)
    product = moved.unsqueeze(2) * moved.unsqueeze(1)
    assert angles(product, normal).item() == pytest.approx(math.degrees(1.0), rel=1e-4)


def test_a_vector_of_zero_is_no_good_answer():
    normal = torch.eye(3)
    assert torch.equal(angles(torch.zeros(3, 3), normal), torch.full((3,), 90.0))
    assert angles(normal, normal).abs().max() == 0


def test_averages_of_lines_are_trained_as_matrices_and_tested_as_normals():
    model = FramedPoints(DGCNN(width=0.05, k=4), HaarFrame("E(3)", k=3), average="tensor")
    module, data = NormalsModule(model), batch_of(8, 8)
    found = module(data)
    assert found.shape == (16, 3, 3)
    loss = module.loss(found, data, module.measures(found, data))
    expected = 1 - torch.einsum("ni,nij,nj->n", data.normal, found, data.normal).mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    normals = module.eval()(data)
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(16))
    assert NormalsModule(model, oriented=True).train()(data).shape == (16, 3)


def pointnet():
    """A network whose transforms are not identities, as they are at first."""
    torch.manual_seed(0)
    model = PointNet(width=0.05)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return model


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_penalty_of_the_transform_of_features(weight):
    module, data = NormalsModule(pointnet(), penalty=weight), batch_of(8, 8)
    found = module(data)
    loss = module.loss(found, data, measures := module.measures(found, data))
    penalty = pointnet().forward_with_penalty(data.pos, batch=data.batch)[1]
    assert penalty > 0.01
    torch.testing.assert_close(loss, measures[0] + weight * penalty)
    assert isinstance(module.eval()(data), torch.Tensor)


def test_a_model_of_another_output():
    with pytest.raises(ValueError, match=r"model: expected normals \[4, 3\], found \[1, 5\]"):
        NormalsModule(Up(num_classes=5))(batch_of(4))
    with pytest.raises(ValueError, match=r"model: expected logits \[2, C\], found \[5, 3\]; a model with"):
        ClassesModule(Up())(batch_of(2, 3))
    with pytest.raises(ValueError, match="penalty: expected a number >= 0, found -1"):
        NormalsModule(Up(), penalty=-1)


def test_classes():
    module, data = ClassesModule(Up(num_classes=4)), batch_of(2, 3, 4)
    loss, accuracy = module.measures(module(data), data)
    assert accuracy.item() == pytest.approx(1 / 3)
    total = math.log(math.e + 3)
    assert loss.item() == pytest.approx(total - 1 / 3, rel=1e-5)
    few = ClassesModule(Up(num_classes=2))
    with pytest.raises(
        ValueError, match="num_classes: expected at least 3, the families of the data, found 2"
    ):
        few.measures(few(data), data)


OPTION = r"--model\.model\.init_args\.num_classes"


def test_a_model_without_classes_is_told_their_number(tmp_path):
    with pytest.raises(ValueError, match=rf"{OPTION} K, the num_classes of the data set, 2 or more"):
        ClassesModule(Up())(batch_of(2, 3))
    model = ["--model.model=fa_pyg.models.PointNet", "--model.model.init_args.width=0.03"]
    data = ["--data.shipped=true", "--data.num_points=32", "--data.num_parts=4", "--data.num_eval=2"]
    where = [f"--trainer.default_root_dir={tmp_path}", "--trainer.accelerator=cpu"]
    for few in ([], ["--model.model.init_args.num_classes=1"]):
        with pytest.raises(ValueError, match=rf"{OPTION} 23"):
            main([*model, *data, *where, *few], ClassesCLI)
