"""Families of parts: reproducible draws, and a part of each by the CAD kernel (skipped without it)."""

import numpy as np
import pytest

from fa_pyg.cad.draw import Draw, NoMoreParts
from fa_pyg.cad.families import load_families

FAMILIES = load_families()


def test_there_are_many_families_without_the_kernel():
    assert len(FAMILIES) >= 80
    assert all(function.__name__ == name for name, function in FAMILIES.items())


def test_draws_depend_on_the_family_and_the_index_alone():
    def drawn(family, index):
        draw = Draw(family, index)
        draw.real("a", 1, 2), draw.reals("b", 3, 0, 1), draw.whole("c", 1, 9), draw.choice("d", "xyz")
        draw.flag("e")
        return draw.parameters

    assert drawn("gear", 3) == drawn("gear", 3)
    assert drawn("gear", 3) != drawn("gear", 4) != drawn("worm", 4)
    assert all(1 <= drawn("gear", k)["a"] <= 2 and 1 <= drawn("gear", k)["c"] <= 9 for k in range(20))
    assert {drawn("gear", k)["d"] for k in range(20)} == set("xyz")


def test_tables_are_listed_once_and_end():
    cases = [{"size": size} for size in range(20)]
    found = [Draw("nut", index).case(cases)["size"] for index in range(20)]
    assert sorted(found) == list(range(20)) != found
    with pytest.raises(NoMoreParts, match="nut: expected an index below 20, found 20"):
        Draw("nut", 20).case(cases)


@pytest.mark.parametrize("name", FAMILIES)
def test_parts_are_solids_with_normals(name):
    cad = pytest.importorskip("build123d")
    from fa_pyg.cad.sampling import check_closed, sample_shape

    made = 0
    for index in range(4):
        try:
            draw = Draw(name, index)
            solid = FAMILIES[name](cad, draw)
        except Exception:  # some random parts do not exist
            continue
        made += solid.is_valid and len(solid.solids()) >= 1
        check_closed(sample_shape(solid, 2000, np.random.RandomState(0)), solid.volume)
        if made == 2:
            break
    assert made == 2
    assert draw.parameters
