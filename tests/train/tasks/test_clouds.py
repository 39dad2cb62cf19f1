"""Random clouds: rotations really applied, fresh points, noise, density; the data of trainings."""

import math

import pytest
import torch
from torch_geometric.data import Data

from fa_pyg.train import CloudsData
from fa_pyg.train.tasks.clouds import REGIMES, Clouds, Draw, draw, rotations
from fa_pyg.train.tasks.clouds_sources import stored

IDS = torch.arange(6)


@pytest.fixture
def ellipsoids():
    """Six ellipsoids of 300 points off the center, with exact normals."""
    axes = 0.5 + torch.rand(6, 1, 3)
    on_sphere = torch.nn.functional.normalize(torch.randn(6, 300, 3), dim=2)
    normal = torch.nn.functional.normalize(on_sphere / axes, dim=2)
    surface = torch.arange(300, dtype=torch.uint8).repeat(6, 1) % 7
    return Clouds(on_sphere * axes + 5, normal, surface, IDS % 3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_points_are_those_of_the_part_with_their_normals_each_once(ellipsoids):
    found = draw(ellipsoids, IDS.flip(0), Draw(100), generator())
    assert found.pos.shape == (6, 100, 3)
    assert found.y.tolist() == ellipsoids.y.flip(0).tolist()
    assert found.surface.dtype == torch.long
    for i, part in enumerate(IDS.flip(0).tolist()):
        at = torch.cdist(found.normal[i], ellipsoids.normal[part]).argmin(1)
        assert len(set(at.tolist())) == 100
        torch.testing.assert_close(found.normal[i], ellipsoids.normal[part][at])
        assert torch.equal(found.surface[i], ellipsoids.surface[part][at].long())
        shift = ellipsoids.pos[part][at] - ellipsoids.pos[part][at].mean(0)
        radius = shift.square().sum(1).mean().sqrt()
        torch.testing.assert_close(found.pos[i], shift / radius, rtol=1e-4, atol=1e-5)


def test_normalized_and_then_scaled(ellipsoids):
    radius = draw(ellipsoids, IDS, Draw(50), generator()).pos.square().sum(2).mean(1).sqrt()
    torch.testing.assert_close(radius, torch.ones(6))
    scaled = draw(ellipsoids, IDS, Draw(50, scale=(0.8, 1.25)), generator())
    radius = scaled.pos.square().sum(2).mean(1).sqrt()
    assert 0.8 <= radius.min() < 0.99
    assert 1.01 < radius.max() <= 1.25
    assert float(scaled.pos.mean(1).abs().max()) < 1e-5


@pytest.mark.parametrize("regime", REGIMES[1:])
def test_positions_and_normals_are_turned_together(regime, ellipsoids):
    still, turned = (draw(ellipsoids, IDS, Draw(300, one), generator()) for one in ("I", regime))
    # The same points: the rotation between both clouds is that of both normals, and orthogonal.
    found = torch.linalg.lstsq(still.pos, turned.pos).solution
    torch.testing.assert_close(found.mT @ found, torch.eye(3).expand(6, 3, 3), rtol=0, atol=1e-4)
    torch.testing.assert_close(still.normal @ found, turned.normal, rtol=0, atol=1e-4)
    assert (found - torch.eye(3)).flatten(1).norm(dim=1).min() > 0.1  # it is one, for each cloud
    assert torch.pdist(found.flatten(1)).min() > 1e-3  # another one each


def test_regimes():
    found = {regime: rotations(regime, 500, generator()) for regime in REGIMES}
    torch.testing.assert_close(found["I"], torch.eye(3).expand(500, 3, 3))
    for regime in REGIMES:
        torch.testing.assert_close(found[regime] @ found[regime].mT, torch.eye(3).expand(500, 3, 3))
    up = torch.tensor([0.0, 0.0, 1.0])
    torch.testing.assert_close(found["z"] @ up, up.expand(500, 3))
    assert float((found["z"] @ torch.tensor([1.0, 0.0, 0.0])).mean(0).norm()) < 0.15  # all around
    signs = {regime: torch.linalg.det(found[regime]).sign().mean().item() for regime in REGIMES}
    assert signs["z"] == signs["SO(3)"] == 1
    assert abs(signs["O(3)"]) < 0.2
    assert float((found["SO(3)"] @ up).mean(0).norm()) < 0.15


def test_noise_is_relative_to_the_size(ellipsoids):
    clean, noisy = (draw(ellipsoids, IDS, Draw(300, noise=one), generator()) for one in (0.0, 0.03))
    difference = (noisy.pos - clean.pos).square().mean((1, 2)).sqrt()
    torch.testing.assert_close(difference, torch.full((6,), 0.03), rtol=0.1, atol=0)
    assert torch.equal(noisy.normal, clean.normal)


def test_uneven_density_falls_along_a_direction(ellipsoids):
    def spread(density):
        """How far the center of the points is from that of the part, and from those of other draws."""
        how = Draw(60, density=density)
        found = [draw(ellipsoids, IDS, how, generator(seed)).normal.mean(1) for seed in range(8)]
        return torch.stack(found).norm(dim=2).mean()

    assert spread(2.0) > 3 * spread(0.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_points": 0}, "num_points: expected a positive integer"),
        ({"rotation": "x"}, 'rotation: expected "I", "z"'),
        ({"noise": -1.0}, "noise: expected a number >= 0"),
        ({"density": math.nan}, "density: expected a number >= 0"),
        ({"scale": (0.0, 1.0)}, "scale: expected a positive number"),
        ({"scale": (1.2, 1.0)}, "scale: expected a number >= 1.2"),
        ({"scale": (1.0,)}, "scale: expected a pair"),
    ],
)
def test_wrong_settings(wrong, message):
    with pytest.raises(ValueError, match=message):
        Draw(**wrong)


