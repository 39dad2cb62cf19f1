"""Points of meshes with normals: closed forms, bad files, splits, cache, PCPNet and ABC layouts."""

import json
import math
import os
import sys

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.datasets import PCPNetDataset

from fa_pyg.cad import SURFACES
from fa_pyg.datasets import ABCNormals, MeshNormals, PCPNetToCloud
from fa_pyg.datasets.clouds.meshes import mesh_files, sample_mesh
from fa_pyg.datasets.splits import hashed_part
from fa_pyg.train.tasks.clouds_sources import stored

trimesh = pytest.importorskip("trimesh")

TRIANGLE = "OFF\n3 1 0\n0 0 0\n{}\n0 1 0\n3 0 1 2\n"
BROKEN = {
    "text.obj": "hello",
    "empty.ply": "",
    "no_faces.off": "OFF\n1 0 0\n0 0 0\n",
    "no_area.off": TRIANGLE.format("0 2 0"),
    "not_a_number.off": TRIANGLE.format("nan 0 0"),
    "not_finite.off": TRIANGLE.format("1e400 0 0"),
    "huge.off": TRIANGLE.format("1e40 0 0"),
    "overflowing.off": TRIANGLE.format("1e160 0 0"),
    "tiny.off": "OFF\n3 1 0\n0 0 0\n1e-50 0 0\n0 1e-50 0\n3 0 1 2\n",
    "wrong_index.off": "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n",
}


def sphere(path, subdivisions=3, **move):
    mesh = trimesh.creation.icosphere(subdivisions)
    mesh.apply_translation(move.get("by", (0, 0, 0)))
    mesh.export(path)
    return path


@pytest.fixture
def folder(tmp_path):
    for family in ("balls", "boxes"):
        (tmp_path / family).mkdir()
        for i in range(10):
            extents = (1, 2, 3 + i)
            ball, box = trimesh.creation.icosphere(1), trimesh.creation.box(extents)
            (ball if family == "balls" else box).export(tmp_path / family / f"{i}.stl")
    return tmp_path


@pytest.mark.parametrize("suffix", ["obj", "ply", "stl", "off", "glb"])
def test_every_format_gives_the_same_points(tmp_path, suffix):
    box = trimesh.creation.box((2, 4, 6))
    box.export(tmp_path / f"box.{suffix}")
    pos, normal = sample_mesh(tmp_path / f"box.{suffix}", 500)
    half = torch.tensor([1.0, 2.0, 3.0])
    assert (pos.abs() <= half * (1 + 1e-6)).all()
    assert torch.allclose((pos * normal).sum(1), (normal.abs() * half).sum(1))  # on the face of the normal
    assert torch.allclose(normal.norm(dim=1), torch.ones(500))


def test_points_are_uniform_by_area(tmp_path):
    """A box of faces of area 2, 4, 8 (each twice), and within a face the second moments of a square."""
    trimesh.creation.box((4, 2, 1)).export(tmp_path / "a.off")
    pos, normal = sample_mesh(tmp_path / "a.off", 40_000)
    share = normal.abs().mean(0)
    assert torch.allclose(share, torch.tensor([2.0, 4.0, 8.0]) / 14, atol=0.01)
    top = pos[normal[:, 2] > 0.5, :2]
    assert torch.allclose(top.square().mean(0), torch.tensor([16.0, 4.0]) / 12, rtol=0.05)


def test_smooth_normals_are_nearer_to_the_sphere(tmp_path):
    errors = []
    for smooth in (False, True):
        pos, normal = sample_mesh(sphere(tmp_path / "ball.stl"), 1000, smooth=smooth)
        errors.append(1 - (normal * torch.nn.functional.normalize(pos)).sum(1).square().mean())
    assert errors[1] < errors[0] / 20
    assert errors[0] > 1e-4


def test_far_from_the_origin(tmp_path):
    near = sample_mesh(sphere(tmp_path / "ball.off"), 100)
    far = sample_mesh(sphere(tmp_path / "ball.off", by=(1e6, 1e6, 0)), 100)
    assert torch.allclose(near[0], far[0], atol=1e-6)
    assert torch.allclose(near[1], far[1], atol=1e-6)


def test_repair_orients_faces_outward(tmp_path):
    ball = trimesh.creation.icosphere(2)
    ball.faces[::3] = ball.faces[::3, ::-1]
    ball.export(tmp_path / "ball.off")
    for repair, least in ((False, -1.0), (True, 0.9)):
        pos, normal = sample_mesh(tmp_path / "ball.off", 500, repair=repair)
        assert least <= (pos * normal).sum(1).min() < (1 if repair else -0.9)


