"""Edges of molecules: known bonds, agreement of two methods, and a search that has to be stopped."""

import copy
import pickle
import time
import warnings
from pathlib import Path

import ase.data
import pytest
import torch
from ase.build import molecule
from ase.collections import g2
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from fa_pyg.datasets import XYZ, CovalentBonds, RadiusGraph, RDKitBonds, read_xyz

MOLECULES = Path(__file__).parents[2] / "data" / "molecules"
# The number of bonds of each order, from the structural formulae.
ORDERS = {
    "acetamide": {1.0: 7, 2.0: 1},
    "acetylene": {1.0: 2, 3.0: 1},
    "allene": {1.0: 4, 2.0: 2},
    "benzene": {1.0: 6, 1.5: 6},
    "carbon_dioxide": {2.0: 2},
    "ethanol": {1.0: 8},
    "methane": {1.0: 4},
    "pyridine": {1.0: 5, 1.5: 6},
    "sulfur_hexafluoride": {1.0: 6},
    "thiophene": {1.0: 4, 1.5: 5},
}


@pytest.fixture(scope="module")
def rdkit_bonds():
    return RDKitBonds()


def data_of(name, dtype=torch.float32):
    atoms = molecule(name)
    return Data(
        z=torch.tensor(atoms.numbers).long(), pos=torch.tensor(atoms.positions, dtype=dtype), source=name
    )


def ammonium():
    data = data_of("CH4")
    data.z[0] = 7
    return data


def endless():
    """An azide with four sulfate groups, on which the search of RDKit does not end."""
    from rdkit import Chem
    from rdkit.Chem.AllChem import EmbedMolecule

    sulfate = "OS(=O)(=O)[O-]"
    mol = Chem.AddHs(Chem.MolFromSmiles(f"[N-]=[N+]=NCC1OC({sulfate})C({sulfate})C({sulfate})C1{sulfate}"))
    EmbedMolecule(mol, randomSeed=1)
    pos = torch.tensor(mol.GetConformer().GetPositions()).float()
    return Data(z=torch.tensor([a.GetAtomicNum() for a in mol.GetAtoms()]), pos=pos, source="endless")


@pytest.mark.parametrize("name", ORDERS)
def test_known_molecules(rdkit_bonds, name):
    (data,) = read_xyz(MOLECULES / f"{name}.xyz", edges=rdkit_bonds)
    assert data.bond_method == "rdkit"
    assert data.is_undirected()
    assert data.is_coalesced()
    assert not data.has_self_loops()
    assert data.edge_attr.shape == (data.num_edges, 1)
    values, counts = data.edge_attr.unique(return_counts=True)
    assert dict(zip(values.tolist(), (counts / 2).tolist(), strict=True)) == ORDERS[name]


def test_orders_belong_to_their_edges(rdkit_bonds):
    (data,) = read_xyz(MOLECULES / "pyridine.xyz", edges=rdkit_bonds, dtype=torch.float64)
    heavy = (data.z[data.edge_index] > 1).all(0)
    assert data.edge_attr[heavy].unique().tolist() == [1.5]
    assert data.edge_attr[~heavy].unique().tolist() == [1.0]
    assert data.edge_attr.dtype == torch.float64
    lengths = (data.pos[data.edge_index[0]] - data.pos[data.edge_index[1]]).norm(dim=1)
    assert lengths[heavy].min() > 1.3 > 1.2 > lengths[~heavy].max()


def test_covalent_radii_agree_with_rdkit_on_all_closed_shells_of_g2(rdkit_bonds):
    agreed = 0
    for name in g2.names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = rdkit_bonds(data_of(name))
        if data.bond_method == "rdkit":  # radicals and ions fall back
            assert torch.equal(data.edge_index, CovalentBonds()(data_of(name)).edge_index), name
            agreed += 1
    assert agreed > 100


def test_covalent_radii_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    pos = 8 * torch.rand(60, 3, generator=generator)
    z = torch.randint(1, 90, (60,), generator=generator)
    expected = [
        [i, j]
        for i in range(60)
        for j in range(60)
        if i != j
        and (pos[i] - pos[j]).double().norm()
        < 1.1 * (ase.data.covalent_radii[z[i]] + ase.data.covalent_radii[z[j]])
    ]
    data = CovalentBonds(scale=1.1)(Data(z=z, pos=pos))
    assert data.edge_index.T.tolist() == expected
    assert data.edge_attr.unique().tolist() == [1.0]
    assert data.bond_method == "covalent"


