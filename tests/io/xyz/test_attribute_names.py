"""Names that PyG or Python would read something into: kept under safe names, the same in every reader."""

import warnings

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.data.storage import GlobalStorage
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import XYZ, LazyXYZ, OnDiskXYZ, Table, XYZStream, read_xyz
from fa_pyg.io.xyz.attribute_names import is_free, rename

HEAD = "Properties=species:S:1:pos:R:3"
OWN = {"z", "pos", "cell", "pbc", "num_nodes", "comment", "source"}
NAMES = {
    "x": "x_",
    "batch": "group",
    "ptr": "ptr_",
    "num_nodes": "num_nodes_",
    "num_edges": "num_bonds",
    "edge_index": "bond_idx",
    "edge_attr": "bond_attr",
    "edge_weight": "bond_weight",
    "face": "face_",
    "pos": "pos_",
    "z": "z_",
    "cell": "cell_",
    "comment": "comment_",
    "source": "source_",
    "self": "self_",
    "cls": "cls",
    "place": "place",
    "keys": "keys_",
    "values": "values_",
    "y": "y",
    "time": "time",
    "_a": "a",
    "__class__": "class__",
    "_store": "store",
    "to": "to_",
    "cpu": "cpu_",
    "is_cuda": "is_cuda_",
    "validate": "validate_",
    "stores": "stores_",
    "to_data_list": "to_data_list_",
    "adj": "adj_",
    "adj_t": "adj_t_",
    "node_type": "node_type_",
    "n_id": "n_id_",
    "e_id": "e_id_",
    "feat": "feat_",
    "my_index": "my_idx",
    "pos_batch": "pos_group",
    "surface": "surface",
    "charge": "charge",
    "E-dft": "E-dft",
    "grün": "grün",
    "select": "select",
    "a.b": "a.b",
}


def text(comment, columns="", more=""):
    return f"2\n{HEAD}{columns} {comment}\nO 0 0 0{more}\nH 0 0 1{more}\n"


def readers(path, root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {
            "read_xyz": read_xyz(path),
            "XYZ": list(XYZ(path)),
            "LazyXYZ": list(LazyXYZ(path)),
            "XYZStream": list(XYZStream(path)),
            "OnDiskXYZ": list(OnDiskXYZ(root, path)),
        }


def check(data, atoms=2):
    assert data.num_nodes == data["num_nodes"] == atoms
    assert data.num_edges == 0
    batch = Batch.from_data_list([data, data])
    assert batch.num_nodes == 2 * atoms
    assert batch.batch.tolist() == [0] * atoms + [1] * atoms
    for name, value in data:
        assert getattr(data, name) is value or getattr(data, name) == value
        if isinstance(value, torch.Tensor):
            assert torch.equal(batch[name], torch.cat([value, value]))


@pytest.mark.parametrize("name", NAMES)
def test_every_reader_keeps_it_under_the_same_safe_name(tmp_path, name):
    path = tmp_path / "a.xyz"
    path.write_text(text(f"{name}=5 before=1") + text(f"{name}=6 before=2"), encoding="utf-8")
    for reader, found in readers(path, tmp_path / "root").items():
        assert [data[NAMES[name]].tolist() for data in found] == [[5], [6]], reader
        assert [set(data.keys()) for data in found] == 2 * [OWN | {NAMES[name], "before"}], reader
        for data in found:
            check(data)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("z", "pos", "a.b", "E-dft")])
def test_columns_too(tmp_path, name):
    path = tmp_path / "a.xyz"
    path.write_text(2 * text("", f":{name}:I:1", " 5"), encoding="utf-8")
    safe = name if name in ("x", "feat", "node_type", "n_id") else NAMES[name]
    for reader, found in readers(path, tmp_path / "root").items():
        assert [data[safe].tolist() for data in found] == [[5, 5], [5, 5]], reader
        for data in found:
            check(data)


def test_names_that_become_equal(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(text("_a=1 a=2 A=3 __a=4 index=5 idx=6 x=7 x_=8 charge=9", ":charge:I:1", " 5"))
    for reader, (data,) in readers(path, tmp_path / "root").items():
        found = {name: value.tolist() for name, value in data if name not in {*OWN}}
        numbers = {"a": [2], "A": [3], "a_": [1], "a__": [4], "idx": [6], "idx_": [5], "x_": [8], "x__": [7]}
        assert found == numbers | {"charge": [9], "charge_": [5, 5]}, reader


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_keys_does_not_decide(order):
    names = ["index", "idx", "_idx", "batch", "group"][::order]
    found = rename(names, of_atoms=False)
    assert (found["idx"], found["group"]) == ("idx", "group")
    assert len(set(found.values())) == 5


def test_all_of_pyg():
    """Whatever `Data`, its batches and their storage have is not hidden by an attribute."""
    names = {name for owner in (Data, Batch, GlobalStorage) for name in dir(owner)} - {"x", "y", "time"}
    found = rename(names, of_atoms=False)
    assert len(set(found.values())) == len(names)
    assert not any(hasattr(owner, name) for owner in (Data, Batch, GlobalStorage) for name in found.values())


def test_a_key_of_the_file_is_found_as_a_target(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(text("my_index=5 self=6 x=7 batch=8"))
    (data,) = read_xyz(path, targets={"a": "my_index", "b": "self", "c": "x", "d": "group"})
    assert [data[name].tolist() for name in "abcd"] == [[5], [6], [7], [8]]
    assert not {"my_idx", "self_", "x_", "group"} & set(data.keys())


def test_nodes_are_counted_whatever_the_target_is_called(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("2\nx=3 y=4\nO 0 0 0\nH 0 0 1\n" * 2)
    dataset = XYZ(path, targets=["x", "y"])
    assert next(iter(DataLoader(dataset, batch_size=2))).batch.tolist() == [0, 0, 1, 1]
    assert [data.num_nodes for data in dataset] == [2, 2]


@pytest.mark.parametrize(
    "name", ["batch", "edge_index", "self", "num_nodes", "to", "_a", "cell", "place holder"]
)
def test_users_may_not_choose_them(tmp_path, name):
    path = tmp_path / "a.xyz"
    path.write_text("1\na=3\nO 0 0 0 5\n")
    with pytest.raises(ValueError, match="targets: expected"):
        read_xyz(path, targets={name: "a"})
    with pytest.raises(ValueError, match="columns: expected"):
        read_xyz(path, columns={name: 1})
    (tmp_path / "t.csv").write_text(f"index,{name}\n0,5\n")
    with pytest.raises(ValueError, match=r"t\.csv, line 1: expected a name that is free.*, found the name"):
        XYZ(path, table=Table(tmp_path / "t.csv"))
    assert not is_free(name)


def test_a_table_does_not_count_nodes(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("2\n\nO 0 0 0\nH 0 0 1\n")
    (tmp_path / "t.csv").write_text("index,x\n0,5\n")
    with pytest.raises(ValueError, match=r"t\.csv, line 1: expected .* is free.*, found the name 'x'"):
        XYZ(path, table=tmp_path / "t.csv")


def test_a_long_value_and_many_keys(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(text(f"long={'a' * 1_000_000} " + " ".join(f"k{i}={i}" for i in range(900))))
    for reader, (data,) in readers(path, tmp_path / "root").items():
        assert (len(data.long), data.k899.tolist()) == (1_000_000, [899]), reader
