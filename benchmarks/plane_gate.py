"""Which planes a trained finder is used for: planes of its kind, and of all other kinds.

    python benchmarks/plane_gate.py --data FOLDER --limits 0.3 0.5 0.7

``FOLDER`` has ``SET/images`` and ``SET/labels``. The first planes of each kind are references, as
of a training on them; it counts how many others of that kind are near enough, and of other kinds.
``--split validate`` takes images of training sets, on which the limit was chosen.
"""

import argparse
from collections import defaultdict

import numpy as np
import torch

from data import add_data_option, data_folder
from kind_images import find_planes
from napari_segany.models.device import choose_device
from napari_segany.models.plane_gate import LIMIT, describe_plane, make_gate, plane_distance
from sides import load_ours

LEFT_OUT = ("multichannel", "tl_cho3d")
"""Sets whose planes have channels or volumes to choose from."""


def main() -> None:
    """Describe planes, and print a row for each kind and for each limit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--planes", type=int, default=4, help="planes of each kind (default: 4)")
    parser.add_argument("--references", type=int, default=2, help="of these (default: 2)")
    parser.add_argument("--limits", type=float, nargs="+", default=[LIMIT])
    parser.add_argument("--split", help="images of a split of training sets instead")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_ours(choose_device(args.device), "auto")
    described: dict[str, list[np.ndarray]] = defaultdict(list)
    for plane in find_planes([data_folder(args)], None, [] if args.split else ["2"], args.split):
        if plane.kind in LEFT_OUT or len(described[plane.kind]) >= args.planes:
            continue
        rgb, _ = plane.read()
        described[plane.kind].append(describe_plane(model.embed(rgb, stages=True)))
    own: list[float] = []
    others: list[float] = []
    print("| kind | its other planes | nearest other kind | distance |")
    print("|---|---|---|---:|")
    for kind, planes in described.items():
        if len(planes) <= args.references:
            continue
        gate = make_gate(np.stack(planes[: args.references]))
        near = [plane_distance(gate, each) for each in planes[args.references :]]
        far = {
            name: [plane_distance(gate, each) for each in some]
            for name, some in described.items()
            if name != kind
        }
        own += near
        others += [value for values in far.values() for value in values]
        nearest = min(far, key=lambda name: min(far[name]))
        shown = ", ".join(f"{value:.2f}" for value in near)
        print(f"| {kind} | {shown} | {nearest} | {min(far[nearest]):.2f} |")
    for limit in args.limits:
        shares = [np.mean(np.array(some) <= limit) for some in (own, others)]
        print(f"limit {limit}: {shares[0]:.0%} of own planes, {shares[1]:.1%} of others")


if __name__ == "__main__":
    main()
