"""Mechanical parts as points: the shipped sample, splits, drawing, caches, damaged files."""

import json
import shutil

import numpy as np
import pytest
import torch
from torch_geometric.loader import DataLoader

from fa_pyg.cad import SURFACES
from fa_pyg.cad.families import load_families
from fa_pyg.datasets import CADNormals
from fa_pyg.datasets.clouds.cad import SHIPPED
from fa_pyg.datasets.clouds.cad_splits import SPLITTINGS, TEST, VAL, split_of
from fa_pyg.files.checked_json import write_checked_json
from fa_pyg.train.tasks.clouds_sources import stored

PARTS = ("train", "val", "test")
NUT = {"family": "hex_nut", "index": 0}


@pytest.fixture
def root(tmp_path):
    """Returns a folder that was built, without its cache."""
    return shutil.copytree(SHIPPED, tmp_path / "parts")


@pytest.fixture
def file(root):
    return root / "hex_nut/00000.npz"


def rewrite(path, **changes):
    with np.load(path) as found:
        arrays = dict(found)
    np.savez(
        path,
        **{key: change(arrays[key]) for key, change in changes.items()}
        | {key: arrays[key] for key in arrays.keys() - changes.keys()},
    )


def test_the_shipped_parts():
    everything = CADNormals(split=None, shipped=True)
    assert len(everything) == 69
    assert len(everything.families) == everything.num_classes == 23
    assert everything.surfaces == SURFACES
    assert all(path.stat().st_size < 2**20 for path in SHIPPED.rglob("*") if path.is_file())
    data = everything[0]
    assert data.pos.shape == data.normal.shape == (512, 3)
    assert data.surface.shape == (512,)
    assert (data.pos.dtype, data.surface.dtype) == (torch.float32, torch.int64)
    assert everything.names[0].startswith(everything.families[int(data.y)])


@pytest.mark.parametrize("split", PARTS)
def test_every_shipped_split_has_all_kinds_of_surfaces(split):
    parts = CADNormals(split=split, shipped=True)
    assert set(parts.surface.unique().tolist()) == set(range(len(SURFACES)))
    assert len(parts) >= 10


def test_kinds_and_normals_belong_to_the_points():
    parts = CADNormals(split=None, shipped=True, num_points=1024)
    by_name = dict(zip(parts.names, parts, strict=True))
    ring = by_name["o_ring-0"]
    assert (ring.surface == SURFACES.index("torus")).all()
    minor = (ring.pos[:, 2].max() - ring.pos[:, 2].min()) / 2
    center = ring.pos - minor * ring.normal  # on a circle
    assert center[:, 2].std() < 1e-2 * minor
    assert center[:, :2].norm(dim=1).std() < 1e-2 * minor
    washer = by_name["plain_washer-0"]
    assert set(washer.surface.unique().tolist()) <= {0, 1, 2}
    flat = washer.surface == 0
    assert (washer.normal[flat][:, 2].abs() - 1).abs().max() < 1e-6
    assert washer.normal[~flat][:, 2].abs().max() < 1


def test_families_are_whole_and_published():
    families = load_families()
    assert {*VAL, *TEST} <= families.keys()
    assert not {*VAL} & {*TEST}
    seen = {split: CADNormals(split=split, shipped=True).parts for split in PARTS}
    found = {split: {part.family for part in parts} for split, parts in seen.items()}
    assert not found["train"] & found["val"] | found["train"] & found["test"] | found["val"] & found["test"]
    assert set.union(*found.values()) == set(CADNormals(shipped=True).families)


def test_random_splits_share_families_but_no_part():
    names = [CADNormals(split=split, splitting="random", shipped=True).names for split in PARTS]
    assert sorted([*names[0], *names[1], *names[2]]) == sorted(CADNormals(split=None, shipped=True).names)
    found = [split_of("gear", k, "random") for k in range(500)]
    blocks = [found[k : k + 10] for k in range(0, 500, 10)]
    assert all([block.count(split) for split in PARTS] == [8, 1, 1] for block in blocks)
    assert len({tuple(block) for block in blocks}) > 20
    assert found != [split_of("worm", k, "random") for k in range(500)]


