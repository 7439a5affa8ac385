"""Units of lengths and times, and conversions between them."""

LENGTHS = {
    "pm": 1,
    "angstrom": 10**2,
    "nm": 10**3,
    "um": 10**6,
    "mm": 10**9,
    "cm": 10**10,
    "m": 10**12,
}
"""Picometres in each unit of length; whole numbers, so that ratios of two are exact."""

TIMES = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
}
"""Nanoseconds in each unit of time."""


def convert(value: float, unit: str, other: str) -> float | None:
    """Convert a length or time to another unit; None if the two do not measure the same.

    Examples
    --------
    >>> convert(500.0, "nm", "um")
    0.5
    >>> convert(1.0, "um", "s") is None
    True
    """
    if unit == other:
        return value
    for units in (LENGTHS, TIMES):
        if unit in units and other in units:
            return value * (units[unit] / units[other])
    return None


def larger(unit: str, other: str) -> str:
    """Return the larger of two units; the first one if they do not compare.

    Examples
    --------
    >>> larger("nm", "um")
    'um'
    """
    ratio = convert(1.0, unit, other)
    return other if ratio is not None and ratio < 1 else unit
