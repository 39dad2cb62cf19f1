"""Invariants of a call: what no frame changes, computed once for all frames."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.batches import check_edges, check_indices
from fa_pyg.calls import Call, Layout, Name, Signature
from fa_pyg.calls.call import check_unchanged, versions
from fa_pyg.calls.names import is_integer, is_pairs
from fa_pyg.copies import Slots
from fa_pyg.frames import FrameSet, Level, Rows
from fa_pyg.nn.output_structure import check_dense
from fa_pyg.options import close
from fa_pyg.reps import Rep

__all__ = ["Invariants", "check_offer", "keyword", "offers_invariants"]

LEVELS = ("edge", "node", "graph")


class Invariants:
    r"""Quantities of a model that no frame changes, computed once for a call and used in all its frames.

    The input in one frame is that in another, rotated or reflected about the origin, since the frames of a
    body share the origin (and the scale and velocity, in groups that have them):

    .. math:: g_k^{-1} x = R_k^\top R_0\, (g_0^{-1} x)

    So what a model computes from distances and angles is the same in every frame: edges by radius, radial
    functions and filters, tables of neighbors, embeddings of types. A model offers them by two attributes,
    and takes them as a keyword of its ``forward``:

    .. code-block:: python

        class Net(nn.Module):
            invariants_of = {"pos": "point"}                     # of which inputs

            def invariants(self, z, pos, batch=None):            # the arguments of forward
                edge_index = radius_graph(pos, self.cutoff, batch)
                return {"edge_index": edge_index, "edge_filter": self.filter(distances(pos, edge_index))}

            def forward(self, z, pos, batch=None, invariants=None):
                found = self.invariants(z, pos, batch) if invariants is None else invariants
                ...

    * ``invariants_of`` are the representations of inputs under whose *joint* rotations and reflections the
      results are invariant. They are used only if the inputs of the call that transform are declared to be
      exactly these, of the same rank and parity: an angle between a position and a velocity is no invariant
      where the velocity is declared "scalar".
    * The method is called on the input in the first frame, which is centered (and scaled, and at rest): the
      first call of the model gives the same numbers as without, a single frame has nothing to share, and
      distances are also right for ``"R+:E(3)"``.
    * Names begin with the level of the rows, as PyG's: ``edge_*``, ``node_*``, ``graph_*``. The rows
      ``edge_*`` are those of ``edge_index [2, E]`` (default: of the call); ``node_index*`` are tables
      ``[N, k]`` of nodes. By these levels they are repeated where slots share a call, and selected where
      later slots hold only some of the graphs.
    * Gradients flow through them: in evaluation mode, forces and second derivatives are those of the average
      without, since derivatives of a distance are the same in every frame.
    * What is inside ``invariants`` runs once for all copies, so that BatchNorm and dropout in it differ from
      those in ``forward`` in training mode: statistics weigh each graph once and not once for each of its
      frames, and dropout is drawn once.

    Models without these attributes, frames of graphs and calls with ``invariants=`` are left alone. What
    cannot be meant, such as an input that ``forward`` does not take, is an error when the model is wrapped.
    :func:`fa_pyg.testing.assert_invariants` compares a model with and without.

    Args:
        values: the invariants by name.
        layout: the layout of the call.

    Raises:
        ValueError: for a value that is not a dense tensor, a name without a level, another number of rows
            than its level has, rows of edges in a call without edges, an ``edge_index`` that is not int64
            ``[2, E]``, and nodes that do not exist and edges between graphs (checked on CPU only, to avoid a
            device sync).
    """

    def __init__(self, values: Mapping[str, Tensor], layout: Layout) -> None:
        checks.instance("invariants", values, Mapping, "a dict of tensors")
        self.values, self.layout = dict(values), layout
        self._edges = self._own_edges()
        for name, value in self.values.items():
            self._check(name, value)
        self._versions = versions(self.values)

    @classmethod
    def of(
        cls,
        model: Callable[..., Any],
        inputs: Mapping[Name, Rep],
        layout: Layout,
        frames: FrameSet,
        first: Callable[[], Mapping[Name, Tensor]],
    ) -> Invariants | None:
        """Return the invariants of a call; None where the model offers none, or nothing would be shared.

        Args:
            model: the model.
            inputs: the declared inputs.
            layout, frames: of the call.
            first: returns the inputs in the first frame.
        """
        is_shared = frames.keeps_rows and len(frames.slot_sizes) > 1
        if not is_shared or not offers_invariants(model, inputs, layout.call):
            return None
        compute: Any = model
        return cls(layout.call.run(_arguments_checked(compute.invariants), first()), layout)

    def part(self, slots: Slots) -> dict[str, Tensor]:
        """Return the invariants of these copies, in a dict of their own.

        Raises:
            ValueError: if the model has modified one in place.
        """
        check_unchanged(self.values, self._versions)
        if slots.is_source:
            return dict(self.values)
        return {name: self._copied(name, value, slots) for name, value in self.values.items()}

    def _copied(self, name: str, value: Tensor, slots: Slots) -> Tensor:
        rows = self._rows(name)
        if name == "edge_index":
            return slots.selection.node_index(value, rows, -1, name)
        if name.startswith("node_index"):
            return slots.selection.node_index(value, rows, 0, name)
        return slots.selection.gather(value, rows)

    def _rows(self, name: str) -> Rows:
        level = name.split("_")[0] if isinstance(name, str) else ""
        if level not in LEVELS:
            expected = ", ".join(f"{one}_*" for one in LEVELS)
            checks.refuse("invariants", f"names by level, {expected}", name)
        if level == "edge" and self._edges is None:
            checks.refuse("invariants", "edge_index with rows of edges", name)
        return self._edges if level == "edge" and self._edges is not None else self.layout.of(level)

    def _own_edges(self) -> Rows | None:
        """Return the rows of the edges, by default those of the call; None without any."""
        if "edge_index" not in self.values:
            edges = self.layout.edge_index
            return None if edges is None or not is_pairs(edges) else self._rows_of(edges)
        name, edges = "invariants['edge_index']", self.values["edge_index"]
        _check_pairs(name, edges)
        if self.layout.batch is None:
            check_indices(edges, 0, self.layout.num_nodes, name)
        else:
            check_edges(edges, self.layout.batch, name)
        return self._rows_of(edges)

    def _rows_of(self, edge_index: Tensor) -> Rows:
        batch = self.layout.batch
        body = None if batch is None else batch.index_select(0, edge_index[0])
        return Rows(Level.INDEX, body, edge_index.size(1))

    def _check(self, name: str, value: object) -> None:
        value = checks.instance(f"invariants[{name!r}]", value, Tensor, "a tensor")
        check_dense(f"invariants[{name!r}]", value)
        rows, axis = self._rows(name), 1 if name == "edge_index" else 0
        if not value.dim() or value.size(axis) != rows.count:
            expected = f"{rows.count} rows ({name.split('_')[0]})"
            raise ValueError(f"invariants[{name!r}]: expected {expected}, found {list(value.shape)}")
        if name.startswith("node_index"):
            self._check_table(f"invariants[{name!r}]", value)

    def _check_table(self, name: str, table: Tensor) -> None:
        if not is_integer(table):
            raise ValueError(f"{name}: expected node indices, integers [N, k], found {table.dtype}")
        check_indices(table, -1, self.layout.num_nodes, name)


def _check_pairs(name: str, edges: object) -> None:
    if not isinstance(edges, Tensor):
        checks.refuse(name, "node indices, int64 [2, E]", edges)
    check_dense(name, edges)
    if not is_pairs(edges) or edges.dtype != torch.long:
        raise ValueError(
            f"{name}: expected node indices, int64 [2, E], found {edges.dtype} {list(edges.shape)}"
        )


def check_offer(model: object, signature: Signature) -> None:
    """Check what a model says of its invariants: a mistake would leave them unused, without an error.

    Raises:
        ValueError: for a misspelled attribute, ``invariants_of`` that is not a dict of inputs that transform
            or names what ``forward`` does not take, and a ``forward`` without ``invariants``.
    """
    of = getattr(model, "invariants_of", None)
    if of is None:
        if signature.takes("invariants") and not hasattr(model, "invariants_of"):
            _check_spelling("invariants_of", model)
        return
    checks.instance("invariants_of", of, Mapping, "a dict of inputs, such as {'pos': 'point'}")
    if not callable(getattr(model, "invariants", None)):
        if of:
            _check_spelling("invariants", model)
            checks.refuse("invariants", "a method of the model with invariants_of", "none")
        return
    if not signature.takes("invariants"):
        checks.refuse("forward", "a keyword invariants, which takes them", ", ".join(signature.named))
    if all(Rep.of(rep, f"invariants_of[{k!r}]").is_invariant for k, rep in of.items()):
        checks.refuse("invariants_of", "inputs that transform, such as {'pos': 'point'}", dict(of))
    if len([name for name in signature.named if name != "invariants"]) > 1:  # else attributes of a Data
        _check_names(of, signature)


def offers_invariants(model: object, inputs: Mapping[Name, Rep], call: Call) -> bool:
    """Whether a model offers invariants of a call: of exactly the declared inputs that transform."""
    of = getattr(model, "invariants_of", None)
    if not isinstance(of, Mapping) or "invariants" in call.values:
        return False
    given = {k: rep for k, rep in inputs.items() if not rep.is_invariant and call.get(k) is not None}
    wanted = {k: Rep.of(rep, f"invariants_of[{k!r}]") for k, rep in of.items() if call.get(k) is not None}
    wanted = {k: rep for k, rep in wanted.items() if not rep.is_invariant}
    if call.data is not None and given.keys() != wanted.keys():
        _check_attributes(of, given, call)
    return given.keys() == wanted.keys() and all(
        (rep.rank, rep.pseudo) == (wanted[k].rank, wanted[k].pseudo) for k, rep in given.items()
    )


def _arguments_checked(compute: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a model, which says what it does not take."""

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            inspect.signature(compute).bind(*args, **kwargs)
        except TypeError as error:
            raise ValueError(
                f"invariants: expected the arguments of forward, in their order, found {error}: "
                "add those that it does not need, or **kwargs"
            ) from error
        return compute(*args, **kwargs)

    return compute if torch.compiler.is_compiling() else run


