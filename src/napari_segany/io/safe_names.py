"""Escape control characters and undecodable bytes in file names before printing."""

import re
import unicodedata

# Control characters (Cc), half characters of names that are no UTF-8 (Cs), ends of lines and
# paragraphs (Zl, Zp), and marks that turn the direction of what follows.
_HIDDEN = {"Cc", "Cs", "Zl", "Zp"}
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(text: object) -> str:
    r"""Return a text with a file name on one line and free of control characters.

    Bytes that are no UTF-8 become ``\xNN``, other characters that cannot be seen ``\uNNNN``. What
    a terminal or a file cannot hold beyond that is a matter of its encoding.

    Examples
    --------
    >>> shown("cells\x1b[31m.tif")
    'cells\\x1b[31m.tif'
    """
    text = str(text)
    return text if text.isprintable() else "".join(map(_shown, text))


_STORED = 0x10FE00
"""First of the private characters that stand for bytes of names that are no UTF-8."""


def storable(name: str) -> str:
    """Return a name as JSON can hold it; :func:`restored` is the inverse."""
    return "".join(
        chr(_STORED + ord(c) - 0xDC00) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in name
    )


def restored(text: str) -> str:
    """Return a name from the form of :func:`storable`."""
    first, last = _STORED + 0x80, _STORED + 0xFF
    return "".join(chr(ord(c) - _STORED + 0xDC00) if first <= ord(c) <= last else c for c in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN and not _TURNING.match(character):
        return character
    code = ord(character)
    # The half characters that stand for single bytes of a name.
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