def test_faces_of_no_area_are_not_drawn(tmp_path):
    faces = "3 0 1 2\n3 0 0 1\n3 0 1 1\n"
    (tmp_path / "a.off").write_text(f"OFF\n3 3 0\n0 0 0\n1 0 0\n0 1 0\n{faces}")
    _, normal = sample_mesh(tmp_path / "a.off", 200)
    assert torch.equal(normal, torch.tensor([0.0, 0.0, 1.0]).expand(200, 3))


def test_scenes_have_all_bodies(tmp_path):
    scene = trimesh.Scene([trimesh.creation.icosphere(2)])
    move = trimesh.transformations.translation_matrix([10, 0, 0])
    scene.add_geometry(trimesh.creation.icosphere(2), transform=move)
    scene.export(tmp_path / "two.glb")
    pos, _ = sample_mesh(tmp_path / "two.glb", 1000)
    assert torch.allclose((pos[:, 0] > 0).float().mean(), torch.tensor(0.5), atol=0.06)
    assert torch.allclose(
        pos.abs()[:, 0].sub(5).square().sum().sqrt() / 1000**0.5, torch.tensor(3**-0.5), rtol=0.05
    )


@pytest.mark.parametrize("name", [*BROKEN])
def test_broken_files_are_named(tmp_path, name):
    (tmp_path / name).write_text(BROKEN[name])
    with pytest.raises(ValueError, match=f"{name}: expected"):
        MeshNormals(tmp_path)


def test_broken_files_are_skipped_on_request(tmp_path):
    for name, text in BROKEN.items():
        (tmp_path / name).write_text(text)
    none = pytest.raises(ValueError, match="root: expected meshes, found 10 files")
    with none, pytest.warns(UserWarning, match="skipped 10 of 10"):
        MeshNormals(tmp_path, on_error="skip")
    sphere(tmp_path / "ball.off")
    for _ in range(2):  # sampled, and cached
        with pytest.warns(UserWarning, match=r"skipped 10 of 11 meshes: .*empty.ply.*wrong_index.off"):
            assert MeshNormals(tmp_path, on_error="skip").names == ["ball"]
    with pytest.raises(ValueError, match=r"empty.ply: expected"):  # the cache is no excuse
        MeshNormals(tmp_path)


def test_large_and_small_meshes_have_the_points_of_others(tmp_path):
    box = trimesh.creation.box((1, 2, 3))
    box.export(tmp_path / "box.off")
    pos, normal = sample_mesh(tmp_path / "box.off", 50)
    for scale in (1e-12, 1e12):
        trimesh.Trimesh(box.vertices * scale, box.faces, process=False).export(
            tmp_path / "box.off", digits=30
        )
        found = sample_mesh(tmp_path / "box.off", 50)
        assert torch.allclose(found[0] / scale, pos, atol=1e-5)
        assert torch.allclose(found[1], normal, atol=1e-5)


