"""Report as one HTML page, which needs no other file and no script."""

from __future__ import annotations

import html
from collections.abc import Iterator

from fa_pyg.testing.reports.result import FAULT, NONE, Curve, Points, Report, Row, Section, Worst
from fa_pyg.testing.reports.structures import count
from fa_pyg.testing.reports.svg import bars, curve, scatter
from fa_pyg.testing.reports.text import columns, conclusion, figure, summary

__all__ = ["page"]

STYLE = """
:root { color-scheme: light dark; --text: #1c2430; --soft: #5d6b7c; --back: #ffffff; --card: #f5f7fa;
  --line: #d8dee7; --good: #2f7d5b; --low: #8fb8a6; --bad: #c2362f; --blue: #2b62b0; --none: #6b7785; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6ebf1; --soft: #9dabbc; --back: #12161c; --card: #1b222b; --line: #333d4a;
    --good: #4fb286; --low: #2f6650; --bad: #f0736b; --blue: #7fb0f2; --none: #8793a1; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 56rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .2rem; }
p { margin: .3rem 0; }
.soft { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-size: .92rem; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
tr.noted td { border-bottom: none; padding-bottom: 0; }
th { color: var(--soft); font-weight: 500; }
td:first-child, th:first-child { width: 1%; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .1rem 1rem; margin: .8rem 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; }
.mark { display: inline-block; min-width: 3.4rem; text-align: center; border-radius: .3rem; padding: 0 .45rem;
  font-size: .82rem; font-weight: 600; color: var(--back); background: var(--good); }
.mark.fault { background: var(--bad); }
.mark.none { background: var(--none); }
.result { border-left: .3rem solid var(--good); background: var(--card); padding: .6rem .9rem;
  margin: .9rem 0; }
.result.fault { border-color: var(--bad); }
a { color: inherit; }
svg { width: 100%; max-width: 36rem; height: auto; display: block; margin: .5rem 0; }
svg text { font-size: 12px; fill: var(--text); }
svg text.small { font-size: 11px; fill: var(--soft); }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .good { fill: var(--good); }
svg .low { fill: var(--low); }
svg .bad { fill: var(--bad); }
svg .faint { fill: var(--bad); fill-opacity: .45; }
svg .curve { fill: none; stroke: var(--blue); stroke-width: 2; }
svg .dot { fill: var(--blue); fill-opacity: .7; }
svg .mark { stroke: var(--bad); stroke-dasharray: 4 3; }
svg .limit { stroke: var(--text); stroke-width: 2; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr));
  gap: .3rem 1.2rem; }
figure { margin: .4rem 0; }
figcaption { font-size: .85rem; color: var(--soft); }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--soft); }
pre { background: var(--card); padding: .6rem; overflow-x: auto; font-size: .8rem; line-height: 1.35; }
"""
SHOWN = 60  # atoms of a worst input on the page


def page(report: Report) -> str:
    """Write the page."""
    state = " fault" if report.faults or not report.passed else ""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_safe(_subject(report))}: check</title><style>{STYLE}</style></head><body>",
        "<h1>Is the model what it should be?</h1>",
        f'<div class="result{state}">{_safe(conclusion(report))}</div>',
        "<dl>" + "".join(f"<dt>{_safe(k)}</dt><dd>{_safe(v)}</dd>" for k, v in report.facts) + "</dl>",
        _summary(report),
        *(_section(section) for section in report.sections),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _subject(report: Report) -> str:
    return dict(report.facts).get("model", "model")


def _safe(text: str) -> str:
    return html.escape(str(text), quote=True)


def _mark(verdict: str) -> str:
    kind = {FAULT: " fault", NONE: " none"}.get(verdict, "")
    return f'<span class="mark{kind}">{_safe(verdict)}</span>'


def _summary(report: Report) -> str:
    rows = "".join(
        f'<tr><td>{_mark(s.verdict)}</td><td><a href="#{_safe(s.name)}">{_safe(s.name)}</a></td>'
        f"<td>{_safe(summary(s))}</td></tr>"
        for s in report.sections
    )
    return f'<div class="scroll"><table>{rows}</table></div>'


