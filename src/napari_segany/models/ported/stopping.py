"""Stop a network between its blocks."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from napari_segany.core.callbacks import ShouldStop, check


@contextmanager
def stopped_between(blocks: Iterable[nn.Module], should_stop: ShouldStop | None) -> Iterator[None]:
    """Poll ``should_stop`` before each block that this thread runs within the context.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True.
    """
    check(should_stop)
    here = threading.get_ident()

    def between_blocks(*_: Any) -> None:
        # Another thread may run the same network, and is not stopped.
        if threading.get_ident() == here:
            check(should_stop)

    hooks = [block.register_forward_pre_hook(between_blocks) for block in blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
