"""``napari-segany replay``: compute the labels of a saved session again."""

import argparse
import time
from pathlib import Path
from typing import Any

from napari_segany.cli import arguments
from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown

EXAMPLES = """\
examples:
  napari-segany replay session.json cells.tif -o results

SESSION is the file that "Recipe > Save" in the Prompt dock wrote: every commit with its prompts.
The labels are the same, byte for byte, on the same kind of machine. OUT receives
NAME_labels.ome.tif.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``replay`` to the command line."""
    about = "Compute the labels of a saved session again."
    parser = arguments.add_command(subparsers, "replay", about, EXAMPLES, run)
    parser.add_argument("session", type=Path, metavar="SESSION", help="saved session, JSON")
    parser.add_argument("image", type=Path, metavar="IMAGE", help="image file")
    arguments.add_output(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from napari_segany.cli.report import counted, seconds
    from napari_segany.core.image_source import ArraySource
    from napari_segany.io.atomic import check_writable, writing
    from napari_segany.io.read import open_image
    from napari_segany.io.write_tiff import LabelStack
    from napari_segany.models.registry import load_model
    from napari_segany.session.replay import replay
    from napari_segany.session.session_file import read_session

    started = time.monotonic()
    check_writable(args.output)
    kept = read_session(args.session)
    if several := kept["image"].get("reading", {}).get("images"):
        raise InputError(
            f"The session saw several images as colours ({', '.join(several)}); do it again in "
            "napari, with these layers."
        )
    # The session saw what napari reads, which takes values as they are stored.
    with open_image(args.image, stored=True) as image:
        target = args.output / f"{image.name}_labels.ome.tif"
        if target.exists() and not args.overwrite:
            raise InputError(f"{target} is there already; give --overwrite.")
        options: dict[str, Any] = {"rgb": image.axes.endswith("S")}
        options |= kept["image"].get("reading", {})
        coarser = image.levels[1:]
        source = ArraySource(image.data, name=image.name, coarser=coarser, **options)
        left_out = len(image.axes) - 1 if source.rgb else source.channel_axis
        axes = "".join(a for k, a in enumerate(image.axes) if k != left_out)
        # Checked before a model is loaded.
        if list(source.shape) != list(kept["image"]["shape"]):
            raise InputError(
                f"The session was about an image of shape {kept['image']['shape']}, "
                f"{args.image} has planes of {list(source.shape)}."
            )
        model = load_model(kept["model"], precision=kept["precision"])
        labels = replay(kept, source, model)
        with LabelStack(axes, labels.shape) as stack:
            for plane in labels.reshape(-1, *labels.shape[-2:]):
                stack.add(plane)
            with writing(target) as temporary:
                stack.save(temporary, image.pixel_size, image.name)
    found = counted(len(set(labels[labels > 0].tolist())), "object")
    print(f"{found} in {seconds(time.monotonic() - started)}; labels in {shown(target)}")
    return 0
