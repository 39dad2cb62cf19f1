"""The door of the room: what it exports is what the layers of PyG's names are."""

from __future__ import annotations

import fa_pyg.neighbors
import fa_pyg.nn


def test_nn_exports_the_same_functions():
    shared = set(fa_pyg.neighbors.__all__) & set(fa_pyg.nn.__all__)
    assert {"RadiusInteractionGraph", "knn", "knn_graph", "radius", "radius_graph"} <= shared
    assert all(getattr(fa_pyg.nn, name) is getattr(fa_pyg.neighbors, name) for name in shared)
