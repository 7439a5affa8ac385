"""Tables of measured planes: a row a kind and method, means over kinds and over planes."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from napari_segany.evaluation.kinds import mean_over_kinds, paired_difference

COLUMNS: dict[str, Callable[[dict[str, Any]], float]] = {
    "mSA": lambda row: row["scores"]["msa"],
    "SA50": lambda row: row["scores"]["sa50"],
    "precision": lambda row: row["scores"]["precision"],
    "recall": lambda row: row["scores"]["recall"],
    "cand. recall": lambda row: _of_candidates(row, "recall"),
    "cand. IoU": lambda row: _of_candidates(row, "mean_iou"),
    "lost": lambda row: _of_candidates(row, "lost"),
    "never": lambda row: _of_candidates(row, "never_proposed"),
    "s/plane": lambda row: row["seconds"],
    "CPU s": lambda row: row.get("cpu_seconds", float("nan")),
}
"""Columns of the table with the value of a plane, NaN where its line does not have it."""

COUNTS = ("planes", "objects", "found")
"""Columns that are sums."""

BASE = "grid"
"""Method whose seconds the others' are compared with."""


def _of_candidates(row: dict[str, Any], name: str) -> float:
    return float("nan") if row["candidates"] is None else row["candidates"][name]


def as_figures(rows: list[dict[str, Any]], paired: str | None) -> Any:
    """Means by kind and method, over kinds and over planes, and the differences from a method.

    Planes without a labelled object are left out, and those that not all methods have done, so that
    all means are over the same planes. ``ratio`` is how often a method does a plane while the grid
    does one.
    """
    methods = list(dict.fromkeys(row["method"] for row in rows))
    rows = [row for row in rows if row["scores"]["truth"]]
    done = Counter(_place(row) for row in rows)
    unfinished = sum(count < len(methods) for count in done.values())
    rows = [row for row in rows if done[_place(row)] == len(methods)]
    if not rows:
        raise SystemExit("No plane with labelled objects has been measured with all methods.")
    if paired is not None and paired not in methods:
        raise SystemExit(f"{paired} has not been measured; --paired needs it.")
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"{row['set'].partition('/')[0]}/{row['kind']}", []).append(row)
    kinds = {kind: _means(group, methods) for kind, group in groups.items()}
    sets: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        sets.setdefault(row["set"], []).append(row)
    whole = {
        name: _means(group, methods)
        for name, group in sets.items()
        if len({row["kind"] for row in group}) > 1
    }
    out: dict[str, Any] = {
        "unfinished planes": unfinished,
        "kinds": kinds,
        "sets of several kinds": whole,
        "mean over kinds": {
            name: _without_counts(
                mean_over_kinds({kind: each[name] for kind, each in kinds.items()})
            )
            for name in methods
        },
        "mean over planes": _means(rows, methods),
    }
    if paired is not None:
        out["paired with"] = paired
        out["differences"] = {
            name: _differences(groups, rows, name, paired) for name in methods if name != paired
        }
    return out


def _means(rows: list[dict[str, Any]], methods: Sequence[str]) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {}
    base = {_place(row): row["seconds"] for row in rows if row["method"] == BASE}
    for name in methods:
        mine = [row for row in rows if row["method"] == name]
        counts = (len(mine), *(sum(r["scores"][key] for r in mine) for key in ("truth", "found")))
        out[name] = dict(zip(COUNTS, counts, strict=True))
        out[name] |= {
            key: float(np.mean([value(r) for r in mine])) for key, value in COLUMNS.items()
        }
        if base:
            took = sum(row["seconds"] for row in mine)
            out[name]["ratio"] = sum(base[_place(row)] for row in mine) / max(took, 1e-9)
    return out


def _without_counts(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in COUNTS}


def _place(row: dict[str, Any]) -> tuple[str, str, int | None]:
    return row["set"], row["image"], row["plane"]


def _differences(
    groups: dict[str, list[dict[str, Any]]], rows: list[dict[str, Any]], name: str, paired: str
) -> dict[str, Any]:
    """Differences of mSA of two methods by kind, over planes and over kinds."""

    def scores(among: list[dict[str, Any]], method: str) -> dict[Any, float]:
        return {_place(r): r["scores"]["msa"] for r in among if r["method"] == method}

    kind_of = {_place(row): kind for kind, group in groups.items() for row in group}
    found: dict[str, Any] = {}
    for kind, group in [*groups.items(), ("mean over planes", rows)]:
        ours, others = scores(group, name), scores(group, paired)
        pair = list(ours.values()), [others[place] for place in ours]
        if group is rows:
            among = [kind_of[place] for place in ours]
            found["mean over kinds"] = asdict(paired_difference(*pair, among))
        found[kind] = asdict(paired_difference(*pair))
    return found


def print_tables(figures: Any) -> None:
    """Print a line a kind and method, the means, and the differences."""
    groups = [
        *figures["kinds"].items(),
        *((f"{name} (all)", each) for name, each in figures["sets of several kinds"].items()),
        ("mean over kinds", figures["mean over kinds"]),
        ("mean over planes", figures["mean over planes"]),
    ]
    width = max(len(kind) for kind, _ in groups)
    across = max(len(method) for method in figures["mean over planes"])
    names = [*COUNTS, *COLUMNS, "ratio"]
    print(f"{'kind':<{width}}  {'method':<{across}}" + "".join(f" {_short(n):>9}" for n in names))
    for kind, methods in groups:
        for method, row in methods.items():
            cells = "".join(f" {_cell(row.get(n), n):>9}" for n in names)
            print(f"{kind:<{width}}  {method:<{across}}{cells}")
            kind = ""
    if figures["unfinished planes"]:
        print(f"{figures['unfinished planes']} planes that some method has not done are left out.")
    for name, rows in figures.get("differences", {}).items():
        print(f"\nmSA of {name} minus that of {figures['paired with']}, 95 % interval over planes:")
        for kind, row in rows.items():
            print(
                f"{kind:<{width}}  {row['mean']:+.3f}  ({row['low']:+.3f} to {row['high']:+.3f}), "
                f"{row['images']} planes"
            )


def _short(name: str) -> str:
    return {"cand. recall": "c.recall", "cand. IoU": "c.IoU", "precision": "prec."}.get(name, name)


def _cell(value: float | None, name: str) -> str:
    if value is None or np.isnan(value):
        return ""
    if name in COUNTS:
        return f"{value:.0f}"
    return f"{value:.2f}" if name in ("s/plane", "CPU s", "ratio") else f"{value:.3f}"
