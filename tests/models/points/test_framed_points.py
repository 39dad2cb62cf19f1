"""Averages of normals over frames, and frames on symmetric clouds and in training."""

import pytest
import torch
from torch import nn

from fa_pyg import GroupFrame, HaarFrame, PCAFrame, PerMode, WeightedPCAFrame
from fa_pyg.models import DGCNN, FADGCNN, FALocalPointNet, FAPointNet, FramedPoints, PointNet
from fa_pyg.testing import equivariance_error


class Signed(nn.Module):
    """Directions of the points, with a sign that depends on the frame."""

    num_classes = None

    def forward(self, pos, batch=None):
        return nn.functional.normalize(pos, dim=1) * pos[0, 0].sign()


def test_signs_cancel_in_vectors_but_not_in_tensors():
    pos = torch.randn(9, 3).double()
    pos = pos - pos.mean(0)
    direction = nn.functional.normalize(pos, dim=1)
    vector, tensor = FramedPoints(Signed()), FramedPoints(Signed(), average="tensor")
    assert vector.averaging(pos).norm(dim=1).max() < 1e-12
    torch.testing.assert_close(tensor.tensor(pos), direction.unsqueeze(2) * direction.unsqueeze(1))
    torch.testing.assert_close((tensor(pos) * direction).sum(1).abs(), torch.ones(9).double())


def test_tensor_is_the_average_of_the_losses(clouds, settled):
    pos, batch = clouds()
    model = settled(FAPointNet(0.06, average="tensor"), pos, batch)
    tensor = model.tensor(pos, batch)
    torch.testing.assert_close(tensor, tensor.mT)
    torch.testing.assert_close(tensor.diagonal(dim1=1, dim2=2).sum(1), torch.ones(37).double())
    normal = model(pos, batch)  # the direction of the least loss
    others = nn.functional.normalize(torch.randn(20, 37, 3).double(), dim=2)
    score = torch.einsum("...na,nab,...nb->...n", others, tensor, others)
    assert (score <= torch.einsum("na,nab,nb->n", normal, tensor, normal) + 1e-12).all()


class Isotropic(nn.Module):
    """A constant vector, whose tensor, averaged over Oh, is a multiple of the identity."""

    num_classes = None

    def __init__(self):
        super().__init__()
        self.v = nn.Parameter(torch.tensor([[1.0, 0.0, 0.0]]).double())

    def forward(self, pos, batch=None):
        return self.v.expand(len(pos), 3) + 0 * pos


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_lines_in_half_precision(half):
    model = FADGCNN(0.1, k=4, average="tensor").eval()
    pos = torch.randn(20, 3)
    assert model.to(half)(pos.to(half)).dtype == half


def test_gradient_of_equal_eigenvalues_is_finite():
    model = FramedPoints(Isotropic(), GroupFrame("Oh"), average="tensor")
    pos = torch.randn(4, 3).double()
    torch.testing.assert_close(model.tensor(pos), torch.eye(3).double().expand(4, 3, 3) / 3)
    model(pos).sum().backward()
    assert model.averaging.model.model.v.grad.isfinite().all()


@pytest.mark.parametrize("model", [FAPointNet(0.06), FAPointNet(0.06, 4, average="tensor")])
def test_tensor_of_vectors_or_classes(model):
    with pytest.raises(ValueError, match='average: expected "tensor", of normals, found'):
        model.tensor(torch.randn(5, 3))


def moved(model, pos):
    errors = equivariance_error(model, {"pos": pos}, "E(3)", output="vector", level="node", trials=1)
    return max(errors["proper"], errors["improper"], errors["translated"])


def test_symmetric_cloud(framed, washer, settled):
    """Two equal eigenvalues: plain PCA frames fail, weighted ones do not, even on ties between neighbors."""
    torch.manual_seed(0)
    weighted = WeightedPCAFrame("E(3)", smoothness="fast")
    local = {"local_frame": weighted} if framed().__class__ is FALocalPointNet else {}
    assert moved(settled(framed(frame=weighted, **local), washer), washer) < 1e-6
    assert weighted(washer).num_frames < 200


def test_plain_frames_fail_on_a_symmetric_cloud(washer, settled):
    assert moved(settled(FAPointNet(0.06, frame=PCAFrame("E(3)")), washer), washer) > 1e-3


@pytest.mark.parametrize("backbone", [lambda: DGCNN(0.06, 7), lambda: PointNet(0.06)])
@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), WeightedPCAFrame("E(3)")])
def test_random_motions_in_training_and_exact_frames_in_evaluation(backbone, frame, clouds, settled):
    pos, batch = clouds()
    model = FramedPoints(backbone(), PerMode(train=HaarFrame("E(3)", k=1), eval=frame), average="tensor")
    model = settled(model, pos, batch)
    model.train()
    runs = []
    hook = model.averaging.model.register_forward_hook(lambda *args: runs.append(len(args[2])))
    normal = nn.functional.normalize(pos, dim=1)
    loss = 1 - torch.einsum("na,nab,nb->n", normal, model.tensor(pos, batch), normal).mean()
    loss.backward()
    assert runs == [len(pos)]  # one copy in training
    hook.remove()
    model.eval()
    turn = torch.linalg.qr(torch.randn(3, 3).double())[0]
    tensor = turn @ model.tensor(pos, batch) @ turn.T
    torch.testing.assert_close(model.tensor(pos @ turn.T + 1, batch), tensor, atol=1e-9, rtol=0)
    bare = model.averaging.model
    with torch.no_grad():
        expected = turn @ bare(pos, batch) @ turn.T
        assert (bare(pos @ turn.T + 1, batch) - expected).abs().max() > 1e-3
