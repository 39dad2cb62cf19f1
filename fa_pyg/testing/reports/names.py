"""Parameter names of models, and what of a structure each of them receives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from fa_pyg import checks
from fa_pyg.calls import Signature

__all__ = ["ALIASES", "DERIVED", "TARGETS", "Binding", "bind"]

# What a parameter of this name receives, if the data have no attribute of the very name.
_NAMES = {
    "z": "z atomic_numbers atomic_number atomic_nums numbers species atom_types atom_type node_type "
    "node_types elements types Z nuclear_charges",
    "pos": "pos positions position coords coordinates coord xyz points R r",
    "batch": "batch batch_idx batch_index batch_id data_batch mol_idx graph_index node2graph",
    "edge_index": "edge_index edges edge_idx neighbors neighbor_list",
    "edge_weight": "edge_weight edge_length edge_lengths edge_dist distances",
    "edge_vec": "edge_vec edge_vectors edge_vector",
    "num_graphs": "num_graphs n_graphs batch_size",
    "natoms": "natoms n_atoms num_atoms",
    "cell": "cell lattice box cells",
    "pbc": "pbc",
}
ALIASES = {source: tuple(names.split()) for source, names in _NAMES.items()}
DERIVED = ("batch", "num_graphs", "natoms", "ptr", "edge_index", "edge_weight", "edge_vec")
EDGES = ("edge_index", "edge_weight", "edge_vec")
# Labels: an optional parameter of this name, such as a flag `stress`, does not receive them.
TARGETS = (
    "y",
    "energy",
    "energies",
    "free_energy",
    "forces",
    "force",
    "stress",
    "virial",
    "dipole",
    "charges",
)
DATA_NAMES = (
    "data",
    "batch",
    "graph",
    "inputs",
    "input",
    "sample",
    "batch_data",
    "batched_data",
    "atoms_graph",
)


@dataclass(frozen=True)
class Binding:
    """Way to call a model: by arguments, with one PyG ``Data``, or with one dict.

    Attributes:
        kind: ``"arguments"``, ``"data"`` or ``"dict"``.
        sources: what each parameter receives, by name, in order; a number stands for a position.
        takes_batch: whether several structures can share a call.
    """

    kind: str
    sources: Mapping[str | int, str]
    takes_batch: bool

    def __str__(self) -> str:
        if self.kind != "arguments":
            return f"model({'one PyG Batch' if self.kind == 'data' else 'one dict'})"
        pairs = (s if s == p or isinstance(p, int) else f"{p}={s}" for p, s in self.sources.items())
        return f"model({', '.join(pairs)})"


def bind(
    model: Callable, found: Iterable[str], named: Mapping[str, str], declared: Iterable[str], edges: bool
) -> Binding:
    """Find out how to call a model.

    Args:
        model: a module or a function.
        found: attributes that all structures have.
        named: the attribute that a parameter receives, where its name does not tell.
        declared: attributes that the user has mentioned.
        edges: whether edges are built.

    Raises:
        ValueError: for a parameter without a default that nothing is known of.
    """
    has = {*found, *DERIVED} - ({*EDGES} - {*found} if not edges else set())
    parameters = _parameters(model)
    _check_named(named, parameters, has)
    if parameters is None:  # a traced module, or *args
        usual = [name for name in ("z", "pos", "batch") if name in has]
        return Binding("arguments", dict(enumerate(usual)), "batch" in usual)
    required = [p.name for p in parameters if p.default is p.empty]
    only = required[0] if len(required) == 1 and required[0] not in named else None
    if only is not None and (only not in has or only in DERIVED) and _takes_whole(model, only, parameters):
        kind = "dict" if _is_dict(parameters, only) else "data"
        return Binding(kind, {only: "data"}, True)
    sources: dict[str | int, str] = {}
    for parameter in parameters:
        source = named.get(parameter.name) or _source(parameter, has, {*declared})
        if source is not None:
            sources[parameter.name] = source
    if "pos" not in sources.values() and "x" in required and "x" not in sources and "pos" in has:
        sources = {"x": "pos", **sources}
    missing = [name for name in required if name not in sources]
    if missing:
        _refuse(missing, parameters, has)
    order: dict[str | int, str] = {p.name: sources[p.name] for p in parameters if p.name in sources}
    framed = Signature(model).is_framed
    if framed and "batch" not in order.values():
        order["batch"] = "batch"
    return Binding("arguments", order, "batch" in order.values())


def _parameters(model: Callable) -> list[inspect.Parameter] | None:
    """Parameters of a model; None if they have no names."""
    inner = getattr(model, "_orig_mod", model)
    while isinstance(getattr(inner, "signature", None), Signature) and hasattr(inner, "model"):
        inner = inner.model  # a framed model is called as the model inside
    try:
        call = inner.forward if isinstance(inner, nn.Module) else inner
        parameters = list(inspect.signature(call).parameters.values())
    except (ValueError, TypeError):
        return None
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not named and parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
        takes = Signature(model).takes
        names = [name for name in ("z", "pos", "batch") if takes(name)]
        return [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in names]
    return named or None


def _source(parameter: inspect.Parameter, has: set[str], declared: set[str]) -> str | None:
    name, is_optional = parameter.name, parameter.default is not parameter.empty
    if name in has and not (is_optional and name in TARGETS and name not in declared):
        return name
    return next((source for source, names in ALIASES.items() if name in names and source in has), None)


def _takes_whole(model: Callable, name: str, parameters: list[inspect.Parameter]) -> bool:
    """Whether the only required parameter is a Data or a dict, by its annotation or its name."""
    annotation = str(next(p.annotation for p in parameters if p.name == name))
    if "Data" in annotation or "Batch" in annotation or _is_dict(parameters, name):
        return True
    return name in DATA_NAMES


def _is_dict(parameters: list[inspect.Parameter], name: str) -> bool:
    annotation = next(p.annotation for p in parameters if p.name == name)
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return "dict" in f"{text} {annotation} {name}".lower() or "Mapping" in str(annotation)


def _check_named(named: Mapping[str, str], parameters: list[inspect.Parameter] | None, has: set[str]) -> None:
    names = None if parameters is None else [p.name for p in parameters]
    for parameter, attribute in named.items():
        if names is not None and parameter not in names:
            checks.refuse("names", f"parameters of the model, {', '.join(names)}", parameter)
        if attribute not in has:
            checks.refuse("names", f"attributes of the data, {', '.join(sorted(has))}", attribute)


def _refuse(missing: list[str], parameters: list[inspect.Parameter], has: set[str]) -> None:
    written = ", ".join(p.name if p.default is p.empty else f"{p.name}=..." for p in parameters)
    hint = f"--map {missing[0]}=pos"
    if {*missing} & {*EDGES, *ALIASES["edge_index"], *ALIASES["edge_weight"], *ALIASES["edge_vec"]}:
        hint = "--edges radius=5.0"
    raise ValueError(
        f"model: expected parameters that the data have, found {', '.join(map(repr, missing))} in "
        f"forward({written}); the data have {', '.join(sorted(has))}. Say what a parameter receives, such as "
        f"{hint} (in Python names= and edges=), or wrap the model in a function of z, pos and batch"
    )