@pytest.mark.parametrize("splitting", SPLITTINGS)
def test_more_parts_move_none(root, splitting):
    index = json.loads((root / "index.json").read_text())
    before = {split: CADNormals(root, split, splitting=splitting).names for split in PARTS}
    fewer = {key: value for key, value in index.items() if key != "sha256"}
    fewer["parts"] = [part for part in fewer["parts"] if part["index"] < 2]
    write_checked_json(root / "index.json", fewer)
    for split in PARTS:
        names = CADNormals(root, split, splitting=splitting).names
        assert names == [name for name in before[split] if name in {*names}]
        assert len(names) < len(before[split])


def test_fresh_points_are_drawn_at_each_access():
    fresh, fixed = (CADNormals(split="train", shipped=True, fresh=fresh) for fresh in (True, False))
    assert not torch.equal(fresh[0].pos, fresh[0].pos)
    assert torch.equal(fixed[0].pos, fixed[0].pos)
    assert torch.equal(fixed[0].pos, fixed.pos[0, :512])
    drawn = fresh[0]
    pool = {tuple(row) for row in torch.cat([fresh.pos[0], fresh.normal[0]], 1).tolist()}
    rows = {tuple(row) for row in torch.cat([drawn.pos, drawn.normal], 1).tolist()}
    assert len(rows) == 512  # none twice
    assert rows <= pool
    torch.manual_seed(1)
    first = fresh[3].pos
    torch.manual_seed(1)
    assert torch.equal(first, fresh[3].pos)
    assert [CADNormals(split=split, shipped=True).fresh for split in PARTS] == [True, False, False]


def test_the_first_parts_are_balanced():
    some = CADNormals(split="train", shipped=True, num_parts=14)
    assert len(some) == 14
    assert len({part.family for part in some.parts}) == 14
    assert len(some.families) == 23  # labels do not depend on it
    assert some.y.tolist() == CADNormals(split="train", shipped=True).y[:14].tolist()


def test_batches_and_transforms():
    def halved(data):
        data.pos = data.pos / 2
        return data

    parts = CADNormals(split="val", shipped=True, num_points=100, transform=halved)
    batch = next(iter(DataLoader(parts, 4)))
    assert batch.pos.shape == (400, 3)
    assert batch.y.shape == (4,)
    assert torch.equal(batch.pos[:100], parts.pos[0, :100] / 2)


def test_the_cache_gives_the_same_points(root, monkeypatch):
    made = CADNormals(root, "val")
    (cache,) = (root / "processed").iterdir()
    monkeypatch.setattr("fa_pyg.datasets.clouds.cad.read_parts", None)
    again = CADNormals(root, "val", num_parts=3)
    assert torch.equal(again.pos, made.pos[:3])
    assert len(again) == 3
    monkeypatch.undo()
    cache.write_bytes(cache.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=cache.name):
        assert torch.equal(CADNormals(root, "val").pos, made.pos)


def test_the_cache_is_renewed_with_the_files(root, file):
    before = CADNormals(root).pos
    shutil.copyfile(root / "hex_nut/00001.npz", file)
    changed = CADNormals(root)
    nuts = [changed.names.index(f"hex_nut-{i}") for i in (0, 1)]
    assert torch.equal(changed.pos[nuts[0]], changed.pos[nuts[1]])
    assert not torch.equal(before[nuts[0]], changed.pos[nuts[0]])
    file.unlink()
    with pytest.raises(ValueError, match=r"hex_nut/00000.npz: expected a part"):
        CADNormals(root)


@pytest.mark.parametrize("index", [slice(2, 5), slice(None, None, -3), [7, -1, 2], torch.tensor([3, 0]), []])
def test_slices_are_data_sets_of_their_parts(index):
    whole = CADNormals(split=None, shipped=True, fresh=False, num_points=8)
    some = whole[index]
    at = [*range(len(whole))][index] if isinstance(index, slice) else [int(i) % len(whole) for i in index]
    assert len(some) == len(at)
    assert some.names == [whole.names[i] for i in at]
    assert some.y.tolist() == [int(whole[i].y) for i in at]
    assert [torch.equal(some[k].pos, whole[i].pos) for k, i in enumerate(at)] == [True] * len(at)
    assert torch.equal(stored(some).pos, whole.pos[at])
    assert torch.equal(some[:2][1:].pos, whole.pos[at[1:2]])
    assert some.families == whole.families