def shipped(**settings):
    return CloudsData("none", shipped=True, splitting="random", num_points=32, num_eval=3, **settings)


def test_training_clouds_are_fresh_and_others_fixed():
    data = shipped(batch_size=4, num_parts=8)
    data.split("train")
    (first, *_), (second, *_) = (list(data.train_dataloader()) for _ in range(2))
    for loader in (data.val_dataloader, data.test_dataloader):
        before, after = (next(iter(loader())) for _ in range(2))
        assert torch.equal(before.pos, after.pos)
    assert (first.num_graphs, first.pos.shape, first.normal.shape) == (4, (128, 3), (128, 3))
    assert first.batch.tolist() == [i for i in range(4) for _ in range(32)]
    by_family = {int(y): pos for y, pos in zip(first.y, first.pos.view(4, 32, 3), strict=True)}
    again = {int(y): pos for y, pos in zip(second.y, second.pos.view(4, 32, 3), strict=True)}
    assert not any(torch.equal(by_family[y], again[y]) for y in by_family.keys() & again.keys())


def test_fixed_clouds_depend_on_the_index_alone():
    few, many = (shipped(seed=seed).fixed("test", rotation="SO(3)") for seed in (0, 1))
    assert torch.equal(few.pos, many.pos)
    data = shipped(train_rotation="z")
    assert torch.equal(
        data.fixed("val").pos, data.fixed("val", rotation="z").pos
    )  # the regime of the training
    assert not torch.equal(data.fixed("val").pos, data.fixed("val", rotation="I").pos)
    assert not torch.equal(data.fixed("val").pos[0], data.fixed("test").pos[0])
    few = CloudsData("none", shipped=True, splitting="random", num_points=32, num_eval=2).fixed("test")
    torch.testing.assert_close(few.pos, shipped().fixed("test").pos[:2])


def test_a_last_batch_of_one_is_left_out():
    sizes = {
        n: [b.num_graphs for b in shipped(batch_size=4, num_parts=n).train_dataloader()] for n in (9, 10, 1)
    }
    assert sizes == {9: [4, 4], 10: [4, 4, 2], 1: [1]}


@pytest.mark.parametrize(
    "wrong", [{"num_parts": 0}, {"source": "web"}, {"splitting": "none"}, {"batch_size": 0}]
)
def test_wrong_data_settings(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
        CloudsData(**wrong)


def test_a_missing_data_set_tells_how_to_build_it(tmp_path):
    with pytest.raises(ValueError, match="fa-pyg build parts"):
        CloudsData(tmp_path / "none").split("train")


def test_meshes(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    for i in range(24):
        trimesh.creation.box((1, 2, 3 + i)).export(tmp_path / f"box{i}.ply")
    data = CloudsData(tmp_path, source="meshes", num_points=64, num_parts=4)
    batch = next(iter(data.train_dataloader()))
    assert set(batch.surface.tolist()) == {6}
    assert batch.normal.abs().amax(1).min() > 0.999  # those of a box


def test_items_of_other_data_sets():
    items = [
        Data(pos=torch.randn(5, 3), normal=torch.randn(5, 3), surface=torch.arange(5), y=torch.tensor([i]))
        for i in range(3)
    ]
    found = stored(items)
    assert torch.equal(found.pos[2], items[2].pos)
    assert torch.equal(found.surface[1], items[1].surface)
    assert found.y.tolist() == [0, 1, 2]


def test_the_test_alone_is_turned():
    upright, turned = shipped(), shipped(test_rotation="SO(3)")
    assert torch.equal(turned.fixed("val").pos, upright.fixed("val").pos)
    assert not torch.equal(turned.fixed("test").pos, upright.fixed("test").pos)
    assert torch.equal(turned.fixed("test").pos, upright.fixed("test", rotation="SO(3)").pos)
    assert torch.equal(turned.fixed("test", rotation="I").pos, upright.fixed("test").pos)
    back = shipped(train_rotation="SO(3)", test_rotation="I")
    assert torch.equal(back.fixed("test").pos, upright.fixed("test").pos)
    with pytest.raises(ValueError, match="test_rotation: expected "):
        shipped(test_rotation="x")


def test_broken_meshes_are_left_out(tmp_path):
    faces = "f 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n"
    for i in range(30):  # some in each split
        (tmp_path / f"{i}.obj").write_text(f"v 0 0 0\nv {i + 1} 0 0\nv 0 1 0\nv 0 0 1\n{faces}")
    (tmp_path / "broken.obj").write_text("nothing")
    wanted = {"source": "meshes", "num_points": 16}
    with pytest.raises(ValueError, match=r"broken\.obj"):
        CloudsData(tmp_path, **wanted).prepare_data()
    data = CloudsData(tmp_path, **wanted, on_error="skip")
    with pytest.warns(UserWarning, match=r"broken\.obj"):
        data.prepare_data()
    assert sum(len(data.split(name)) for name in ("train", "val", "test")) == 30
    with pytest.raises(ValueError, match="on_error: expected "):
        CloudsData(tmp_path, **wanted, on_error="ignore")
