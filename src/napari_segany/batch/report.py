"""The report of a batch: one HTML page without other files, failures first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

from napari_segany.batch.manifest import Record, ResultStore
from napari_segany.batch.plan import called
from napari_segany.errors import SeganyError
from napari_segany.io.atomic import writing
from napari_segany.io.safe_names import restored, shown
from napari_segany.schema import from_json

REPORT = "segany_report.html"
"""Name of the report in the folder with the results."""

RECIPE_ENDING = "_recipe.json"
"""End of the names of recipes beside results."""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #0072b2; --bad: #d55e00; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; }
body { margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
p { margin: .2rem 0; } .quiet { opacity: .75; }
.failed { border-left: 4px solid var(--bad); padding: .3rem .8rem; margin: .5rem 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8rem; }
.card { overflow-wrap: anywhere; }
.card img { width: 100%; max-height: 15rem; object-fit: contain; border-radius: 4px; }
.card h3 { font-size: 1rem; margin: .4rem 0 .1rem; }
figure { margin: .5rem 0 0; } figcaption { font-size: .8rem; opacity: .75; }
svg { display: block; width: 100%; } rect { fill: var(--bar); }
text { font-size: 9px; fill: currentColor; }
.both { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem; }
"""


def write_report(output: Path) -> Path:
    """Write the report of all images in a folder of results; return its path."""
    path = output / REPORT
    with writing(path) as temporary:
        records = ResultStore(output).all()
        text = make_report(records, read_strategies(output, records))
        temporary.write_text(text, encoding="utf-8")
    return path


def read_strategies(output: Path, records: Mapping[str, Record]) -> dict[str, str]:
    """Return the strategy of each image, from the recipe beside its results where there is one."""
    found = {}
    for name, record in records.items():
        for file in record.outputs:
            recipe = (output / name).parent / restored(file)
            if file.endswith(RECIPE_ENDING) and not recipe.is_symlink():
                with suppress(OSError, SeganyError, KeyError, TypeError, ValueError):
                    values = from_json(dict[str, Any], recipe.read_bytes(), "The recipe")
                    found[name] = str(dict(values["params"])["strategy"])[:60]
    return found


def make_report(
    records: Mapping[str, Record], strategies: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return the report as HTML; ``strategies`` holds those of the images that have one."""
    failed = {name: r for name, r in records.items() if r.error}
    done = {name: r for name, r in records.items() if r.key and not r.error}
    objects = sum(r.summary.objects for r in done.values())
    planes = sum(r.summary.planes for r in done.values())
    counts = [f"{len(done)} images done", f"{planes} planes", f"{objects} objects"]
    counts += [f"{len(failed)} failed"] if failed else []
    partly = {name: r for name, r in done.items() if r.failed_planes}
    unread = sum(len(r.failed_planes) for r in partly.values())
    counts += [f"{unread} planes that could not be read"] if partly else []
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>napari-segany: {', '.join(counts)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Segmentation report</h1><p>{', '.join(counts)}</p>",
        _failures(failed, partly),
        _totals(list(done.values())),
    ]
    if done:
        cards = "".join(_card(name, record, strategies.get(name)) for name, record in done.items())
        parts.append(f"<h2>Images</h2><div class='cards'>{cards}</div>")
    parts.append("</body></html>\n")
    return "\n".join(part for part in parts if part)


def _failures(failed: Mapping[str, Record], partly: Mapping[str, Record]) -> str:
    failures = [(name, r, [r.error]) for name, r in failed.items()]
    failures += [(name, r, r.failed_planes) for name, r in partly.items()]
    if not failures:
        return ""
    rows = "".join(
        f"<div class='failed'><strong>{escape(called(name, Path(r.image)))}</strong>"
        f"{_paragraphs(texts)}</div>"
        for name, r, texts in failures
    )
    return f"<h2>Failed</h2>{rows}"


def _paragraphs(texts: Sequence[str]) -> str:
    return "".join(f"<p>{escape(shown(text))}</p>" for text in texts)


def _totals(done: Sequence[Record]) -> str:
    areas: Counter[str] = Counter()
    scores: Counter[str] = Counter()
    for record in done:
        areas.update(record.summary.area_histogram)
        scores.update(record.summary.score_histogram)
    if not areas:
        return ""
    return (
        "<h2>All objects</h2><div class='both'>"
        + _histogram(areas, "Area in pixels, each bar twice the one before", 2, 130)
        + _histogram(scores, "Predicted IoU", 0.02, 130)
        + "</div>"
    )


def _card(name: str, record: Record, strategy: str | None) -> str:
    summary = record.summary
    text = f"{summary.objects} objects"
    if summary.planes > 1:
        text += f" on {summary.planes} planes"
    pictured = f" (overlay: {summary.pictured})" if summary.pictured else ""
    parts = [
        "<div class='card'>",
        f"<img alt='{escape(shown(name))} with its objects outlined' "
        f"src='data:image/jpeg;base64,{escape(record.thumbnail)}'>",
        f"<h3>{escape(called(name, Path(record.image)))}</h3>",
        f"<p>{text}{escape(shown(pictured))}</p>",
        f"<p class='quiet'>{escape(shown(summary.understood))}</p>",
        f"<p class='quiet'>Strategy: {escape(shown(strategy))}</p>" if strategy else "",
        _paragraphs(record.notes),
        _histogram(summary.area_histogram, "Area in pixels", 2, 60),
        _histogram(summary.score_histogram, "Predicted IoU", 0.02, 60),
    ]
    if summary.planes > 1:
        per_plane = {str(n): count for n, count in enumerate(summary.per_plane)}
        parts.append(_bars(list(per_plane.items()), "Objects on each plane", 60))
    return "".join([*parts, "</div>"])


def _histogram(counts: Mapping[str, int], title: str, step: float, height: int) -> str:
    """Return bars for all bins from first to last; ``step`` is a factor if it is 2 or more."""
    if not counts:
        return ""
    if step >= 2:
        low, high = (f(int(key) for key in counts) for f in (min, max))
        keys = [str(2**n) for n in range(low.bit_length() - 1, high.bit_length())]
    else:
        first, last = (round(f(float(key) for key in counts) / step) for f in (min, max))
        keys = [f"{n * step:.2f}" for n in range(first, last + 1)]
    return _bars([(key, counts.get(key, 0)) for key in keys], title, height)


def _bars(values: Sequence[tuple[str, int]], title: str, height: int) -> str:
    width, most = 300.0, max((n for _, n in values), default=0) or 1
    each = width / max(len(values), 1)
    bars = "".join(
        f"<rect x='{i * each:.2f}' y='{height * (1 - n / most):.2f}' "
        f"width='{max(each * 0.9, 0.5):.2f}' height='{height * n / most:.2f}'>"
        f"<title>{escape(key)}: {n}</title></rect>"
        for i, (key, n) in enumerate(values)
    )
    first, last = (escape(values[i][0]) for i in (0, -1))
    axis = f"<text x='0' y='{height + 11}'>{first}</text>"
    if len(values) > 1:
        axis += f"<text x='{width:g}' y='{height + 11}' text-anchor='end'>{last}</text>"
    return (
        f"<figure><svg viewBox='0 0 {width:g} {height + 14}' role='img' "
        f"aria-label='{escape(title)}'>{bars}{axis}</svg>"
        f"<figcaption>{escape(title)}; the highest bar is {most}</figcaption></figure>"
    )
