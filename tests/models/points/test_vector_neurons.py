"""Vector neurons: equivariant normals and invariant classes in ragged batches."""

import math

import pytest
import torch
from torch import nn

from fa_pyg.models.points.clouds import read_clouds
from fa_pyg.models.points.vn_dgcnn import VNDGCNN
from fa_pyg.models.points.vn_layers import (
    SHIFT,
    VNBatchNorm,
    VNEdgeLayer,
    VNLayer,
    edge_features,
    nearest,
)
from fa_pyg.models.points.vn_pointnet import VNPointNet
from fa_pyg.testing import equivariance_error

MODELS = {"VNPointNet": VNPointNet, "VNDGCNN": VNDGCNN}
SIZES = (30, 7, 1, 50, 3)  # clouds with fewer points than neighbors, and a point


@pytest.fixture(params=[*MODELS])
def name(request):
    return request.param


@pytest.fixture
def make(name):
    """Make a small model in float64, whose running statistics are not the initial ones."""

    def of(**options):
        model = MODELS[name](width=0.25, k=10, **options).double()
        model(*clouds((40, 25)))
        return model.eval()

    return of


def clouds(sizes=SIZES, dtype=torch.float64):
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return torch.randn(len(batch), 3, dtype=dtype), batch


def errors(model, group, output="vector", sizes=SIZES):
    pos, batch = clouds(sizes)
    level = "node" if output == "vector" else "graph"
    return equivariance_error(model, {"pos": pos, "batch": batch}, group, output=output, level=level)


def test_normals_are_equivariant(make):
    assert max(errors(make(), "SE(3)").values()) <= 1e-10


def test_classes_are_invariant(make):
    found = make(num_classes=4)(*clouds())
    assert found.shape == (len(SIZES), 4)
    assert max(errors(make(num_classes=4), "SE(3)", "scalar").values()) <= 1e-10


def test_reflections_need_no_cross_product(make):
    """Without it all vectors of a plane lie in it, and those of three points nearly cancel: larger clouds."""
    found = errors(make(cross=True), "E(3)", sizes=(30, 50))
    assert found["proper"] <= 1e-10
    assert found["improper"] > 1e-3
    assert max(errors(make(cross=False), "E(3)", sizes=(30, 50)).values()) <= 1e-10


def test_a_bias_breaks_equivariance(make):
    model = make()
    for part in model.modules():
        if isinstance(part, VNLayer):
            part.linear.bias = nn.Parameter(torch.ones(part.linear.out_features, dtype=torch.float64))
    assert errors(model, "SE(3)")["proper"] > 1e-3


def test_normals_have_length_one(make):
    pos, batch = clouds((30, 40))
    assert torch.allclose(make()(pos, batch).norm(dim=1), pos.new_ones(70))


def test_batch_is_the_single_clouds(make):
    model, (pos, batch) = make(), clouds()
    apart = torch.cat([model(part) for part in pos.split(SIZES)])
    assert torch.allclose(model(pos, batch), apart, atol=1e-12)


def test_equal_sizes_take_the_same_path(make):
    model, (pos, batch) = make(), clouds((20, 20))
    together = model(torch.cat([pos, clouds((3,))[0]]), torch.cat([batch, batch.new_full((3,), 2)]))
    assert torch.allclose(model(pos, batch), together[:40], atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_finite_at_zero_vectors(make, training, dtype):
    pos, batch = clouds(dtype=dtype)
    pos[batch == 0] = 1.0  # coincident
    pos[batch == 3, 1:] = 0.0  # on a line
    pos.requires_grad_()
    model = make().train(training).to(dtype)
    (model(pos, batch) * torch.randn_like(pos)).sum().backward()
    found = [pos.grad, *(p.grad for p in model.parameters())]
    assert all(bool(grad.isfinite().all()) for grad in found)
    assert pos.grad[(batch == 0) | (batch == 2)].abs().max() < 1e-3  # all vectors are zero: nowhere to go


def test_every_parameter_is_used(make):
    model = make()
    model(*clouds()).pow(3).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_point_that_is_not_a_number_spoils_its_cloud_alone(make):
    model, (pos, batch) = make(), clouds((20, 30))
    broken = pos.clone()
    broken[3, 1] = math.nan
    found = model(broken, batch)
    assert found[:20].isnan().all()
    assert torch.allclose(found[20:], model(pos, batch)[20:], atol=1e-12)


def test_far_from_the_origin(make):
    pos, batch = clouds((40, 30))
    model = make()
    assert torch.allclose(model(pos + 1e6, batch), model(pos, batch), atol=1e-6)


def test_layer_by_hand():
    layer = VNLayer(2, 1).double().eval()
    v = torch.randn(3, 5, 2, dtype=torch.float64)
    p, d = layer.linear(v)[..., 0], layer.direction(v)[..., 0]
    p = p * (1 + SHIFT / p.norm(dim=0))  # batch norm with a mean of 0 and a variance of 1
    along = (p * d).sum(0)
    expected = torch.where(along < 0, p - 0.8 * along / d.square().sum(0) * d, p)
    assert torch.allclose(layer(v)[..., 0], expected, atol=1e-4)


def test_batch_norm_is_that_of_the_norms():
    layer, v = VNBatchNorm(4).double(), torch.randn(3, 50, 4, dtype=torch.float64)
    norm, out = v.norm(dim=0), layer(v)
    assert torch.allclose(out, v / norm * layer.bn(norm), atol=1e-4)


@pytest.mark.parametrize("sizes", [[20], [17, 3]])
def test_edge_layer_is_a_layer_of_edge_features(sizes):
    layer, v = VNEdgeLayer(4, 3).double(), torch.randn(3, 20, 4, dtype=torch.float64)
    near = nearest(v, 5, read_clouds(*clouds(sizes)))
    center = v.unsqueeze(2).expand(-1, -1, 5, -1)
    features = torch.cat([v[:, near] - center, center], dim=-1)
    expected = layer.activate(layer.linear(features), layer.direction(features))
    assert torch.allclose(layer(v, near), expected)


def test_edge_features():
    pos, batch = clouds((6,))
    near = nearest(pos.t().unsqueeze(-1), 4, read_clouds(pos, batch))
    difference, center, cross = edge_features(pos, near, cross=True).movedim(0, 2).unbind(-1)
    assert torch.equal(center, pos[:, None].expand(-1, 4, -1))
    assert torch.allclose(difference + center, pos[near])
    assert torch.allclose(cross, torch.linalg.cross(difference, center))
    assert ((difference == 0).all(2).sum(1) == 1).all()  # itself included


def test_published_widths():
    """Numbers of vectors are a third of the published widths, rounded down."""
    pointnet, dgcnn = VNPointNet(), VNDGCNN()
    assert pointnet.last[0].weight.shape == (682, 170)
    assert dgcnn.join.linear.weight.shape == (341, 63)
    assert VNDGCNN(num_classes=4).head.axes.first.linear.weight.shape == (341, 682)
    assert dgcnn.head.first.linear.weight.shape == (85, 63 + 682)
    assert pointnet.edges.linear.weight.shape == (21, 3)
    assert pointnet.fourth.linear.weight.shape == (170, 84)


@pytest.mark.parametrize(
    "options", [{"k": 0}, {"k": 1.5}, {"width": 0}, {"width": math.nan}, {"num_classes": 0}, {"cross": 1}]
)
def test_bad_arguments_are_named(name, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        MODELS[name](**options)
