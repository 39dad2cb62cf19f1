"""Caches of generated data sets, damaged, exchanged or planted: named and made again, never believed."""

import json
import os
import pickle
import random
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from fa_pyg.datasets import EXPLike, GRAPH8c, NBody
from fa_pyg.datasets.xtb.parts import Parts, check_graphs
from fa_pyg.files.checked_json import DamagedFile
from fa_pyg.files.tensors import load, save

SMALL = {"num_particles": 3, "length": 300, "input_frame": 0, "target_frame": 1, "log": False}
MAKERS = {
    "NBody": lambda root, size=2: NBody(root, "train", size, **SMALL),
    "GRAPH8c": lambda root, size=4: GRAPH8c(root, size, log=False),
    "EXPLike": lambda root, size=2: EXPLike(root, size),
}


def made(kind, root, *size):
    dataset = MAKERS[kind](root, *size)
    return dataset, Path(dataset.processed_paths[0])


def equal(one, other):
    assert len(one) == len(other)
    for name, value in one._data:
        assert value.dtype == other._data[name].dtype
        assert torch.equal(value, other._data[name])


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def damages(path):
    data = path.read_bytes()
    yield from (data[: len(data) * part // 4] for part in range(4))
    payload = data.index(b"/data/")  # of the first tensor
    for i in range(payload + 200, len(data) - 400, max(1, len(data) // 12)):
        yield data[:i] + bytes([data[i] ^ 0xFF]) + data[i + 1 :]
    yield from (b"{}", b"PK\3\4", random.Random(0).randbytes(len(data)), pickle.dumps(Bomb()))


@pytest.mark.parametrize("kind", MAKERS)
def test_damage_is_named_and_mended(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    whole, path = made(kind, tmp_path)
    seen = []
    for data in damages(path):
        path.write_bytes(data)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            equal(MAKERS[kind](tmp_path), whole)
        assert all(
            f"{path.name}: expected a file as it was written, found" in str(one.message) for one in caught
        )
        seen.append(bool(caught))
    assert seen.count(False) <= 3  # between the records of the archive lies padding
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        equal(MAKERS[kind](tmp_path), whole)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("kind", MAKERS)
def test_other_contents_do_not_pass(tmp_path, kind):
    """Of another size, type or shape, of another version, of another data set; also under the right name."""
    whole, path = made(kind, tmp_path)
    found = load(path)
    about = found.pop("about")
    key = next(iter(found))
    odd = [
        {},
        found,  # the layout of earlier versions
        {**found, "about": "other/name.pt"},
        {**found, "about": about, key: found[key].double()},
        {**found, "about": about, key: found[key][1:]},
        {**found, "about": about, key: found[key][None]},
        {**found, "about": about, key: found[key].tolist()},
        {**found, "about": about, key: torch.zeros(0)},
        {name: value for name, value in found.items() if name != key} | {"about": about},
        [found],
        found[key],
    ]
    for content in odd:
        torch.save(content, path)
        with pytest.warns(UserWarning, match=f"{path.name}: expected .*, found .*made again"):
            equal(MAKERS[kind](tmp_path), whole)
    torch.save({**found, "about": about}, path, _use_new_zipfile_serialization=False)
    with pytest.warns(UserWarning, match=f"{path.name}: expected .*, found .*made again"):
        equal(MAKERS[kind](tmp_path), whole)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_file_of_another_size_does_not_pass(tmp_path, kind):
    whole, path = made(kind, tmp_path)
    _, other = made(kind, tmp_path, 3)
    shutil.copy2(other, path)
    with pytest.warns(UserWarning, match=f"{path.name}: expected .*, found the content of another file"):
        equal(MAKERS[kind](tmp_path), whole)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_link_or_a_folder_in_its_place(tmp_path, kind):
    whole, path = made(kind, tmp_path / "data")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.unlink()
    path.symlink_to(victim)
    with pytest.warns(UserWarning, match=f"{path.name}: expected .*, found"):
        equal(MAKERS[kind](tmp_path / "data"), whole)
    assert (victim.read_text(), path.is_symlink()) == ("precious", False)
    path.unlink()
    path.mkdir()
    (path / "mine").write_text("precious")
    with pytest.warns(UserWarning, match=f"{path.name}: cannot be written .*found a folder"):
        equal(MAKERS[kind](tmp_path / "data"), whole)
    assert (path / "mine").read_text() == "precious"


@pytest.mark.parametrize("kind", MAKERS)
def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch, kind):
    whole, _ = made(kind, tmp_path / "data")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "makedirs", refuse)
    with pytest.warns(UserWarning, match="cannot be written .*Permission denied"):
        equal(MAKERS[kind](tmp_path / "other"), whole)
    (tmp_path / "file").touch()
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="cannot be written"):
        equal(MAKERS[kind](tmp_path / "file"), whole)


# -- parts of labelled geometries


def part(count=2):
    pos = torch.arange(9.0 * count, dtype=torch.float64).view(-1, 3)
    zeros = torch.zeros(count, dtype=torch.float64)
    return {
        "sizes": torch.full((count,), 3),
        "z": torch.ones(3 * count, dtype=torch.long),
        "pos": pos,
        "forces": pos + 1,
        "energy": zeros,
        "dipole": zeros[:, None].expand(-1, 3).clone(),
    }


def taken(found):
    check_graphs(found["graphs"])


@pytest.fixture
def parts(tmp_path):
    parts = Parts(tmp_path / "folder", {"seed": 0})
    parts.begin({"xtb": "1"})
    for number in range(2):
        parts.save(f"part{number:04d}", {"graphs": part(2 + number)})
    return parts


def again(parts, **settings):
    return Parts(parts.folder, {"seed": 0, **settings})


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": torch.tensor([3, 4])},
        {"sizes": torch.tensor([6, 0])},
        {"sizes": torch.tensor([7, -1])},
        {"sizes": torch.tensor([3.0, 3.0])},
        {"pos": torch.zeros(6, 3)},
        {"pos": torch.zeros(6, 2, dtype=torch.float64)},
        {"pos": torch.full((6, 3), torch.nan, dtype=torch.float64)},
        {"z": torch.ones(6, dtype=torch.int32)},
        {"energy": torch.zeros(1, dtype=torch.float64)},
        {"energy": None},
        {"unknown": torch.zeros(2)},
        {"sizes": None},
    ],
)
def test_parts_that_do_not_fit_together(parts, change):
    found = parts.load("part0000", taken)
    torch.save({**found, "graphs": {**found["graphs"], **change}}, parts.path("part0000"))
    with pytest.warns(UserWarning, match=r"part0000\.pt: expected .*, found not a part .*made again"):
        assert parts.load("part0000", taken) is None
    assert "part0000" not in parts
    parts.save("part0000", found)
    assert parts.load("part0000", taken) is not None