def _check_names(of: Mapping[Any, Any], signature: Signature) -> None:
    names = [name for name in signature.named if name != "invariants"]
    for name in of:
        if not isinstance(name, str) or not signature.takes(name):
            hint = close(name, names) if isinstance(name, str) else ""
            checks.refuse("invariants_of", f"arguments of forward ({', '.join(names)})", name, hint)


def _check_attributes(of: Mapping[Any, Any], given: Mapping[Name, Rep], call: Call) -> None:
    """Refuse a name that the ``Data`` does not have if it is nearly that of an input that transforms."""
    left = [str(name) for name in given if name not in of]
    for name in of:
        if name not in call.values and (hint := close(str(name), left)):
            checks.refuse("invariants_of", "attributes of the data", name, hint)


def _check_spelling(name: str, model: object) -> None:
    """Refuse an attribute of a model whose name is nearly ``name``, which the model lacks."""
    own = {one for one in dir(model) if not one.startswith("_")} - set(dir(nn.Module))
    own -= {"invariants", "invariants_of"}
    if near := get_close_matches(name, own, 1, 0.85):
        checks.refuse(name, "an attribute of this name", near[0])


def keyword(invariants: Mapping[str, Tensor] | None) -> dict[str, Any]:
    """Return the keyword with which a wrapper passes invariants on: none for a model that takes none."""
    return {} if invariants is None else {"invariants": invariants}
