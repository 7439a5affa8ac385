"""Objects that phrases name, begun with the boxes that a text model finds."""

from collections.abc import Sequence
from dataclasses import replace

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.intensity import to_rgb
from napari_segany.errors import InputError
from napari_segany.generators.text import find_prompts
from napari_segany.generators.text_params import TextParams
from napari_segany.generators.unmatched_text import describe_unmatched
from napari_segany.models.device import choose_device
from napari_segany.models.searching import searching_model
from napari_segany.models.text_models import load_text_model, require_text_model
from napari_segany.models.text_protocol import TextDetector
from napari_segany.plugin.prompt.bulk_steps import NewObject
from napari_segany.plugin.prompt.controller import PromptController


def import_text(
    controller: PromptController, phrases: Sequence[str], params: TextParams | None = None
) -> None:
    """Begin an object for each box of the plane in view that phrases find.

    Boxes are found in another thread. Phrases without a box are told with their best score.

    Parameters
    ----------
    controller : PromptController
        Controller with an image, a plane of which is in view.
    phrases : sequence of str
        Names of the objects.
    params : TextParams, optional
        The text model and its thresholds.

    Raises
    ------
    InputError
        If there is no phrase, no text model on this machine, or one that finds no boxes.
    """
    asked = replace(params or TextParams(), text=tuple(phrases)).with_text_model()
    card = require_text_model(asked.text_model, asked.text_model_sha256)
    if card.ranks:
        raise InputError(
            f"The text model {card.id} ranks masks and finds no boxes; use it in the Everything "
            "dock, or fetch a detector: napari-segany models fetch owlv2_base"
        )
    session, plane = controller.sync.open_session(), controller.plane
    if plane is None:
        raise InputError("Choose an image, and a plane of it to look at.")
    source, model = session.source, controller.model
    # A text model runs here, whatever machine the other is on.
    far = model is None or searching_model(model) is not None
    device = choose_device("auto") if model is None or far else model.device
    notes: set[str] = set()

    def find(should_stop: ShouldStop) -> list[NewObject]:
        detector = load_text_model(card, device)
        assert isinstance(detector, TextDetector)
        rgb = to_rgb(source.read(plane), source.limits)
        prompts, classes = find_prompts(detector, rgb, asked, should_stop=should_stop)
        notes.update(describe_unmatched([classes], asked.text_threshold))
        return [(prompt, plane, None) for prompt in prompts]

    controller.status.emit(f"Looking for {', '.join(asked.text)} ...")
    controller.add_later(find, notes)
