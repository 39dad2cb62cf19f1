"""Reports find the faults of small models, and none in sound ones."""

import re

import pytest
import torch
from checked_models import MODELS
from torch import nn
from torch_geometric.data import Data

from fa_pyg.io import read_xyz
from fa_pyg.testing import Motion, report
from fa_pyg.testing.reports.jumps import sharpest_steps
from fa_pyg.testing.reports.scans import sharpest
from fa_pyg.testing.reports.structures import molecules, structures

QUICK = {"num": 5, "quick": True}
ALL = ("finite", "determinism", "batch", "permutation", "translation", "equivariance", "gradients", "forces",
       "continuity", "smoothness")  # fmt: skip


def faults(name: str, *args, only=ALL, **options) -> set[str]:
    found = report(MODELS[name](), *args, only=only, **{**QUICK, **options})
    return {section.name for section, _ in found.faults}


@pytest.mark.parametrize("name", ["framed", "pairs", "forces", "data", "dict", "single"])
def test_sound_models_pass(name):
    found = report(MODELS[name](), **QUICK)
    assert found.passed
    assert not found.faults
    assert found["equivariance"].verdict == "ok"
    assert found["forces"].verdict == "ok"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bare", {"translation", "equivariance", "forces"}),
        ("hard cutoff", {"continuity", "smoothness"}),
        ("kinked", {"smoothness"}),
        ("forces head", {"forces"}),
        ("detached", {"forces"}),
        ("no grad", {"gradients"}),
        ("dropout", {"determinism"}),
        ("global mean", {"batch"}),
        ("batch centered", {"batch", "equivariance", "forces"}),
        ("ordered", {"permutation"}),
        ("axes", {"equivariance", "forces"}),
        ("chiral", {"equivariance"}),
    ],
)
def test_faults_are_found_and_no_others(name, expected):
    assert faults(name, num=8) == expected


def test_a_plain_pca_frame_fails_on_symmetric_molecules_alone():
    found = report(MODELS["pca"](), only=["equivariance", "continuity"], num=5)
    rows = [row for _, row in found.faults if row.case == "rotations"]
    assert rows[0].where == "methane"
    assert "only on symmetric structures" in rows[0].note
    assert found["continuity"].verdict == "fault"


def test_batch_norm_leaks_in_training_mode_alone():
    assert faults("normalized", only=["batch"]) == set()
    assert faults("normalized", only=["batch"], training=True) == {"batch"}


def test_structures_without_finite_outputs_are_left_out():
    found = report(MODELS["infinite"](), only=["finite", "equivariance"], num=5)
    assert found["finite"].verdict == "fault"
    assert found["finite"].rows[0].where == "H2O"
    assert found["equivariance"].verdict == "ok"
    never = report(lambda z, pos, batch: pos.sum().expand(int(batch.max()) + 1) * torch.nan, num=3)
    assert [section.name for section in never.sections] == ["finite"]
    assert not never.passed


def test_infinite_gradients_are_found_on_straight_molecules():
    found = report(MODELS["bad gradient"](), only=["gradients"], num=5)
    assert found["gradients"].rows[0].where in ("CO2", "acetylene")


def test_axes_are_told_from_rotations():
    section = report(MODELS["axes"](), only=["equivariance"], num=5)["equivariance"]
    verdicts = {row.case: row.verdict for row in section.rows}
    assert (verdicts["quarter turns"], verdicts["mirrors"], verdicts["rotations"]) == ("ok", "ok", "fault")
    assert "turns of the axes" in section.remarks[0]


def test_a_chiral_model_passes_without_reflections():
    assert faults("chiral", None, "SE(3)", only=["equivariance"]) == set()


# ------------------------------------------------------------------------------------ precision


def test_a_type_that_is_hard_coded_is_told():
    found = report(MODELS["float32"](), only=["equivariance"], num=4)
    assert found.passed
    assert list(found["equivariance"].rows[0].errors) == ["float32"]
    assert any("float64 cannot be checked" in fact for _, fact in found.facts)


