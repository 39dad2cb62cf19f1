"""What networks on molecules, references and potentials are called with, wrong in every way."""

import math

import pytest
import torch

from fa_pyg import FrameAveraging, PCAFrame, WeightedPCAFrame
from fa_pyg.models import AtomicReference, FAENet, NequIP, Potential
from fa_pyg.nn import radius_graph

Z = torch.tensor([8, 1, 1, 6])
BATCH = torch.tensor([0, 0, 0, 1])
POS = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 1, 0], [5, 5, 5]]).double()
EDGES = torch.tensor([[1, 0], [0, 1]])
VEC = torch.tensor([[0.0, 0, 1], [0, 0, -1]]).double()


def nequip(**kwargs):
    pytest.importorskip("e3nn", reason="e3nn is not installed")
    return (
        NequIP(hidden_channels=4, num_layers=1, num_radial=4, radial=8, elements=3, **kwargs).double().eval()
    )


def faenet(**kwargs):
    return FAENet(hidden_channels=8, num_layers=1, num_radial=4, **kwargs).double().eval()


NETS = {"FAENet": faenet, "NequIP": nequip}


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"z": torch.tensor([8, 1, 1, 200])},
            "z: expected atomic numbers from 0 to 118, found 200 of atom 3",
        ),
        ({"z": torch.tensor([8, 1, -1, 6])}, "z: expected atomic numbers from 0 to 118, found -1 of atom 2"),
        ({"z": Z.double()}, r"z: expected atomic numbers \(int64\) \[N\], found torch.float64 \[4\]"),
        ({"z": Z > 0}, "z: expected atomic numbers .* found torch.bool"),
        ({"z": Z.view(2, 2)}, r"z: expected atomic numbers .* found torch.int64 \[2, 2\]"),
        ({"z": Z.tolist()}, "z: expected atomic numbers .* found list"),
        ({"z": None}, "z: expected atomic numbers .* found NoneType"),
        (
            {"z": Z[:3], "batch": BATCH[:3]},
            r"pos: expected real numbers \[3, 3\], .* found torch.float64 \[4, 3\]",
        ),
        ({"pos": POS[:, :2]}, r"pos: expected real numbers \[4, 3\], .* found torch.float64 \[4, 2\]"),
        ({"pos": POS.long()}, "pos: expected real numbers .* found torch.int64"),
        ({"pos": POS + 0j}, "pos: expected real numbers .* found torch.complex128"),
        ({"pos": POS.tolist()}, "pos: expected real numbers .* found list"),
        ({"batch": BATCH[:3]}, r"batch: expected graph numbers \(int64\) \[4\], found torch.int64 \[3\]"),
        ({"batch": BATCH.double()}, "batch: expected graph numbers .* found torch.float64"),
        ({"batch": BATCH - 1}, "batch: expected graph numbers from 0 to 0, found -1 to 0"),
        ({"batch": BATCH * 10**12}, "batch: expected 0 to 1000004 graphs of 4 atoms, found 1000000000001"),
        ({"batch": [0, 0, 0, 1]}, "batch: expected graph numbers .* found list"),
        ({"num_graphs": 1}, "batch: expected graph numbers from 0 to 0, found 0 to 1"),
        ({"num_graphs": -1}, "num_graphs: expected 0 to 1000004 graphs"),
        ({"num_graphs": 10**12}, "num_graphs: expected 0 to 1000004 graphs"),
        ({"num_graphs": 2.5}, "num_graphs: expected a whole number or None, found 2.5"),
        ({"num_graphs": "2"}, "num_graphs: expected a whole number or None, found '2'"),
        ({"batch": None, "num_graphs": 2}, "num_graphs: expected 1 without batch, found 2"),
        ({"edge_index": EDGES + 3}, "edge_index: expected atoms from 0 to 3, found 3 to 4"),
        ({"edge_index": EDGES - 1}, "edge_index: expected atoms from 0 to 3, found -1 to 0"),
        ({"edge_index": EDGES[:1]}, r"edge_index: expected integers \(int64\) \[2, E\], found .*\[1, 2\]"),
        ({"edge_index": EDGES.double()}, "edge_index: expected integers .* found torch.float64"),
        ({"edge_index": EDGES.tolist()}, "edge_index: expected integers .* found list"),
        ({"edge_index": EDGES, "edge_vec": VEC[:1]}, r"edge_vec: expected real numbers \[2, 3\], .*\[1, 3\]"),
        ({"edge_index": EDGES, "edge_vec": VEC.long()}, "edge_vec: expected real numbers .* torch.int64"),
        ({"edge_index": EDGES, "edge_vec": VEC.tolist()}, "edge_vec: expected real numbers .* found list"),
        ({"edge_vec": VEC}, "edge_vec with edge_index"),
        ({"pos": None}, "pos: expected it, or edge_vec with edge_index, for"),
    ],
    ids=str,
)
def test_networks_name_the_argument(change, message, net):
    given = {"z": Z, "pos": POS, "batch": BATCH}
    net()(**given)
    with pytest.raises(ValueError, match=message):
        net()(**given | change)


