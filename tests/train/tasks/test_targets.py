"""Targets by name and unit, of one molecule and of all, and which molecule is wrong."""

import pytest
import torch
from torch_geometric.data import Batch, Data

from fa_pyg.train.tasks.cells import cells
from fa_pyg.train.tasks.molecules_on_disk import MoleculesOnDisk
from fa_pyg.train.tasks.targets import Targets


def molecule(n, **changes):
    values = {
        "z": torch.ones(n, dtype=torch.long),
        "pos": torch.randn(n, 3),
        "y": torch.randn(1, 4),
        "forces": torch.randn(n, 3),
        "source": f"a.xyz:{n}",
    }
    return Data(**values | changes)


def test_of_one_molecule_and_of_all_are_the_same():
    targets = Targets(("homo", "push"), {"homo": "y:2", "push": "forces"}, {"push": 3.0})
    molecules = [molecule(n) for n in (2, 1, 4)]
    whole = targets.of(Batch.from_data_list(molecules))
    parts = [targets.of(one, place) for place, one in enumerate(molecules)]
    assert torch.equal(whole["homo"], torch.stack([one.y[0, 2] for one in molecules]))
    assert torch.equal(whole["push"], 3 * torch.cat([one.forces for one in molecules]))
    for name, value in whole.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), value)


@pytest.mark.parametrize("value", [1.5, torch.tensor(1.5), torch.tensor([1.5])])
def test_a_bare_number_is_one_of_the_molecule(value):
    assert Targets(("e",)).of(molecule(2, e=value), 0)["e"].tolist() == [1.5]


@pytest.mark.parametrize("name", ["y", "forces"])
def test_the_molecule_with_a_bad_number_is_named(name):
    bad = molecule(4)
    bad[name][-1, 1] = float("nan")
    with pytest.raises(ValueError, match=rf"found others in '{name}' of molecule 2 \(a.xyz:4\)"):
        Targets((name,)).of(Batch.from_data_list([molecule(2), molecule(3), bad, molecule(5)]))
    with pytest.raises(ValueError, match=rf"found others in '{name}' of molecule 17 \(a.xyz:4\)"):
        Targets((name,)).of(bad, 17)
    del bad["source"]
    with pytest.raises(ValueError, match=r"of molecule 17$"):
        Targets((name,)).of(bad, 17)


def test_what_is_not_there_or_of_another_shape_is_named():
    with pytest.raises(
        ValueError, match=r"expected 'e' for 'energy' in molecule 3 \(a.xyz:2\), found forces"
    ):
        Targets(("energy",), {"energy": "e"}).of(molecule(2), 3)
    wrong = r"expected 1 or 2 rows of 'dipole' in molecule 3 \(a.xyz:2\), found \[3\]"
    with pytest.raises(ValueError, match=wrong):
        Targets(("dipole",)).of(molecule(2, dipole=torch.ones(3)), 3)


@pytest.mark.parametrize("column", ["4", "-5", "two"])
def test_a_column_that_is_not_there_is_named(column):
    with pytest.raises(ValueError, match=rf"attributes: expected a column of \[1, 4\], found 'y:{column}'"):
        Targets(("homo",), {"homo": f"y:{column}"}).of(molecule(2), 0)


def test_molecules_on_disk_may_have_known_elements_only():
    graphs = MoleculesOnDisk([molecule(2), molecule(3)], torch.tensor([1, 0]), Targets(("forces",)))
    graphs.known = torch.zeros(119, dtype=torch.bool)
    graphs.known[1] = True
    assert graphs[0].num_nodes == 3
    graphs.dataset[0].z[1] = 79
    with pytest.raises(ValueError, match=r"num_fitted: .*found Au in molecule 0 \(a.xyz:2\)"):
        graphs[1]


def test_molecules_on_disk_have_what_is_trained_on():
    box = {"cell": torch.eye(3)[None], "pbc": torch.tensor([[True, False, False]])}
    molecules = [molecule(2), molecule(3, **box), molecule(4, **box | {"pbc": torch.zeros(1, 3).bool()})]
    chosen = MoleculesOnDisk(molecules, torch.tensor([2, 1]), Targets(("y",)))
    assert len(chosen) == 2
    assert [sorted(one.keys()) for one in (chosen[0], chosen[1])] == [
        ["pos", "y", "z"],
        ["cell", "pbc", "pos", "y", "z"],
    ]
    together = chosen.read_together([0, 1])
    assert [one.pbc.tolist() for one in together] == [[[False] * 3], [[True, False, False]]]
    assert not together[0].cell.any()
    assert [sorted(one.keys()) for one in chosen.read_together([0])] == [["pos", "y", "z"]]
    assert torch.equal(chosen[0].pos, molecules[2].pos)


@pytest.mark.parametrize("shape", [True, False])
def test_boxes_have_the_shape_that_batches_ask_for(shape):
    """However a data set has it; where nothing is periodic there is none."""
    cell, pbc = 3 * torch.eye(3), torch.tensor([True, True, False])
    given = {"cell": cell[None], "pbc": pbc[None]} if shape else {"cell": cell, "pbc": pbc.long()}
    one, other = cells(molecule(2, **given), 0), cells(molecule(2), 0)
    assert torch.equal(one["cell"], cell[None])
    assert torch.equal(one["pbc"], pbc[None])
    assert other == {}
    whole = cells(Batch.from_data_list([molecule(2, **given), molecule(1, **given)]))
    assert torch.equal(whole["cell"], torch.stack([cell, cell]))
    assert torch.equal(whole["pbc"], torch.stack([pbc, pbc]))


def test_boxes_that_are_half_known_are_named():
    cell, pbc = torch.eye(3)[None], torch.ones(1, 3) > 0
    with pytest.raises(ValueError, match=r"^cell: expected one in molecule 4 \(a.xyz:2\), found none"):
        cells(molecule(2, pbc=pbc), 4)
    with pytest.raises(ValueError, match=r"^pbc: expected one in molecule 4 \(a.xyz:2\), found none"):
        cells(molecule(2, cell=cell), 4)
    both = Batch.from_data_list([molecule(2, cell=0 * cell), molecule(3, cell=cell)])
    with pytest.raises(ValueError, match=r"^pbc: expected one in molecule 1 \(a.xyz:3\), found none"):
        cells(both)
    assert cells(molecule(2, pbc=~pbc, cell=None), 0) == {}
    with pytest.raises(ValueError, match=r"^cell: expected \[1, 3, 3\] in molecule 4 .*, found \[1, 2, 3\]"):
        cells(molecule(2, pbc=pbc, cell=cell[:, :2]), 4)


@pytest.mark.parametrize("name", ["z", "pos", "cell", "pbc", "batch"])
def test_inputs_are_no_targets(name):
    with pytest.raises(
        ValueError, match=f"targets: expected other names than those of inputs, found '{name}'"
    ):
        Targets(("y", name))