@pytest.mark.parametrize("edges", [RDKitBonds(), CovalentBonds()])
def test_one_atom_has_no_bonds(edges):
    data = edges(Data(z=torch.tensor([2]), pos=torch.zeros(1, 3)))
    assert data.edge_index.shape == (2, 0)
    assert data.edge_index.dtype == torch.int64
    assert data.edge_attr.shape == (0, 1)


def test_charge():
    assert RDKitBonds(charge=1)(ammonium()).bond_method == "rdkit"
    wrong = RDKitBonds(charge=0)
    with pytest.warns(UserWarning, match=r"CH4: expected bonds by RDKit at charge 0, .*CovalentBonds"):
        data = wrong(ammonium())
    assert (data.bond_method, data.num_edges) == ("covalent", 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the second time is only counted
        wrong(ammonium())
    assert len(wrong.fallbacks) == 2


def test_without_fallback_a_file_is_bad(tmp_path):
    (tmp_path / "a.xyz").write_text((MOLECULES / "water.xyz").read_text())
    (tmp_path / "b.xyz").write_text("1\n\nN 0 0 0\n4\n\nN 0 0 0\nH 1 0 0\nH 0 1 0\nH 0 0 1\n")
    edges = RDKitBonds(charge=-1, fallback=None)
    with pytest.raises(ValueError, match=r"b\.xyz:4: expected bonds by RDKit at charge -1"):
        read_xyz(tmp_path / "b.xyz", edges=edges)
    with pytest.raises(ValueError, match=r"2 of 2 files are bad"):
        XYZ(tmp_path, edges=edges)


def test_an_endless_search_is_stopped():
    bonds = RDKitBonds(time_limit=0.5)
    bonds(data_of("H2O"))  # starting the process does not count
    bonds.charge, start = -4, time.monotonic()
    with pytest.warns(UserWarning, match=r"endless: .*no answer within 0\.5 s"):
        data = bonds(endless())
    assert 0.5 <= time.monotonic() - start < 5
    assert (data.bond_method, data.num_edges) == ("covalent", 74)
    bonds.charge = 0
    assert bonds(data_of("H2O")).bond_method == "rdkit"  # by a new process


def test_a_dead_process_is_replaced_and_none_stays_behind(rdkit_bonds):
    bonds = RDKitBonds()
    bonds(data_of("H2O"))
    first = bonds._worker.process
    first.kill()
    first.wait()
    assert bonds(data_of("H2O")).bond_method == "rdkit"
    second = bonds._worker.process
    assert second.pid != first.pid
    del bonds
    assert second.poll() is not None


def test_copies_do_not_share_the_process(rdkit_bonds):
    rdkit_bonds(data_of("H2O"))
    for other in (copy.copy(rdkit_bonds), pickle.loads(pickle.dumps(rdkit_bonds))):
        assert other(data_of("CO2")).edge_attr.tolist() == [[2.0]] * 4
    assert rdkit_bonds(data_of("H2O")).num_edges == 4


def test_as_a_transform_in_loader_workers(rdkit_bonds):
    rdkit_bonds(data_of("H2O"))  # so that forked workers inherit a running process
    dataset = XYZ(MOLECULES, transform=rdkit_bonds)
    batches = list(DataLoader(dataset, batch_size=4, num_workers=2))
    expected = [CovalentBonds()(data).num_edges for data in XYZ(MOLECULES)]
    assert sum(b.num_edges for b in batches) == sum(expected)
    assert rdkit_bonds(data_of("H2O")).bond_method == "rdkit"


def test_radius_graph():
    for data, bare in zip(XYZ(MOLECULES, edges=RadiusGraph(1.5)), XYZ(MOLECULES), strict=True):
        distance = torch.cdist(bare.pos, bare.pos)
        expected = ((distance < 1.5) & ~torch.eye(len(distance), dtype=bool)).nonzero().T
        assert torch.equal(data.coalesce().edge_index, expected)


@pytest.mark.parametrize(
    "make", [lambda: CovalentBonds(0), lambda: RDKitBonds(time_limit=0), lambda: RadiusGraph(-1.0)]
)
def test_arguments_are_checked(make):
    with pytest.raises(ValueError, match=r": expected a positive number, found"):
        make()


@pytest.mark.parametrize(
    ("edges", "found"),
    [(RDKitBonds, "the class RDKitBonds"), (RadiusGraph, "the class"), ("bonds", "'bonds'")],
)
def test_edges_that_cannot_be_made(edges, found, tmp_path):
    path = tmp_path / "one.xyz"
    path.write_text("1\n\nH 0 0 0\n")
    for read in (read_xyz, XYZ):
        with pytest.raises(ValueError, match=rf"edges: expected .*such as RDKitBonds\(\), found {found}"):
            read(path, edges=edges)
