"""Every error this package raises on purpose.

Each message says what was given, what is accepted and what to do next.
"""


class SeganyError(Exception):
    """Base class of all errors raised on purpose by napari-segany."""


class InputError(SeganyError, ValueError):
    """An image, prompt or parameter cannot be used as given."""


class WeightsError(SeganyError):
    """Weights are missing, damaged, unsafe or not of the expected architecture."""


class FetchError(WeightsError):
    """Weights could not be fetched: no source can be reached, or wrong content."""


class RemoteError(SeganyError):
    """A model on another machine cannot be reached, or its server refuses the request."""


class Cancelled(SeganyError):
    """A caller's ``should_stop`` asked the computation to end."""


class PlaneError(InputError):
    """One plane of a stack cannot be used; the others may."""


class BlankPlaneError(PlaneError):
    """A plane without a finite number, such as registration leaves; nothing is on it."""
