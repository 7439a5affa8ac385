"""Write the tables of ``docs/finder-card.md`` from a finder's file or a folder of training sets.

Usage: ``python scripts/finder_card.py SOURCE [--figures FIGURES.json]``. SOURCE is a finder's file,
whose facts about its data are taken, or a folder with ``MANIFEST.json``. FIGURES is a list of
objects with the same keys, one a row: the first key is usually the kind. What stands outside the
markers is left as it is.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from napari_segany.training.facts import describe_sets, sets_table
from napari_segany.weights.finders import read_finder

PAGE = Path(__file__).parents[1] / "docs" / "finder-card.md"

NUMBERS = 3
"""Digits of figures after the point."""


def facts_of(source: Path) -> dict[str, Any]:
    """Return the facts of a finder's file, or of a folder of which no finder is trained yet."""
    if source.is_dir():
        return {"sets": describe_sets(source)}
    file = read_finder(source)
    return {
        **file.card.facts,
        "title": file.card.title,
        "encoder": file.card.encoder.name,
        "sha256": file.sha256,
        "bytes": file.path.stat().st_size,
    }


def identity(facts: dict[str, Any]) -> str:
    """Return a list of what was trained, on which encoder, for how long."""
    lines = []
    if "sha256" in facts:
        lines += [
            f"- {facts['title']}, for the image encoder of `{facts['encoder']}`",
            f"- {facts['bytes'] / 1e6:.1f} MB, SHA-256 `{facts['sha256']}`",
        ]
    if "steps" in facts:
        lines.append(f"- {facts['views']} views, {facts['steps']} steps, seed {facts['seed']}")
    return "\n".join(lines) or "No finder is trained yet; the tables are those of the data."


def notes(facts: dict[str, Any]) -> str:
    """Return what the manifest says about the labels of each set."""
    lines = []
    for each in facts["sets"]:
        incomplete = "" if each["complete"] else " Objects are left unlabelled."
        left_out = ""
        if each["left_out"]:
            left_out = f" Left out, as figures are reported on them: {each['left_out']} images."
        lines.append(
            f"- **{each['name']}**: {each.get('modality', 'modality not stated')}. Labels: "
            f"{each.get('labels', 'not described')}.{incomplete}{left_out}"
        )
    return "\n".join(lines)


def figures_table(rows: list[dict[str, Any]]) -> str:
    """Return rows of figures as a Markdown table."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|---" + "|---:" * (len(names) - 1) + "|"]
    for row in rows:
        cells = [f"{v:.{NUMBERS}f}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def updated(page: str, **parts: str) -> str:
    """Return the text of the page with other text between the markers of each part.

    Raises
    ------
    ValueError
        If the markers of a part are not in the page.
    """
    for name, text in parts.items():
        first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if page.count(first) != 1 or page.count(last) != 1:
            raise ValueError(f"The page must have {first} and {last} once.")
        before, _, rest = page.partition(first)
        page = f"{before}{first}\n\n{text}\n\n{last}{rest.partition(last)[2]}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the tables of docs/finder-card.md.")
    parser.add_argument("source", type=Path, help="a finder's file, or a folder of training sets")
    parser.add_argument("--figures", type=Path, help="JSON file with a list of rows")
    args = parser.parse_args()
    facts = facts_of(args.source)
    parts = {"identity": identity(facts), "data": sets_table(facts["sets"]), "labels": notes(facts)}
    if args.figures is not None:
        parts["figures"] = figures_table(json.loads(args.figures.read_text(encoding="utf-8")))
    page = updated(PAGE.read_text(encoding="utf-8"), **parts)
    PAGE.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
