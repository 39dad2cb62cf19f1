"""Exactness on the catalogue is measured where it fails and where it holds."""

import math

import pytest
import torch

from fa_pyg import FrameAveraging, HaarFrame, PCAFrame
from fa_pyg.testing import (
    assert_equivariant,
    assert_exact,
    catalogue,
    exactness_error,
    framed_probe,
    modified,
)
from fa_pyg.testing.catalogue import NamedCloud


def worst(frame, clouds, **options):
    return {name: max(one.values()) for name, one in exactness_error(frame, clouds, **options).items()}


def test_principal_axes_fail_where_eigenvalues_coincide():
    clouds = {cloud.name: cloud for cloud in catalogue(kinds=["molecules", "chiral", "colored"])}
    error = worst(PCAFrame("E(3)"), clouds.values())
    for name in ("methane", "benzene", "SF6", "cubane", "PF5", "allene", "CHFClBr on a regular tetrahedron"):
        # Weights by atomic number part the eigenvalues of the last.
        expected = name.startswith("CHFClBr")
        assert (error[name] < 1e-10) == expected, name
        assert expected or error[name] > 1e-3, name
    assert error["generic"] < 1e-12
    assert (
        assert_exact(PCAFrame("E(3)"), [clouds["generic"]])["generic"].keys()
        == framed_probe(PCAFrame("E(3)")).output.keys()
    )


@pytest.mark.parametrize("group", ["T(3)", "T(2)"])
def test_centroids_are_exact(group):
    assert_exact(PCAFrame(group))
    assert_exact(PCAFrame(group), dtype=torch.float32, tol=1e-4)
    assert_exact(PCAFrame(group), velocities=True)


def test_the_largest_errors_are_told():
    with pytest.raises(
        AssertionError, match=r"HaarFrame\(.*not exact on 8 of 8 clouds \(tol 1e-10\):\n +[\d.]+  "
    ):
        assert_exact(HaarFrame("O(3)"), catalogue(kinds=["lines"]))
    nan = NamedCloud("hole", None, torch.full((3, 3), torch.nan).double(), 1, 1)
    with pytest.raises(AssertionError, match=r"on 1 of 1 clouds .*\n +nan  hole: node scalar"):
        assert_exact(PCAFrame("T(3)"), [nan])


def test_errors_agree_with_the_general_test():
    """The same model, tested by assert_equivariant; and it is no easier for the units."""
    frame, cloud = PCAFrame("E(3)"), next(c for c in catalogue(kinds=["molecules"]) if c.name == "methane")
    model = framed_probe(frame)
    assert isinstance(model, FrameAveraging)
    batch = torch.zeros(5, dtype=torch.long)
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(model, {"z": cloud.z, "pos": cloud.pos, "batch": batch}, "E(3)")
    small = worst(frame, [modified(cloud, scale=1e-6)], length=1e-6)
    assert 1e-3 < small["methane, scale 1e-06"] < math.inf
    generic = NamedCloud("generic", None, torch.randn(6, 3).double() * 1e-6, 1, 1)
    assert worst(frame, [generic], length=1e-6)["generic"] < 1e-10
