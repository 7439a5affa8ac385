"""Models that all docks share: each is loaded once."""

import os
import threading
from collections import defaultdict
from collections.abc import Callable
from weakref import WeakValueDictionary

from napari_segany.models.protocol import PromptableModel
from napari_segany.models.searching import searching_model
from napari_segany.models.shared_model import SharedModel
from napari_segany.plugin.shared import weights_status
from napari_segany.weights.resolve import MODEL_VARIABLE

Load = Callable[..., PromptableModel]
"""A function like :func:`napari_segany.load_model`."""


class SharedModels:
    """The loaded models of this process; the last dock that uses one frees it."""

    def __init__(self) -> None:
        self._named: WeakValueDictionary[tuple[str, ...], SharedModel] = WeakValueDictionary()
        self._loaded: WeakValueDictionary[tuple[str, ...], SharedModel] = WeakValueDictionary()
        self._locks: defaultdict[tuple[str, ...], threading.Lock] = defaultdict(threading.Lock)
        self._sharing = threading.Lock()

    def load(self, name: str, device: str, precision: str, load: Load) -> SharedModel:
        """Return a model, which is loaded unless a dock uses it already.

        Parameters
        ----------
        name, device, precision : str
            As for :func:`napari_segany.load_model`.
        load : callable
            That function.
        """
        # A variable of the environment may stand behind "auto".
        own = name == "auto" and MODEL_VARIABLE in os.environ
        expected = name if own else weights_status.expected(name)
        asked = expected, weights_status.hash_of(name), device, precision
        # Another dock may be loading it now.
        with self._locks[asked]:
            known = self._named.get(asked)
            if known is None:
                model = load(name, device=device, precision=precision)
                known = self._named[asked] = self._share(model)
            return known

    def _share(self, model: PromptableModel) -> SharedModel:
        """Return the shared model of the same weights, if there is one, else of this model."""
        # A model on another machine is not the same one.
        own = searching_model(model)
        place = "" if own is None else own.place
        same = model.id, model.weights.sha256, str(model.device), model.precision, place
        with self._sharing:
            return self._loaded.setdefault(same, SharedModel(model))


MODELS = SharedModels()
"""The loaded models of all docks."""