def test_types_may_be_counted_from_0_up_to_the_largest(net):
    model = net(max_z=3)
    energy = model(torch.tensor([0, 1, 2, 3]), POS, batch=BATCH)
    assert energy.isfinite().all()
    with pytest.raises(ValueError, match="z: expected atomic numbers from 0 to 3, found 4"):
        model(torch.tensor([0, 1, 2, 4]), POS, batch=BATCH)


def test_no_atoms_and_graphs_without_them(net):
    model = net()
    assert model(Z[:0], POS[:0], batch=BATCH[:0]).shape == (0,)
    assert model(Z[:0], POS[:0], batch=BATCH[:0], num_graphs=2).tolist() == [0, 0]
    assert model(Z, POS, batch=2 * BATCH).tolist()[1] == 0


@pytest.mark.parametrize("frame", [None, PCAFrame("E(3)"), WeightedPCAFrame("E(3)")], ids=str)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_atom_without_a_place_makes_its_molecule_unknown_and_no_other(bad, frame, net):
    """Without edges it would pass for an atom alone: a finite energy of another molecule."""
    model = net() if frame is None else FrameAveraging(net(), frame)
    for atom in (1, 3):
        pos = POS.clone()
        pos[atom, 0] = bad
        energy, expected = model(Z, pos, batch=BATCH), model(Z, POS, batch=BATCH)
        graph = int(BATCH[atom])
        assert energy[graph].isnan()
        assert energy[1 - graph] == expected[1 - graph]
        edges = radius_graph(POS, 5.0, BATCH)
        assert model(z=Z, pos=pos, edge_index=edges, batch=BATCH)[graph].isnan()


def test_each_head_takes_what_the_network_takes():
    kinds = ("scalar", "mean", "vector", "tensor", "node scalar", "node vector")
    heads = {kind.replace(" ", "_"): kind for kind in kinds}
    model = faenet(heads=heads)
    shapes = {name: value.shape[1:] for name, value in model(Z, POS, batch=BATCH).items()}
    assert shapes == {
        "scalar": (),
        "mean": (),
        "vector": (3,),
        "tensor": (3, 3),
        "node_scalar": (),
        "node_vector": (3,),
    }
    for given in ({"num_graphs": 1}, {"batch": -BATCH}):
        with pytest.raises(ValueError, match="batch: expected graph numbers"):
            model(**{"z": Z, "pos": POS, "batch": BATCH} | given)


@pytest.mark.parametrize(
    ("z", "batch", "target", "message"),
    [
        (Z, BATCH, [1.0, math.nan], "target: expected finite numbers, found nan"),
        (Z, BATCH, [math.inf, 1.0], "target: expected finite numbers, found inf"),
        (Z, BATCH, [1.0], "target: expected a number for each graph of batch, found 1"),
        (Z + 200, BATCH, [1.0, 2], "z: expected atomic numbers from 0 to 118, found 208"),
        (Z - 7, BATCH, [1.0, 2], "z: expected atomic numbers from 0 to 118, found -6"),
        (Z.float(), BATCH, [1.0, 2], "z: expected atomic numbers .* found torch.float32"),
        (Z, BATCH[:2], [1.0, 2], "batch: expected graph numbers"),
        (Z, BATCH - 1, [1.0, 2], "batch: expected graph numbers from 0 to 0, found -1 to 0"),
    ],
)
def test_references_refuse_what_they_cannot_be_fitted_to(z, batch, target, message):
    for mean in (False, True):
        with pytest.raises(ValueError, match=message):
            AtomicReference(mean).fit(z, batch, torch.tensor(target))
    with pytest.raises(ValueError, match="z: expected atomic numbers"):
        AtomicReference()(torch.tensor([119]))


def test_units_refuse_names_and_numbers():
    model = Potential(faenet())
    for targets, message in (
        (
            {"enrgy": torch.ones(2)},
            r"targets: expected some of \['energy', 'forces', 'stress'\], found 'enrgy'",
        ),
        (
            {"energy": torch.tensor([1, math.nan])},
            "targets: expected finite numbers, found others in 'energy'",
        ),
        (
            {"forces": torch.full((4, 3), math.inf)},
            "targets: expected finite numbers, found others in 'forces'",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit_units(Z, BATCH, targets)
    for z in (Z * 0, Z + 200):
        with pytest.raises(ValueError, match="z: expected atomic numbers from 1 to 118"):
            model.fit_units(z, BATCH, {"energy": torch.ones(2)})
    with pytest.raises(ValueError, match="z: expected atomic numbers from 0 to 118, found 300"):
        model.unknown_elements(torch.tensor([300]))