def test_parts_of_earlier_versions_are_taken(parts):
    found = parts.load("part0000", taken)
    torch.save({"graphs": found["graphs"]}, parts.path("part0000"))
    assert parts.load("part0000", taken) is not None


def test_a_part_of_another_place_is_not_taken(parts, tmp_path):
    other = Parts(tmp_path / "other", {"seed": 1})
    other.begin({"xtb": "1"})
    other.save("part0000", {"graphs": part()})
    for source in (other.path("part0000"), parts.path("part0001")):
        shutil.copy2(source, parts.path("part0000"))
        with pytest.warns(UserWarning, match=r"part0000\.pt: expected .*, found the content of another file"):
            assert again(parts).load("part0000", taken) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"settings": {"seed": 1}, "versions": {}}', "[" * 10**5]
)
def test_an_odd_description(parts, text):
    """Nothing is believed then; nothing is removed until it can be made again, and only what is ours."""
    (parts.folder / "mine.pt").write_text("precious")
    parts.about.write_text(text)
    with pytest.warns(UserWarning, match=r"about\.json: expected .*, found .*made again"):
        new = again(parts)
    assert "part0000" not in new
    assert new.load("part0000", taken) is None
    assert os.path.exists(parts.path("part0000"))
    new.begin({"xtb": "1"})
    assert sorted(os.listdir(parts.folder)) == ["about.json", "mine.pt"]
    assert json.loads(parts.about.read_text())["settings"] == {"seed": 0}


def test_other_settings_are_other_parts(parts):
    assert again(parts).load("part0000", taken) is not None
    with pytest.warns(UserWarning, match="other settings"):
        assert again(parts, seed=1).load("part0000", taken) is None


def test_files_say_their_names(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    save(tmp_path / "a" / "x.pt", {"one": torch.ones(2)})
    shutil.move(tmp_path / "a", tmp_path / "b" / "a")  # as a whole it may be moved
    assert torch.equal(load(tmp_path / "b" / "a" / "x.pt")["one"], torch.ones(2))
    shutil.copy(tmp_path / "b" / "a" / "x.pt", tmp_path / "b" / "a" / "y.pt")
    with pytest.raises(DamagedFile, match="another file"):
        load(tmp_path / "b" / "a" / "y.pt")
