"""Connections of the Prompt dock's controls to what they do."""

from functools import partial
from typing import Any

from napari_segany.models.tiled_model import CROPS_NOTE
from napari_segany.plugin.prompt import import_text
from napari_segany.plugin.prompt.find_alike import find_alike_in_turns


def connect_form(widget: Any) -> None:
    """Connect the controls of a Prompt dock to its methods; errors become messages."""
    form, controller = widget.form, widget.controller
    for text, act in {
        "<": widget.previous_candidate,
        ">": widget.next_candidate,
        "Commit": widget.commit,
        "Clear": widget.clear,
        "Undo": widget.undo,
        "Redo": widget.redo,
        "Stop": widget.stop,
        "Save labels…": lambda: widget.save_labels(wait=False),
    }.items():
        form.buttons[text].clicked.connect(widget.guarded(act))
    form.tools.chosen.connect(widget.guarded_with(controller.select_tool))
    form.restore.button.clicked.connect(widget.guarded(lambda: widget.restore(form.restore.chosen)))
    form.candidates.chosen.connect(
        widget.guarded_with(lambda number: controller.sync.open_session().choose(number))
    )
    for requested, do in (
        (form.objects.go_to_requested, controller.objects.go_to_first),
        (form.objects.reopen_requested, controller.objects.reopen),
        (form.objects.delete_requested, controller.objects.delete),
        (form.objects.alike_requested, partial(find_alike_in_turns, widget)),
        (form.words.requested, partial(import_text.import_text, controller)),
    ):
        requested.connect(widget.guarded_with(do))
    form.imports.labels_requested.connect(widget.guarded_with(widget.take_labels))
    form.imports.layer_requested.connect(widget.guarded_with(widget.take_layer))
    form.imports.table_requested.connect(widget.guarded(widget.take_table))
    form.provenance.save_requested.connect(widget.guarded(widget.save_session))
    form.provenance.replay_requested.connect(widget.guarded(widget.replay))
    form.provenance.python_requested.connect(
        widget.guarded(lambda: widget.copy_text(widget.as_python()))
    )
    form.provenance.command_requested.connect(
        widget.guarded(lambda: widget.copy_text(widget.as_command()))
    )
    form.labels_choice.activated.connect(widget.guarded(widget.on_labels_chosen))
    form.overlap_choice.activated.connect(widget.guarded(widget.on_overlap_chosen))
    form.many.toggled.connect(
        lambda many: setattr(controller.sync, "mode", "many" if many else "one")
    )
    size = form.object_size
    # Its row is shown for such planes, and "as zoomed" is no full size.
    widget.known_notices.add(CROPS_NOTE)
    size.size_set.connect(widget.guarded_with(controller.set_object_size))
    size.take.clicked.connect(widget.guarded(lambda: size.show_size(controller.take_object_size())))
    controller.changed.connect(lambda: size.setVisible(controller.sees_crops))
    controller.where.connect(lambda _: size.setVisible(controller.sees_crops))
    form.views.currentIndexChanged.connect(
        lambda _: controller.host.set_views(form.views.currentData())
    )
    form.live.toggled.connect(lambda live: setattr(controller.host, "live", live))
    form.min_iou.valueChanged.connect(lambda v: setattr(controller, "min_predicted_iou", v))
    form.min_stability.valueChanged.connect(lambda v: setattr(controller, "min_stability", v))