def test_the_shipped_folder_is_not_written_to():
    before = sorted(SHIPPED.rglob("*"))
    CADNormals(shipped=True)
    assert sorted(SHIPPED.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda path: path.unlink(), "found no file"),
        (lambda path: path.write_bytes(b""), "expected a part as it was written"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "expected a part as it was written"),
        (
            lambda path: path.write_bytes(b"PK" + path.read_bytes()[:2000]),
            "expected a part as it was written",
        ),
        (lambda path: np.savez(path, pos=np.zeros(3)), "expected a part as it was written.*normal"),
        (
            lambda path: np.savez(path, **dict.fromkeys(("pos", "normal", "surface"), np.array([{}]))),
            "expected a part",
        ),
        (lambda path: rewrite(path, pos=lambda x: x[:7]), r"found pos as float32 \[7, 3\]"),
        (lambda path: rewrite(path, pos=lambda x: x.astype(float)), "found pos as float64"),
        (lambda path: rewrite(path, pos=lambda x: x * np.nan), "found points that are not finite"),
        (lambda path: rewrite(path, normal=lambda x: 2 * x), "found normals of other lengths"),
        (lambda path: rewrite(path, normal=lambda x: x * np.nan), "found normals of other lengths"),
        (lambda path: rewrite(path, surface=lambda x: x + 7), "found the kind"),
    ],
)
def test_damaged_parts_are_named(root, file, change, found):
    change(file)
    with pytest.raises(ValueError, match=rf"hex_nut/00000.npz: .*{found}"):
        CADNormals(root)
    assert not (root / "processed").exists()


def written(content):
    return lambda path: write_checked_json(path, content)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda path: path.write_text("{"), "found something else than JSON"),
        (
            lambda path: path.write_text(path.read_text().replace("hex_nut", "hex_net")),
            "or one that was changed",
        ),
        (written({"version": 1, "points": 1024, "parts": []}), "expected parts, found none"),
        (
            written({"version": 2, "points": 9, "parts": [NUT]}),
            "of version 1, found version 2",
        ),
        (written({"points": 9, "parts": [NUT]}), "found version None"),
        (written({"version": 1, "points": 9, "parts": [NUT, NUT]}), "each part once, found hex_nut-0 twice"),
        (written({"version": 1, "points": 9, "parts": [NUT, {**NUT, "area": 2}]}), "hex_nut-0 twice"),
        (written({"parts": []}), "expected an index of parts"),
        (written({"points": 1024, "parts": [1]}), "expected an index of parts"),
        (written({"points": "x", "parts": []}), "expected an index of parts"),
        (
            written({"points": 9, "parts": [{"family": "../etc", "index": 0}]}),
            "expected an index of parts.*family",
        ),
        (
            written({"points": 9, "parts": [{"family": "a", "index": -1}]}),
            "expected an index of parts.*index",
        ),
    ],
)
def test_other_indices_are_named(root, change, found):
    change(root / "index.json")
    with pytest.raises(ValueError, match=rf"index.json: .*{found}"):
        CADNormals(root)


def test_a_folder_without_parts_says_how_to_build_them(tmp_path):
    with pytest.raises(ValueError, match=r"root: .*fa-pyg build parts --root .*shipped=True"):
        CADNormals(tmp_path)


def test_a_package_without_its_shipped_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("fa_pyg.datasets.clouds.cad.SHIPPED", tmp_path / "cad")
    with pytest.raises(ValueError, match="shipped: expected the parts that come with fa_pyg, found no"):
        CADNormals(shipped=True)


def test_a_split_without_parts(root):
    index = json.loads((root / "index.json").read_text())
    index = {**index, "parts": [part for part in index["parts"] if part["family"] == "hex_nut"]}
    index.pop("sha256")
    write_checked_json(root / "index.json", index)
    with pytest.raises(ValueError, match="split: expected parts for 'test', found none"):
        CADNormals(root, "test")


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"split": "all"}, "split"),
        ({"splitting": "part"}, "splitting"),
        ({"num_points": 1025}, "num_points"),
        ({"num_points": 0}, "num_points"),
        ({"num_parts": 0}, "num_parts"),
        ({"fresh": 1}, "fresh"),
        ({"shipped": False}, "root"),
        ({"transform": 3}, "transform"),
    ],
)
def test_wrong_arguments(wrong, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        CADNormals(**{"shipped": True, **wrong})
