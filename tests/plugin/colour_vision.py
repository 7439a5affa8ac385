"""Colours as people with other colour vision see them."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.plugin.shared.colours import rgb

RGB_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
"""Linear sRGB (IEC 61966-2-1) to CIE XYZ of the white point D65."""

EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
"""Linear RGB to linear RGB as an eye sees it: Machado, Oliveira and Fernandes, "A Physiologically-
based Model for Simulation of Color Vision Deficiency", IEEE TVCG 15 (2009), severity 1.0."""


def as_seen(colour: str, eye: str) -> NDArray[np.float64]:
    """Return CIE L*a*b* (CIE 15, D65) of a colour such as "#56b4e9" as an eye sees it.

    Two colours that differ by 2 can just be told apart.
    """
    given = np.array(rgb(colour)) / 255
    linear = np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)
    xyz = RGB_TO_XYZ @ np.clip(EYES[eye] @ linear, 0, 1) / RGB_TO_XYZ.sum(1)
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def difference(one: str, other: str, eye: str) -> float:
    """Return the distance of two colours in CIE L*a*b* as an eye sees them."""
    return float(np.linalg.norm(as_seen(one, eye) - as_seen(other, eye)))


def lightness_difference(one: str, other: str, eye: str) -> float:
    """Return the difference in lightness, 0..100, of two colours as an eye sees them."""
    return float(abs(as_seen(one, eye)[0] - as_seen(other, eye)[0]))
