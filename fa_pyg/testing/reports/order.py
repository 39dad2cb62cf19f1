"""Order of the nodes, and other structures in the batch: what outputs must not depend on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.result import Section, Worst
from fa_pyg.testing.reports.structures import changed, count
from fa_pyg.testing.reports.subject import Subject
from fa_pyg.testing.reports.trial import Tally, Trial

__all__ = ["check_batch", "check_permutations"]


def check_permutations(trial: Trial) -> Section:
    """Compare outputs of structures with their nodes (and edges) in another order."""
    title = "the order of the nodes permutes node outputs and changes nothing else"
    if not any(count(data) > 1 for data in trial.data):
        return Section("permutation", title, reason="all structures have a single node")
    tally = Tally(trial)
    for case in ("random orders", "reversed order"):
        for _ in range(1 if trial.quick or case == "reversed order" else 2):
            orders = [_order(trial, data, case) for data in trial.data]
            try:
                moved = [_permuted(data, order) for data, order in zip(trial.data, orders, strict=True)]
            except ValueError as error:
                return Section("permutation", title, reason=str(error))
            _compare(tally, case, moved, orders)
    return Section("permutation", title, tuple(tally.rows()), good="no difference")


def _compare(tally: Tally, case: str, moved: Sequence[Data], orders: Sequence[Tensor]) -> None:
    def expected(k: int, output: Output, value: Tensor) -> Tensor:
        return value[orders[k]] if output.level == "node" else value

    def worst(k: int) -> Worst:
        listed = " ".join(map(str, orders[k].tolist()))
        return Worst((tally.trial.data[k], moved[k]), None, f"nodes in the order {listed}")

    tally.compare(case, moved, expected, worst)


def _order(trial: Trial, data: Data, case: str) -> Tensor:
    n = count(data)
    return (
        torch.randperm(n, generator=trial.generator) if case == "random orders" else torch.arange(n).flip(0)
    )


def _permuted(data: Data, order: Tensor) -> Data:
    """Structure with its nodes in an order, and its edges renumbered, in the order of the new numbers."""
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
    plain = Data(
        **{k: v for k, v in data.to_dict().items() if k not in ("name_", "num_nodes")}, num_nodes=len(order)
    )
    found, edges = {}, None
    if data.get("edge_index") is not None:
        index = rank[data.edge_index]
        edges = torch.argsort(index[0] * len(order) + index[1], stable=True)
        found["edge_index"] = index[:, edges]
    for key, value in plain.items():
        if key == "edge_index" or not isinstance(value, Tensor):
            continue
        if "index" in key or key == "face":
            raise ValueError(f"{key}: expected no node indices except in edge_index, found some")
        if key not in ("cell", "pbc") and plain.is_node_attr(key):
            found[key] = value.index_select(plain.__cat_dim__(key, value), order)
        elif edges is not None and plain.is_edge_attr(key):
            found[key] = value.index_select(plain.__cat_dim__(key, value), edges)
    return changed(data, **found)


def check_batch(trial: Trial) -> Section:
    """Compare outputs of structures alone, and with others in the batch, with those of the whole batch.

    With a fault, the subjects are set to take one structure in a call.
    """
    title = "a structure gives the same alone and in a batch of others"
    if not trial.best.together:
        return Section("batch", title, reason=f"each call takes one structure: {trial.best.binding}")
    tally = Tally(trial)
    _together(tally, "alone", lambda subject, data: subject(data, together=False))
    _together(tally, "reversed batch", lambda subject, data: subject(data[::-1])[::-1])
    far = [trial.data[0], *(_strange(data) for data in trial.data)]
    _together(tally, "other structures", lambda subject, data: _mixed(subject, data, far))
    if not tally.is_at_fault:
        return Section("batch", title, tuple(tally.rows()), good="no difference")
    for subject in trial.subjects.values():
        subject.together = False
    trial.references.clear()
    remarks = ("the other checks take one structure at a time",)
    return Section("batch", title, tuple(tally.rows()), remarks=remarks)


def _strange(data: Data) -> Data:
    """Structure much larger than usual."""
    pos = data.get("pos")
    return data if pos is None else changed(data, pos=1.5 * pos + 20)


def _mixed(subject: Subject, data: Sequence[Data], others: Sequence[Data]) -> list[dict[str, Tensor]]:
    """Outputs of each structure in a batch with one other."""
    pairs = [structure for k, one in enumerate(data) for structure in (one, others[(k + 1) % len(others)])]
    return subject(pairs)[::2]


def _together(tally: Tally, case: str, run) -> None:
    trial = tally.trial

    def worst(k: int) -> Worst:
        others = tuple(one for j, one in enumerate(trial.data) if j != k)
        text = f"the first structure, alone and in a batch with all: it changes ({case})"
        return Worst((trial.data[k], *others), None, text)

    tally.compare(case, trial.data, lambda k, output, value: value, worst, run)
