"""Contrast limits, gamma and colours with which napari shows image layers, for the model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_segany.core.display import EMPTY, RGB, Display, Pair, check_normalise
from napari_segany.core.intensity import Limits


def shown_limits(layers: Sequence[Any], channels: Sequence[int] | None = None) -> Limits | None:
    """Return what makes the model see image layers as napari shows them now.

    Parameters
    ----------
    layers : sequence of napari.layers.Image
        One layer; or two or three that are seen as one image, in the colours of their colormaps. If
        all have one colour, they are seen as red, green and blue. The colormap of a single layer
        changes no intensity.
    channels : sequence of int, optional
        Channels of the one layer. Its contrast limits and gamma are those of each.

    Returns
    -------
    tuple, Display or None
        As for :func:`napari_segany.core.intensity.to_rgb`; None for 8-bit colours, of which napari
        changes nothing.
    """
    first = layers[0]
    if first.rgb:
        return _colour_limits(np.dtype(first.dtype))
    count = 1 if channels is None else len(channels)
    pairs = [_pair(layer) for layer in layers] * count
    gamma = [float(layer.gamma) for layer in layers] * count
    colours = [_colour(layer) for layer in layers]
    if len(pairs) == 2:
        pairs.append(EMPTY)
    mixed = colours if len(set(colours)) > 1 else []
    found = check_normalise(Display(tuple(pairs), tuple(gamma), tuple(mixed)))
    return None if isinstance(found, str) else found


def describe(limits: Limits | None) -> str:
    """Return limits and gamma as a phrase, such as "100 to 4000, gamma 0.7"."""
    if limits is None:
        return "each plane's percentiles"
    display = limits if isinstance(limits, Display) else Display(limits)  # type: ignore[arg-type]
    pairs: Any = display.limits
    if len(pairs) == len(RGB) and pairs[-1] == EMPTY:
        pairs = pairs[:-1]
    parts = [f"{low:.5g} to {high:.5g}" for low, high in dict.fromkeys(pairs)]
    gamma = [f"{each:.3g}" for each in dict.fromkeys(display.gamma)]
    return " and ".join(parts) + ("" if gamma == ["1"] else f", gamma {' and '.join(gamma)}")


def _pair(layer: Any) -> Pair:
    low, high = (float(each) for each in layer.contrast_limits)
    # A constant image may have equal limits.
    return low, high if low < high else float(np.nextafter(low, np.inf))


def _colour(layer: Any) -> str:
    """Return the colour of a layer's brightest pixels."""
    brightest = np.rint(np.clip(layer.colormap.colors[-1][:3], 0, 1) * 255).astype(int)
    return "#" + "".join(f"{part:02x}" for part in brightest)


def _colour_limits(dtype: np.dtype[Any]) -> Limits | None:
    """Return the intensities that napari shows as black and white in colour images."""
    if dtype == np.uint8:
        return None
    white = 1.0 if dtype.kind in "fb" else float(np.iinfo(dtype).max)
    return ((0.0, white),) * len(RGB)
