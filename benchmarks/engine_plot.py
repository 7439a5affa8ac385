"""The figures of ``engine.py`` as one picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


def _ratios(figures: Figures) -> dict[str, float]:
    """Every ratio reference / ours that was measured."""
    ratios = {}
    for part in ("embed", "click", "prompts", "boxes", "automatic"):
        measured = figures.get(part, [])
        for each in measured if isinstance(measured, list) else [measured]:
            for row in each["ours"]:
                for against, ratio in row["ratio"].items():
                    how = "" if against == "reference" else f" ({against})"
                    where = f" {each['image']}" if part == "automatic" else ""
                    ratios[f"{part}{where}, {row['name']}{how}"] = ratio
    for way, row in figures.get("memory", {}).get("megabytes", {}).items():
        if way != "reference" and "peak_ratio" in row:
            ratios[f"memory, {way}"] = row["peak_ratio"]
    return ratios


def _bars(axes: Any, figures: Figures) -> None:
    ratios = _ratios(figures)
    axes.barh(list(ratios), list(ratios.values()))
    axes.bar_label(axes.containers[0], fmt="%.1f", fontsize=7)
    axes.set_xscale("log")
    # Bars of a logarithmic axis mean something only from 1 on.
    axes.set_xlim(min(1, *ratios.values()), 1.5 * max(ratios.values()))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("reference / ours")


def _waterfall(axes: Any, figures: Figures) -> None:
    ours = figures["waterfall"]["ours"]
    start = 0.0
    for stage, seconds in ours["elapsed"].items():
        axes.barh(stage, seconds, left=start)
        axes.text(start + seconds, stage, f" {seconds:.2f}", va="center", fontsize=7)
        start += seconds
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(f"seconds, ours exact, {figures['waterfall']['image']}")


def _lines(axes: Any, rows: list[Figures], x: str) -> None:
    for name, mark in (("seconds", "o-"), ("decoding", "s--"), ("drawing", "^:")):
        axes.plot([row[x] for row in rows], [row[name] for row in rows], mark, label=name)
    axes.set_ylabel("seconds")
    axes.set_ylim(bottom=0)
    axes.legend()


def _points(axes: Any, figures: Figures) -> None:
    _lines(axes, figures["curve"]["points"]["rows"], "points")
    fit = figures["curve"]["points"]["fit"]
    axes.set_xlabel("points" + (f" (straight line: R² {fit['r2']:.4f})" if fit else ""))


def _sides(axes: Any, figures: Figures) -> None:
    rows = figures["curve"]["sides"]
    _lines(axes, rows, "side")
    axes.set_xscale("log", base=2)
    axes.set_xlabel(f"side of the image in pixels, {rows[0]['points']} points")


def draw(figures: Figures, path: Path) -> None:
    """Draw what was measured and write it to ``path``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels: list[Callable[[Any, Figures], None]] = []
    if _ratios(figures):
        panels.append(_bars)
    if "waterfall" in figures:
        panels.append(_waterfall)
    if "curve" in figures:
        panels += [_points, _sides]
    if not panels:
        return
    columns = min(len(panels), 2)
    lines = -(-len(panels) // columns)
    figure, grid = pyplot.subplots(
        lines, columns, figsize=(8 * columns, 6 * lines), squeeze=False, layout="constrained"
    )
    for axes, panel in zip(grid.flat, panels, strict=False):
        panel(axes, figures)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    machine = figures["machine"]
    figure.suptitle(
        f"{machine['gpu'] or machine['cpu']}, {machine['threads']} threads, "
        f"torch {machine['torch_version']}"
    )
    figure.savefig(path, dpi=150)