@pytest.mark.parametrize("kind", ["dangling", "loop", "pipe"])
def test_what_is_no_file_is_named_or_skipped(tmp_path, kind):
    sphere(tmp_path / "ball.off")
    if kind == "pipe":
        os.mkfifo(tmp_path / "bad.stl")
    else:
        (tmp_path / "bad.stl").symlink_to(tmp_path / ("nothing.stl" if kind == "dangling" else "bad.stl"))
    with pytest.raises(ValueError, match=r"bad.stl: expected a mesh, found no file"):
        MeshNormals(tmp_path)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"skipped 1 of 2 meshes: .*bad.stl"):
            assert MeshNormals(tmp_path, on_error="skip").names == ["ball"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_utf_8(tmp_path):
    sphere(tmp_path / "ball.stl")
    name = os.fsdecode(b"b\xe4ll.stl")  # trimesh reads no such file
    (tmp_path / name).write_bytes((tmp_path / "ball.stl").read_bytes())
    with pytest.raises(ValueError, match=rf"{name}: expected a mesh"):
        MeshNormals(tmp_path, hashed_part(name), num_parts=2)
    with pytest.warns(UserWarning, match=rf"skipped 1 of 2 meshes: \S+{name}"):
        assert MeshNormals(tmp_path, on_error="skip").names == ["ball"]


def test_links_to_folders_that_are_found_already(tmp_path):
    (tmp_path / "z" / "deep").mkdir(parents=True)
    sphere(tmp_path / "z" / "deep" / "ball.stl")
    for i, to in enumerate((".", "z", "z/deep", "nowhere")):
        (tmp_path / f"link{i}").symlink_to(tmp_path / to)
    (tmp_path / "z" / "deep" / "up").symlink_to(tmp_path / "z")
    (tmp_path / "again.stl").symlink_to(tmp_path / "z" / "deep" / "ball.stl")
    assert mesh_files(tmp_path) == [tmp_path / "z" / "deep" / "ball.stl"]
    assert mesh_files(tmp_path / "link1") == [tmp_path / "link1" / "deep" / "ball.stl"]


def test_links_to_other_folders_are_followed_once(tmp_path):
    (tmp_path / "store").mkdir()
    sphere(tmp_path / "store" / "ball.stl")
    (tmp_path / "root").mkdir()
    for name in ("b", "a"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "store")
    assert mesh_files(tmp_path / "root") == [tmp_path / "root" / "a" / "ball.stl"]


def test_slices_are_data_sets_of_their_meshes(folder):
    whole = MeshNormals(folder, num_points=8, pool=8)
    some = whole[[13, 2]]
    assert some.names == ["boxes/3", "balls/2"]
    assert some.y.tolist() == [1, 0]
    for i, k in enumerate((13, 2)):
        assert torch.equal(stored(some).pos[i], whole[k].pos)
    assert torch.equal(stored(some).surface, torch.full((2, 8), SURFACES.index("other"), dtype=torch.uint8))


def test_items(folder):
    dataset = MeshNormals(folder, num_points=64, pool=128)
    assert dataset.families == ["balls", "boxes"]
    assert len(dataset) == 20
    item = dataset[13]
    assert item.y.tolist() == [1]
    assert dataset.names[13] == "boxes/3"
    assert item.pos.shape == item.normal.shape == (64, 3)
    assert item.surface.tolist() == [SURFACES.index("other")] * 64
    assert Batch.from_data_list([dataset[0], item]).y.tolist() == [0, 1]


def test_fresh_points_are_others(folder):
    fixed, fresh = (MeshNormals(folder, fresh=f, num_points=64, pool=128) for f in (False, True))
    assert torch.equal(fixed[0].pos, fixed[0].pos)
    assert not torch.equal(fresh[0].pos, fresh[0].pos)
    assert MeshNormals(folder, "train").fresh
    assert not MeshNormals(folder, "test").fresh


def test_splits_are_disjoint_and_complete(folder):
    parts = {split: MeshNormals(folder, split).names for split in ("train", "val", "test")}
    assert sorted(name for names in parts.values() for name in names) == sorted(MeshNormals(folder).names)
    assert len(parts["train"]) > 10
    some = MeshNormals(folder, "train", num_parts=6)
    assert set(some.names) < set(parts["train"])
    assert some.y.unique().tolist() == [0, 1]
    assert some.families == ["balls", "boxes"]


def test_cache_is_used_and_renewed(folder, monkeypatch):
    first = MeshNormals(folder, num_points=8, pool=8)[0].pos
    monkeypatch.setattr("fa_pyg.datasets.clouds.mesh_pools.sample_mesh", None)
    assert torch.equal(MeshNormals(folder, num_points=8, pool=8)[0].pos, first)
    monkeypatch.undo()
    cache = next((folder / "processed").glob("*.pt"))
    cache.write_bytes(cache.read_bytes()[:-50])
    with pytest.warns(UserWarning, match=cache.name):
        assert torch.equal(MeshNormals(folder, num_points=8, pool=8)[0].pos, first)
    trimesh.creation.icosphere(2).export(folder / "balls" / "0.stl")
    assert not torch.equal(MeshNormals(folder, num_points=8, pool=8)[0].pos, first)


def test_folder_without_meshes(tmp_path):
    with pytest.raises(ValueError, match=r"root: expected a folder with meshes .* found none"):
        MeshNormals(tmp_path / "nothing")


@pytest.fixture
def abc(tmp_path):
    for i in range(30):
        trimesh.creation.box((1, 1, 1 + i)).export(tmp_path / f"00000{i:02d}_model_512.obj")
    return tmp_path


def write_splits(folder, **parts):
    for part, numbers in parts.items():
        names = [f"00000{i:02d}_model_512" for i in numbers]
        (folder / f"{part}.json").write_text(json.dumps({"scans": {"all": names}}))


def test_abc_reads_the_published_splits(abc, tmp_path_factory):
    other = tmp_path_factory.mktemp("splits")
    write_splits(other, train=range(25), test=range(25, 28))
    test = ABCNormals(abc, "test", splits=other, pool=32, num_points=16)
    assert test.names == [f"00000{i}_model_512" for i in (25, 26, 27)]
    train, val = (
        ABCNormals(abc, part, splits=other, pool=32, num_points=16).names for part in ("train", "val")
    )
    assert sorted(train + val) == [f"00000{i:02d}_model_512" for i in range(25)]
    assert 0 < len(val) < 8
    assert test[0].y.tolist() == [0]
    write_splits(abc, train=[1], test=[2])
    assert ABCNormals(abc, "test", pool=32, num_points=16).names == ["0000002_model_512"]


def test_abc_without_splits_tests_on_a_fifth(abc):
    names = {part: ABCNormals(abc, part, pool=8, num_points=8).names for part in ("train", "val", "test")}
    assert sorted(name for part in names.values() for name in part) == [
        f"00000{i:02d}_model_512" for i in range(30)
    ]
    assert 2 <= len(names["test"]) <= 12


@pytest.mark.parametrize("text", ["", "[1]", '{"scans": ["a"]}', '{"scans": {"all": [3]}}', 10**5 * "["])
def test_abc_names_a_split_file_of_another_form(abc, text):
    write_splits(abc, train=[1], test=[2])
    (abc / "test.json").write_text(text)
    with pytest.raises(ValueError, match=r"test.json: expected"):
        ABCNormals(abc)


def test_abc_counts_missing_meshes(abc):
    write_splits(abc, train=[1, 40, 41], test=[2])
    with pytest.raises(ValueError, match=r"train.json: .* found 2 without a file: 0000040_model_512"):
        ABCNormals(abc)


@pytest.mark.parametrize(
    ("train", "test", "found"),
    [([1, 3, 1], [2], r"train.json: .* found 0000001_model_512 twice"),
     ([1, 3], [2, 5, 2], r"test.json: .* found 0000002_model_512 twice"),
     ([1, 2, 3], [4, 3], r"test.json: .* train.json, found 0000003_model_512")],
)  # fmt: skip
def test_abc_refuses_repeated_names(abc, train, test, found):
    write_splits(abc, train=train, test=test)
    with pytest.raises(ValueError, match=found):
        ABCNormals(abc)


def test_abc_refuses_two_meshes_of_a_name(abc):
    (abc / "more").mkdir()
    sphere(abc / "more" / "0000001_model_512.obj")
    expected = r"root: expected one mesh of a name, found \S+0000001_model_512.obj and \S+more/0000001_model"
    with pytest.raises(ValueError, match=expected):
        ABCNormals(abc)
    write_splits(abc, train=[0, 1], test=[2])
    with pytest.raises(ValueError, match=expected):
        ABCNormals(abc, "test")
    write_splits(abc, train=[0], test=[2])
    assert ABCNormals(abc, "test", pool=8, num_points=8).names == ["0000002_model_512"]


@pytest.fixture
def pcpnet(tmp_path):
    """Files in the layout of PCPNet, of two shapes of 300 points."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for part in ("train", "test"):
        names = PCPNetDataset.category_files_train if part == "train" else PCPNetDataset.category_files_test
        (raw / names["NoNoise"]).write_text("one\ntwo\n")
    for name in ("one", "two"):
        pos = torch.nn.functional.normalize(torch.randn(300, 3))
        for suffix, value in {"xyz": pos, "normals": pos * 1.01, "curv": torch.ones(300, 2)}.items():
            rows = (" ".join(map(str, row)) for row in value.tolist())
            (raw / f"{name}.{suffix}").write_text("".join(f"{row}\n" for row in rows))
        (raw / f"{name}.pidx").write_text("".join(f"{i}\n" for i in range(0, 300, 3)))
    return tmp_path


def test_pcpnet(pcpnet):
    dataset = PCPNetDataset(pcpnet, "NoNoise", "train", transform=PCPNetToCloud(50))
    item = dataset[1]
    assert torch.allclose(item.normal, item.pos, atol=1e-5)
    assert {key: list(value.shape) for key, value in item.to_dict().items()} == {
        "pos": [50, 3], "normal": [50, 3], "curvature": [50, 2], "surface": [50], "y": [1],
    }  # fmt: skip
    assert not torch.equal(dataset[1].pos, item.pos)
    raw = PCPNetDataset(pcpnet, "NoNoise", "train")[1]
    listed = PCPNetToCloud(20, fresh=False, listed=True)(raw)
    assert torch.equal(listed.pos, raw.pos[::3][::5])
    assert len(PCPNetToCloud(None)(raw).pos) == 300


def test_pcpnet_refuses_other_items():
    with pytest.raises(ValueError, match="data: expected an item of PCPNetDataset"):
        PCPNetToCloud()(Data(pos=torch.zeros(5, 3)))
    with pytest.raises(ValueError, match="num_points: expected at most 5"):
        PCPNetToCloud(6)(Data(pos=torch.zeros(5, 3), x=torch.zeros(5, 5)))


@pytest.mark.parametrize(
    ("name", "options"),
    [("num_points", {"num_points": 0}), ("num_points", {"num_points": 5000}), ("split", {"split": "dev"}),
     ("on_error", {"on_error": "ignore"}), ("pool", {"pool": math.inf}), ("num_parts", {"num_parts": 0})],
)  # fmt: skip
def test_bad_arguments_are_named(folder, name, options):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        MeshNormals(folder, **options)
