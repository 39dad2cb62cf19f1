"""Build labeled conformers of NCI SMILES in parts, in an order drawn by a seed, with a list of failures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fa_pyg.datasets.xtb.parts import Parts, check_graphs, pack
from fa_pyg.datasets.xtb.pool import Workers
from fa_pyg.files import write_atomically
from fa_pyg.progress import bar

__all__ = ["PART", "Build", "source"]

PART = 64  # SMILES in a part: what a killed run may lose
WAVE = 16  # parts at once; between waves processes may wait for one another
Line = tuple[int, str]  # index in the file, and SMILES


class Build:
    """The conformers of SMILES in one order, built part by part.

    Args:
        parts: the folder.
        wanted: the number of molecules; None for all.
        conformers, seed: of :class:`~fa_pyg.datasets.NCIConformers`.
    """

    def __init__(self, parts: Parts, wanted: int | None, conformers: int, seed: int) -> None:
        self.parts, self.wanted, self.conformers, self.seed = parts, wanted, conformers, seed
        self.done: list[dict[str, Any]] = []

    def complete(self) -> bool:
        """Load stored parts in order; return whether nothing is missing."""
        while not self._enough() and (part := self.parts.load(_name(len(self.done)), _check)):
            self.done.append(part)
        return self._enough()

    def _enough(self) -> bool:
        ended = bool(self.done) and self.done[-1]["last"]
        return ended or (self.wanted is not None and self.found() >= self.wanted)

    def found(self) -> int:
        """Return the number of molecules with at least one conformer."""
        return sum(len(part["molecule"].unique()) for part in self.done)

    def run(self, processes: Workers, progress: bool) -> None:
        """Build waves of parts until there are enough molecules: failures show only afterwards."""
        self.order, self.repeated = _order(self.seed)
        total = self.wanted or len(self.order)
        with bar(total=total, desc="NCI conformers", unit="molecules", progress=progress) as self.bar:
            self.bar.update(self.found())
            while not self.complete():
                self._wave(processes)
        self._list_failures()

    def _wave(self, processes: Workers) -> None:
        first, last = len(self.done), -(-len(self.order) // PART)
        missing = len(self.order) if self.wanted is None else self.wanted - self.found()
        numbers = range(first, min(last, first + WAVE, first - (-missing // PART)))
        lines = {number: self._lines(number) for number in numbers if _name(number) not in self.parts}
        asked = [(number, line) for number in lines for line in lines[number]]
        left, answers = Counter(number for number, _ in asked), {}
        for i, answer in processes.run([self._request(*line) for _, line in asked]):
            number, line = asked[i]
            answers[line] = answer
            self._show(answer)
            left[number] -= 1
            if not left[number]:
                self.parts.save(_name(number), self._part(number, answers, number == last - 1))

    def _lines(self, number: int) -> list[Line]:
        return self.order[number * PART : (number + 1) * PART]

    def _request(self, line: int, smiles: str) -> dict[str, Any]:
        seed = (self.seed * 1_000_003 + line) % (2**31 - 1)
        return {"task": "conformers", "smiles": smiles, "count": self.conformers, "seed": seed}

    def _show(self, answers: list[dict[str, Any]]) -> None:
        self.bar.update(any("error" not in answer for answer in answers))

    def _part(self, number: int, answers: dict[Line, list[dict[str, Any]]], last: bool) -> dict[str, Any]:
        """Return a part in the order of its lines, whatever the order of the answers."""
        labeled = [(line, answer) for line in self._lines(number) for answer in answers[line]]
        good = [(line, answer) for line, answer in labeled if "error" not in answer]
        bad = [[*line, _reason(answer)] for line, answer in labeled if "error" in answer]
        return {
            "graphs": pack([answer for _, answer in good]),
            "molecule": torch.tensor([line for (line, _), _ in good], dtype=torch.long),
            "smiles": [smiles for (_, smiles), _ in good],
            "failures": bad + (self.repeated if number == 0 else []),
            "last": last,
        }

    def _list_failures(self) -> None:
        failures = sorted(tuple(failure) for part in self.done for failure in part["failures"])
        kinds = Counter(reason.split(" (conformer")[0].split(":")[0] for _, _, reason in failures)
        head = [f"# {len(failures)} failures; {self.found()} molecules kept", "# line\tSMILES\treason"]
        head[1:1] = [f"# {count} {kind}" for kind, count in kinds.most_common()]
        text = "\n".join(head + ["\t".join(map(str, failure)) for failure in failures]) + "\n"
        write_atomically(self.parts.folder / "failures.txt", text, follow_links=False)


def _name(number: int) -> str:
    return f"part{number:04d}"


def _check(part: dict[str, Any]) -> None:
    """Raise an error for a part that ``Build`` cannot have written."""
    count = check_graphs(part["graphs"])
    molecule, smiles = part["molecule"], part["smiles"]
    if molecule.dtype != torch.long or molecule.shape != (count,) or len(smiles) != count:
        raise ValueError(f"{count} geometries of {len(smiles)} SMILES")
    if not isinstance(part["last"], bool) or any(len(failure) != 3 for failure in part["failures"]):
        raise ValueError("no list of failures")


def _reason(answer: dict[str, Any]) -> str:
    where = f" (conformer {answer['conformer']})" if "conformer" in answer else ""
    return answer["error"] + where


def source() -> list[str]:
    """Return the NCI SMILES that come with RDKit, line by line."""
    from rdkit import RDConfig

    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").read_text().splitlines()
    return [line.split()[0] for line in lines]


def _order(seed: int) -> tuple[list[Line], list[list[Any]]]:
    """Return the lines in random order, and, as failures, the lines that repeat a molecule."""
    from rdkit import Chem, rdBase

    first: dict[str, int] = {}
    lines, repeated = [], []
    with rdBase.BlockLogs():
        for line, smiles in enumerate(source()):
            molecule = Chem.MolFromSmiles(smiles)
            unique = smiles if molecule is None else Chem.MolToSmiles(molecule)
            if first.setdefault(unique, line) == line:
                lines.append((line, smiles))
            else:
                repeated.append([line, smiles, f"the same molecule: as in line {first[unique]}"])
    order = np.random.RandomState(seed).permutation(len(lines))  # a stream that no version changes
    return [lines[i] for i in order], repeated
