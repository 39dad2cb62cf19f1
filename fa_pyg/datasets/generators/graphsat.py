"""GRAPHSAT, the text format of the EXP data set: graphs with two kinds of nodes and a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import torch

from fa_pyg.files.tensors import Tensors

__all__ = ["one_hot", "parse_graphsat"]

LONGEST = 60  # characters of a line in an error
LABELS = KINDS = range(2)


def parse_graphsat(file: str, content: bytes) -> Tensors:
    """Parse the graphs of a file.

    The first line is the number of graphs. Every graph is a line ``nodes label``, then for every node a line
    ``kind degree neighbor...``.

    Raises:
        ValueError: with file and line, for any other text, and where adjacency is not symmetric.
    """
    lines = content.decode("ascii", errors="replace").rstrip().split("\n")
    (graphs,) = _numbers(file, lines, 0, "an even number of graphs", _is_count)
    nodes, labels, kinds, degrees, edges = [], [], [], [], []
    line = 1
    for _ in range(graphs):
        n, label = _numbers(file, lines, line, "`nodes label`, the label 0 or 1", _is_head)
        rows = [_node(file, lines, line + 1 + i, n, i) for i in range(n)]
        _check_symmetry(file, lines, line + 1, rows)
        nodes.append(n)
        labels.append(label)
        kinds += [row[0] for row in rows]
        degrees += [len(row) - 2 for row in rows]
        edges += [(i, j) for i, row in enumerate(rows) for j in sorted(row[2:])]
        line += 1 + n
    if line < len(lines):
        raise _error(file, lines, line, f"the end of the file after {graphs} graphs")
    return _tensors(nodes, labels, kinds, degrees, edges)


def _is_count(values: Sequence[int]) -> bool:
    return len(values) == 1 and values[0] > 0 and values[0] % 2 == 0


def _is_head(values: Sequence[int]) -> bool:
    return len(values) == 2 and values[0] > 0 and values[1] in LABELS


def _node(file: str, lines: list[str], line: int, n: int, node: int) -> list[int]:
    def is_node(values: Sequence[int]) -> bool:
        others = set(values[2:]) - {node}
        count = len(values) - 2
        return count >= 0 and values[0] in KINDS and values[1] == count == len(others) and _below(others, n)

    expected = f"`kind degree neighbor...` of node {node}: kind 0 or 1, different neighbors below {n}"
    return _numbers(file, lines, line, expected, is_node)


def _below(values: set[int], n: int) -> bool:
    return not values or max(values) < n


def _check_symmetry(file: str, lines: list[str], first: int, rows: list[list[int]]) -> None:
    edges = {(i, j) for i, row in enumerate(rows) for j in row[2:]}
    for i, j in sorted(edges):
        if (j, i) not in edges:
            raise _error(file, lines, first + j, f"node {j} to list node {i} (line {first + i + 1} lists it)")


def _numbers(file: str, lines: list[str], line: int, expected: str, holds: Callable) -> list[int]:
    """Return the integers of a line, all nonnegative."""
    words = lines[line].split() if line < len(lines) else []
    values = [int(word) if word.isdecimal() and len(word) < 10 else -1 for word in words]
    if min(values, default=-1) < 0 or not holds(values):
        raise _error(file, lines, line, expected)
    return values


def _error(file: str, lines: list[str], line: int, expected: str) -> ValueError:
    found = repr(lines[line][:LONGEST]) if line < len(lines) else "the end of the file"
    return ValueError(f"{file}, line {min(line, len(lines)) + 1}: expected {expected}, found {found}")


def _tensors(nodes, labels, kinds, degrees, edges) -> Tensors:
    starts = [0, *accumulate(nodes)]
    degrees_before = torch.tensor([0, *accumulate(degrees)])
    return {
        "nodes": torch.tensor(nodes, dtype=torch.long),
        "edges": degrees_before[torch.tensor(starts)].diff(),
        "x": one_hot(torch.tensor(kinds, dtype=torch.long)),
        "edge_index": torch.tensor(edges, dtype=torch.long).view(-1, 2).t().contiguous(),
        "y": torch.tensor(labels, dtype=torch.long),
    }


def one_hot(kinds: torch.Tensor) -> torch.Tensor:
    """Return clauses (kind 0) and literals (kind 1) as features [N, 2]."""
    return torch.eye(len(KINDS))[kinds]