def _section(section: Section) -> str:
    parts = [f'<h2 id="{_safe(section.name)}">{_mark(section.verdict)} {_safe(section.name)}</h2>']
    parts.append(f'<p class="soft">{_safe(section.title)}</p>')
    if section.reason:
        parts.append(f"<p>Not applicable: {_safe(section.reason)}</p>")
    if section.rows:
        parts += [_bars(section), _table(section)]
    parts += [f"<p>{_safe(remark)}</p>" for remark in section.remarks]
    if section.plots:
        parts.append('<div class="plots">' + "".join(map(_plot, section.plots)) + "</div>")
    parts += list(_worst_inputs(section))
    return "\n".join(parts)


def _bars(section: Section) -> str:
    drawn = bars(section.rows)
    precisions, has_limits = columns(section)
    if not drawn:
        return ""
    words = f"errors {section.unit}"
    words += f"; light: {precisions[0]}, dark: {precisions[1]}" if len(precisions) > 1 else ""
    words += f"; the upright line is what is allowed in {precisions[-1]}" if has_limits else ""
    return f"<figure>{drawn}<figcaption>{_safe(words)}</figcaption></figure>"


def _plot(plot: Curve | Points) -> str:
    drawn = curve(plot) if isinstance(plot, Curve) else scatter(plot)
    return f"<figure>{drawn}<figcaption>{_safe(plot.title)}</figcaption></figure>"


def _table(section: Section) -> str:
    precisions, has_limits = columns(section)
    heads = ["", "case", "output", *precisions, *["allowed"] * has_limits, *["worst on"] * bool(precisions)]
    kinds = ["", "", "", *["n"] * (len(precisions) + has_limits), *[""] * bool(precisions)]
    head = "".join(f'<th class="{kind}">{_safe(word)}</th>' for word, kind in zip(heads, kinds, strict=True))
    body = "".join(_row(row, precisions, has_limits, kinds) for row in section.rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _row(row: Row, precisions: list[str], has_limits: bool, kinds: list[str]) -> str:
    figures = [figure(row.errors.get(p)) for p in precisions] + [figure(row.limit)] * has_limits
    words = [row.case, row.output, *figures, *[row.where] * bool(precisions)]
    cells = "".join(f'<td class="{kind}">{_safe(v)}</td>' for v, kind in zip(words, kinds[1:], strict=True))
    note = row.note if precisions else ": ".join(filter(None, (row.where, row.note)))
    below = (
        f'<tr><td></td><td colspan="{len(kinds) - 1}" class="soft">{_safe(note)}</td></tr>' if note else ""
    )
    return f'<tr class="{"noted" if note else ""}"><td>{_mark(row.verdict)}</td>{cells}</tr>{below}'


def _worst_inputs(section: Section) -> Iterator[str]:
    for row in section.rows:
        if row.verdict == FAULT and row.worst is not None:
            head = ", ".join(filter(None, ("worst input", row.case, row.output)))
            yield f"<details><summary>{_safe(head)}</summary><pre>{_safe(_input(row.worst))}</pre></details>"


def _input(worst: Worst) -> str:
    lines = [worst.text]
    if worst.motion is not None:
        lines += ["rotation", *(" ".join(f"{v: .12f}" for v in r) for r in worst.motion.rotation.tolist())]
        lines += ["translation", " ".join(f"{v: .12f}" for v in worst.motion.translation.tolist())]
    for data in worst.structures[:2]:
        lines += ["", data["name_"]]
        pos, z = data.get("pos"), data.get("z")
        if pos is None:
            lines.append(f"{count(data)} nodes")
            continue
        for k, row in enumerate(pos[:SHOWN].tolist()):
            element = "" if z is None else f"{int(z[k]):3d} "
            lines.append(element + " ".join(f"{v: .10f}" for v in row))
        lines += [f"... {len(pos) - SHOWN} more"] * (len(pos) > SHOWN)
    return "\n".join(lines)