def test_float32_inside_is_no_fault_but_is_told():
    found = report(MODELS["float32 inside"](), only=["equivariance", "forces"], num=4)
    assert not found.faults
    assert any("float32 inside" in fact for _, fact in found.facts)


def test_an_error_that_does_not_shrink_is_a_fault_however_small():
    class Small(type(MODELS["pairs"]())):
        def forward(self, z, pos, batch):
            return super().forward(z, pos, batch) * (1 + 1e-5 * pos[0, 0])

    row = next(row for _, row in report(Small(), only=["equivariance"], num=4).faults)
    assert row.errors["float64"] < 1e-4
    assert report(Small(), only=["equivariance"], num=4, tol=1e-3).passed


def test_rounding_in_large_energies_is_no_fault():
    class Large(type(MODELS["pairs"]())):
        def forward(self, z, pos, batch):
            return super().forward(z, pos, batch) + 1e5

    found = report(Large(), only=["equivariance", "forces", "continuity", "smoothness"], **QUICK)
    assert not found.faults


def test_amplified_rounding_shrinks_with_the_precision():
    class Cancelling(type(MODELS["pairs"]())):
        def each(self, z, pos, i, j):
            v = pos[i] - pos[j]
            nothing = v.norm(dim=1, keepdim=True).square() - v.square().sum(1, keepdim=True)
            return super().each(z, pos, i, j) + 1e5 * nothing

    found = report(Cancelling(), only=["equivariance"], num=4)
    assert not found.faults
    row = found["equivariance"].worst
    assert "it shrinks with the precision" in row.note
    assert row.errors["float32"] > 1e5 * row.errors["float64"]


# ------------------------------------------------------------------------------------ other data


def cloud_data(dim=3):
    g = torch.Generator().manual_seed(0)
    return [
        Data(pos=torch.randn(n, dim, generator=g), vel=torch.randn(n, dim, generator=g)) for n in (5, 6, 7)
    ]


def test_points_vectors_and_names_are_recognized():
    def step(coords, velocity, batch):
        return coords + velocity

    found = report(step, cloud_data(), names={"velocity": "vel"}, **QUICK)
    assert dict(found.facts)["called as"] == "model(coords=pos, velocity=vel, batch)"
    assert "point of each node" in dict(found.facts)["output"]
    assert found.passed
    declared = report(step, cloud_data(), output="vector", names={"velocity": "vel"}, **QUICK)
    assert {section.name for section, _ in declared.faults} == {"translation"}


def test_the_plane():
    found = report(lambda pos, batch: pos.square().sum(1), cloud_data(2), "O(2)", **QUICK)
    assert found.passed
    assert found["translation"].reason


def graph_data():
    g = torch.Generator().manual_seed(0)
    edges = [torch.randint(n, (2, 3 * n), generator=g) for n in (5, 6, 7)]
    return [
        Data(x=torch.randn(n, 3, generator=g), edge_index=e) for n, e in zip((5, 6, 7), edges, strict=True)
    ]


def test_graphs():
    from torch_geometric.nn import GIN

    class First(nn.Module):
        """Reads the first node of each graph."""

        def forward(self, x, edge_index, batch):
            return x[torch.cat([batch.new_zeros(1), 1 + batch.diff().nonzero().flatten()])]

    assert report(GIN(3, 8, 2, 4), graph_data(), "S(n)", **QUICK).passed
    found = report(First(), graph_data(), "S(n)", **QUICK)
    assert {section.name for section, _ in found.faults} == {"permutation"}
    assert found["equivariance"].reason


def test_features_may_be_vectors():
    found = report(lambda x, edge_index: x.sum(1), graph_data(), "O(3)", {"x": "vector"}, **QUICK)
    assert {section.name for section, _ in found.faults} == {"equivariance"}


