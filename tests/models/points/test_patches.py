"""Normals of large clouds: principal components, patches of a model, consistent signs."""

import math

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from fa_pyg.models import VNDGCNN, PatchedNormals, PCANormals, orient_normals
from fa_pyg.models.points.clouds import read_clouds
from fa_pyg.models.points.patches import _places as places
from fa_pyg.testing import equivariance_error


def sphere(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return nn.functional.normalize(torch.randn(n, 3, generator=generator, dtype=torch.float64), dim=1)


def torus(n, radius=2.0):
    """Points and outward normals of a torus of inner radius 1, uniform in the angles."""
    u, v = torch.rand(2, n, dtype=torch.float64) * 2 * math.pi
    ring = torch.stack([u.cos(), u.sin(), torch.zeros_like(u)], 1)
    normal = ring * v.cos()[:, None] + torch.tensor([0, 0, 1.0]) * v.sin()[:, None]
    return radius * ring + normal, normal


def unoriented(found, expected):
    """Mean of 1 - (n . n')^2."""
    return float(1 - (found * expected).sum(1).square().mean())


class Sizes(nn.Module):
    """Records the sizes of the clouds that it is called with; the third axis as normals."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, pos, batch):
        self.calls.append(torch.bincount(batch).tolist())
        return torch.tensor([0.0, 0, 1], dtype=pos.dtype).expand(len(pos), 3)


def test_pca_is_that_of_a_loop(dtype):
    pos = torch.randn(60, 3, dtype=dtype)
    batch = torch.arange(2).repeat_interleave(torch.tensor([40, 20]))
    found = PCANormals(8)(pos, batch)
    for i in (0, 17, 39, 40, 59):
        mine = (batch == batch[i]).nonzero().view(-1)
        x = pos[mine[(pos[mine] - pos[i]).norm(dim=1).argsort()[:8]]].double()
        axis = torch.linalg.svd(x - x.mean(0))[2][2]
        axis = axis * ((pos[i].double() - pos[mine].double().mean(0)) @ axis).sign()
        assert torch.allclose(found[i], axis.to(dtype), atol=1e-5)


def test_pca_on_a_sphere_and_a_torus():
    pos, normal = torus(2000)
    assert unoriented(PCANormals()(pos), normal) < 0.01
    pos = sphere(2000)
    assert (1 - (PCANormals()(pos) * pos).sum(1)).max() < 0.05  # signs are right on convex bodies


def test_pca_is_equivariant_to_reflections_too():
    pos, batch = torus(60)[0], torch.arange(2).repeat_interleave(30)
    inputs = {"pos": pos, "batch": batch}
    found = equivariance_error(PCANormals(6), inputs, "E(3)", output="vector", level="node")
    assert max(found.values()) < 1e-10


@pytest.mark.parametrize("model", [PCANormals(), PatchedNormals(PCANormals(), 64)])
def test_far_from_the_origin(model):
    pos, _ = torus(400)
    far = pos + torch.tensor([1e6, -1e6, 3e6])
    assert unoriented(model(far), model(pos)) < 1e-12
    assert unoriented(model(far.float()), model(pos)) > 1e-3  # float32 has no such digits


@pytest.mark.parametrize("shape", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1e-100, 1e-100, 0)])
def test_degenerate_clouds_have_unit_normals(shape):
    pos = torch.randn(30, 3, dtype=torch.float64) * torch.tensor(shape, dtype=torch.float64)
    for model in (PCANormals(), PatchedNormals(PCANormals(), 10)):
        assert torch.allclose(model(pos).norm(dim=1), torch.ones(30, dtype=torch.float64))
        assert torch.allclose(model(pos[:1]).norm(dim=1), torch.ones(1, dtype=torch.float64))


@pytest.mark.parametrize("sizes", [(1000,), (300, 5, 1, 500)])
@pytest.mark.parametrize("patch_size", [1, 16, 100])
def test_patches_cover_every_point(sizes, patch_size):
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    pos = torch.randn(len(batch), 3, dtype=torch.float64) ** 3  # uneven
    clouds = read_clouds(pos, batch)
    rounds = list(PatchedNormals(PCANormals(), patch_size).patches(pos, clouds))
    point = torch.cat([point for _, point in rounds])
    assert torch.bincount(point, minlength=len(pos)).min() >= 1
    for patch, point in rounds:
        same = patch[1:] == patch[:-1]
        assert (batch[point[1:]] == batch[point[:-1]])[same].all()  # no patch of two clouds
        assert torch.bincount(patch).max() <= patch_size


def test_calls_are_bounded():
    model = Sizes()
    patched = PatchedNormals(model, patch_size=50, chunk=3)
    assert torch.equal(patched(sphere(1000)).abs(), torch.tensor([0.0, 0, 1]).double().expand(1000, 3))
    assert max(len(call) for call in model.calls) == 3
    assert {size for call in model.calls for size in call} == {50}


def test_chunks_do_not_matter():
    pos, _ = torus(500)
    one, all_ = (PatchedNormals(PCANormals(), 40, chunk=chunk)(pos) for chunk in (1, 1000))
    assert unoriented(one, all_) < 1e-12


def test_patches_are_clouds_of_unit_size():
    class Check(nn.Module):
        def forward(self, pos, batch):
            first = pos[batch == 0]
            assert first.mean(0).norm() < 1e-6
            assert math.isclose(first.square().sum(1).mean(), 1, rel_tol=1e-5)
            return PCANormals(10)(pos, batch)

    pos, normal = torus(500)
    assert unoriented(PatchedNormals(Check(), 60)(1000 * pos + 7), normal) < 0.05


def test_signs_of_patches_need_not_agree():
    """Patches whose normals have random signs: averages of vectors cancel, those of products do not."""

    class RandomSigns(nn.Module):
        def forward(self, pos, batch):
            sign = torch.randint(2, (int(batch.max()) + 1, 1), dtype=pos.dtype) * 2 - 1
            return PCANormals(10)(pos, batch) * sign[batch]

    pos, normal = torus(1500)
    wrong = unoriented(PatchedNormals(RandomSigns(), 60, 4, oriented=True)(pos), normal)
    assert unoriented(PatchedNormals(RandomSigns(), 60, 4)(pos), normal) < min(0.02, wrong / 2)


def test_oriented_models_keep_their_signs():
    class Outward(nn.Module):
        def forward(self, pos, batch):
            return torch.tensor([0.0, 0, -1], dtype=pos.dtype).expand_as(pos)

    found = PatchedNormals(Outward(), 60, oriented=True)(sphere(300))
    assert torch.allclose(found, torch.tensor([0.0, 0, -1]).double().expand(300, 3))


def test_equivariant_models_stay_so():
    model = VNDGCNN(width=0.25, k=8).double()
    pos, _ = torus(200)
    model(pos)
    model.eval()
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    patched = PatchedNormals(model, 50)
    assert unoriented(patched(pos @ rotation + 3), patched(pos) @ rotation) < 1e-10
    assert unoriented(patched(pos @ rotation), patched(pos)) > 1e-2


class Largest(TorchDispatchMode):
    """The number of entries of the largest tensor that is made."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.size = max(self.size, out.numel() if isinstance(out, torch.Tensor) else 0)
        return out


@pytest.mark.parametrize("model", [PCANormals(), PatchedNormals(PCANormals())])
def test_memory_is_bounded(model):
    """All pairs of points would be 4e8 entries."""
    pos, normal = torus(20_000)
    with Largest() as largest:
        assert unoriented(model(pos.float()), normal.float()) < 1e-3
    assert 1e4 < largest.size < 1e7


def test_coincident_points_count_once():
    """Invalid pixels of a scan at the origin: one patch for each of them would be 5000 patches."""
    model, pos = Sizes(), torch.cat([torus(600)[0], torch.zeros(1, 3)])[torch.randperm(601)]
    zero = int(pos.norm(dim=1).argmin())
    PatchedNormals(model, 50)(torch.cat([pos, torch.zeros(5000, 3)])[torch.randperm(5601)])
    assert sum(len(call) for call in model.calls) < 100
    place = torch.cat([torch.arange(601), torch.full((50,), zero), torch.tensor([5, 9])])
    found = PatchedNormals(PCANormals(), 30)(pos[place])
    assert unoriented(found, PatchedNormals(PCANormals(), 30)(pos)[place]) < 1e-12


def test_coincident_points_of_other_clouds_are_others():
    pos, _ = torus(300)
    twice, batch = torch.cat([pos, pos]), torch.arange(2).repeat_interleave(300)
    first, place = places(twice, batch)
    assert first.tolist() == place.tolist() == list(range(600))
    model = PatchedNormals(PCANormals(), 30)
    assert unoriented(model(twice, batch)[300:], model(pos)) < 1e-12


def test_places_are_those_of_a_loop():
    pos, batch = torch.randint(-1, 2, (200, 3)) * 1.0, torch.randint(3, (200,))
    first, place = places(pos * torch.tensor([1.0, -0.0, 1.0]), batch)
    rows = [(b, x, z) for b, (x, _, z) in zip(batch.tolist(), pos.tolist(), strict=True)]
    assert first.tolist() == [i for i, row in enumerate(rows) if row not in rows[:i]]
    assert [rows[i] for i in first[place].tolist()] == rows


def test_points_that_are_not_finite():
    pos = sphere(30)
    pos[3, 1] = math.nan
    with pytest.raises(ValueError, match="pos: expected finite points"):
        PatchedNormals(PCANormals())(pos)


@pytest.mark.parametrize(
    ("name", "options"),
    [("patch_size", {"patch_size": 0}), ("overlap", {"overlap": 0.5}), ("chunk", {"chunk": 0}),
     ("oriented", {"oriented": 1}), ("model", {"model": len}),
     ("model", {"model": VNDGCNN(0.1, num_classes=3)})],
)  # fmt: skip
def test_bad_arguments_are_named(name, options):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        PatchedNormals(**{"model": PCANormals(), **options})


def test_orientation_of_a_torus_and_a_sphere():
    clouds = [torus(1500), (sphere(800), sphere(800))]
    pos, normal = (torch.cat(parts) for parts in zip(*clouds, strict=True))
    batch = torch.arange(2).repeat_interleave(torch.tensor([1500, 800]))
    mixed = normal * (torch.randint(2, (len(pos), 1)) * 2 - 1)
    assert (mixed * normal).sum(1).min() < -0.9
    assert ((orient_normals(pos, mixed, batch) * normal).sum(1) > 0.9).all()
    order = torch.randperm(len(pos))
    again = orient_normals(pos[order], mixed[order], batch[order])
    assert ((again * normal[order]).sum(1) > 0.9).all()


def test_orientation_is_equivariant():
    pos, normal = torus(400)
    flip = (
        torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
        @ torch.diag(torch.tensor([1.0, 1, -1])).double()
    )
    found = orient_normals(pos, normal)
    assert torch.allclose(orient_normals(pos @ flip + 5, -normal @ flip), found @ flip)


def test_orientation_of_single_points():
    assert orient_normals(torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0, 3)
    assert torch.equal(orient_normals(torch.zeros(1, 3), torch.ones(1, 3)), torch.ones(1, 3))
    pos, batch = torch.zeros(4, 3), torch.tensor([0, 1, 1, 3])
    assert orient_normals(pos, torch.ones(4, 3), batch).abs().eq(1).all()
    with pytest.raises(ValueError, match="normal: expected"):
        orient_normals(pos, torch.ones(3, 3))
