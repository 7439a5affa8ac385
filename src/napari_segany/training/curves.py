"""Plot of the losses of a training run."""

from collections.abc import Sequence
from pathlib import Path

from napari_segany.training.losses import PARTS
from napari_segany.weights.cache import replacing


def plot_curves(curve: Sequence[dict[str, float]], path: Path) -> None:
    """Plot the losses over the steps as a PNG file.

    Parameters
    ----------
    curve : sequence of dict
        Points with ``step``, ``loss``, the parts of the loss, and at some ``validation``; as in
        ``curve.json``.
    path : Path
        The file; replaced at once.

    Raises
    ------
    ImportError
        If matplotlib is missing, which is in the extra ``evaluate``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, names in ((left, ("loss", "validation")), (right, tuple(PARTS))):
        for name in names:
            points = [(point["step"], point[name]) for point in curve if name in point]
            if points:
                marker = "o" if len(points) < 40 else None
                axes.plot(*zip(*points, strict=True), label=name, marker=marker, markersize=3)
        axes.set(xlabel="step", yscale="log")
        axes.grid(alpha=0.3, which="both")
        if axes.lines:
            axes.legend()
    left.set(title="Sum", ylabel="loss")
    right.set(title="Parts, without their weights")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png", metadata={"Software": None})