def test_outputs_without_a_level_are_left_out():
    def model(z, pos, batch):
        return {
            "energy": MODELS["pairs"]().to(pos.dtype)(z, pos, batch),
            "total": pos.sum(),
            "all": pos.sum(0),
        }

    found = report(model, only=["batch"], **QUICK)
    assert found.passed
    assert {row.output for row in found["batch"].rows} == {"energy"}
    assert "all, total" in dict(found.facts)["left out"]


def test_cells_turn_with_the_positions():
    def model(pos, cell, batch):
        fractional = torch.linalg.solve(cell[batch].mT, pos.unsqueeze(-1)).squeeze(-1)
        return torch.cos(2 * torch.pi * fractional).sum(1)

    g = torch.Generator().manual_seed(0)
    cell, pbc = 4 * torch.eye(3) + torch.rand(2, 1, 3, 3, generator=g), torch.ones(1, 3, dtype=torch.bool)
    data = [Data(pos=torch.rand(5, 3, generator=g), cell=one, pbc=pbc) for one in cell]
    found = report(model, data, "O(3)", only=["equivariance", "permutation"], quick=True)
    assert dict(found.facts)["transforms"] == "pos is a point, cell is a vector"
    assert found.passed


def test_edges_are_built():
    assert report(MODELS["edges"](), edges=4.0, only=["equivariance", "batch"], **QUICK).passed


def test_a_calculator():
    from ase.calculators.lj import LennardJones

    from fa_pyg.testing.reports.calculators import CalculatorModel

    model = CalculatorModel(LennardJones(epsilon=0.01, sigma=1.0, rc=6.0))
    found = report(model, only=["equivariance", "forces", "batch"], num=3, quick=True)
    assert found.passed
    assert found["batch"].verdict == "n/a"


def test_nothing_changes_the_model_or_the_global_random_numbers():
    model = MODELS["normalized"]().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    report(model, num=3, only=["batch", "equivariance"], training=True)
    assert torch.equal(torch.rand(3), expected)
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.get_default_dtype() == torch.float32


# ------------------------------------------------------------------------------------ output


def test_the_worst_input_gives_the_error_again(tmp_path):
    model = MODELS["bare"]()
    found = report(model, num=4, only=["equivariance"])
    found.save(tmp_path)
    assert (tmp_path / "report.txt").read_text() == found.text()
    before, after = read_xyz(tmp_path / "worst" / "equivariance_rotations_output.xyz", dtype=torch.float64)
    g = Motion(before.rotation.view(3, 3), before.translation.view(3))
    assert torch.allclose(g(before.pos), after.pos, atol=1e-12)
    batch = torch.zeros(len(before.z), dtype=torch.long)
    model = model.double()
    difference = (model(before.z, before.pos, batch) - model(before.z, after.pos, batch)).abs().item()
    variation = float(re.search(r"variation ([\d.e+-]+)", dict(found.facts)["output"])[1])
    assert difference / variation == pytest.approx(float(before.error), rel=0.05)


def test_text_is_narrow_and_the_page_is_escaped_and_complete():
    def model(z, pos, batch):
        return {"<b>&": pos.square().sum(1)}

    found = report(model, num=3, only=["translation", "continuity"], quick=True)
    assert max(map(len, found.text().splitlines())) <= 100
    assert "<b>&" in found.text()
    page = found.html()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page
    assert not re.search(r"<script|src=|href=\"(?!#)|url\(", page)
    assert "prefers-color-scheme: dark" in page


def test_the_same_seed_gives_the_same_report():
    def lines(seed):
        text = report(MODELS["bare"](), num=3, only=["equivariance"], seed=seed).text()
        return text.splitlines()[:-1]

    assert lines(0) == lines(0)
    assert lines(0) != lines(1)


def test_a_constant_is_no_pass():
    found = report(lambda z, pos, batch: torch.zeros(int(batch.max()) + 1), num=3)
    assert not found.passed
    assert found.is_empty
    assert "Nothing could be checked" in found.text()


@pytest.mark.parametrize(
    ("f", "kind"),
    [
        (lambda t: t.sin(), "smooth"),
        (lambda t: (20 * t).tanh(), "smooth"),
        (lambda t: t.sin() + 0.05 * (t - 0.3).relu(), "kink"),
        (lambda t: t.sin() + 0.02 * (t > 0.3), "jump"),
    ],
)
def test_kinks_and_jumps(f, kind):
    found = sharpest(f, -1.0, 1.0, 1e-14)
    assert found.kind == kind
    assert kind == "smooth" or found.at == pytest.approx(0.3, abs=1e-3)


# ------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda foo, pos, bar=1: pos, r"'foo' in forward\(foo, pos, bar=...\).*--map foo=pos"),
        (lambda z, pos, edge_index: pos, "--edges radius=5.0"),
        (lambda z, pos, batch: "text", "output: expected a tensor of floating point.*found a str"),
        (lambda z, pos, batch: {"energy": 1.0}, "found a dict of energy: float"),
        (lambda z, pos, batch: nn.Embedding(5, 1)(z), "know the elements 1, 6, 7, 8"),
        (3, "model: expected a module or a function, found 3"),
    ],
)
def test_errors(model, message):
    with pytest.raises(ValueError, match=message):
        report(model, num=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": []}, "data: expected at least one structure"),
        ({"data": "molecules.xyz"}, "data: expected a PyG Data or a list"),
        ({"data": [Data(pos=torch.rand(4, 2))]}, r"data: expected pos \[N, 3\] for E\(3\)"),
        ({"group": "O(2)"}, "data: expected structures"),
        ({"group": "Q(3)"}, "group: unknown group"),
        ({"only": ["speed"]}, "only: expected some of finite, determinism"),
        ({"inputs": {"vel": "vector"}}, "inputs: expected attributes of the data"),
        ({"output": "vektor"}, "output: unknown representation"),
        ({"names": {"q": "pos"}}, "names: expected parameters of the model"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        report(MODELS["pairs"](), **options)


def test_molecules_are_what_is_asked_for():
    found = structures(molecules(14, torch.Generator().manual_seed(0)))
    assert len(found) == 14
    assert all(one.pos.dtype == torch.float64 for one in found)


class SmallJump(nn.Module):
    """Smooth energy of a molecule, and a jump of a thousandth of its variation in an ordinary step."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size

    def forward(self, z, pos):
        r = (pos[0] - pos[1]).norm()
        return ((3 * r).sin() + self.size * (r > 1.02)).view(1)


def test_small_jumps_in_ordinary_steps_are_found():
    data = Data(z=torch.tensor([8, 1]), pos=torch.tensor([[0.0, 0, 0], [0, 0, 1]]))
    for size, expected in ((1e-4, False), (0.0, True)):
        found = report(SmallJump(size), data, only=["continuity"], num=1)
        assert found.passed is expected, found.text()


def test_jumps_of_hard_functions():
    """Steep, kinked, with a root: jumps are found, and none where there is none."""
    c = 0.1234
    for f in (
        torch.sin,
        lambda t: ((t - 0.5) / 0.01).tanh(),
        lambda t: (t - 0.4).abs(),
        lambda t: (t + 0.4).abs().sqrt(),
    ):
        sizes = [0.0, 1e-3, 1.0]
        found = [
            sharpest_steps(lambda t, f=f, j=j: (f(t) + j * (t > c)).unsqueeze(1), 48, 3, 6) for j in sizes
        ]
        at = [one.worst(1e-6, 2.0) for one in found]
        assert at[0] is None
        for one, k, size in zip(found[1:], at[1:], sizes[1:], strict=True):
            assert one.after[k].item() == pytest.approx(size, rel=1e-2)
            assert one.points[k, 2] <= c <= one.points[k, 3]


def test_values_that_are_not_finite_are_jumps():
    assert sharpest_steps(lambda t: (1 / t).unsqueeze(1), 48, 3, 6).worst(1e-6, 2.0) is not None
