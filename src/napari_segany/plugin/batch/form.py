"""Controls of the Batch dock that set up a batch."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QLineEdit, QPushButton, QWidget

from napari_segany.batch.plan import FAILED, Outcome
from napari_segany.core.callbacks import BatchEvent
from napari_segany.errors import InputError
from napari_segany.io.exports import EXPORTS
from napari_segany.io.result_files import LABELS, Outputs
from napari_segany.io.table import TABLES
from napari_segany.plugin.batch.file_list import HERE
from napari_segany.plugin.layers.image_view import COLOURS
from napari_segany.plugin.shared.controls import (
    column,
    combo_box,
    form,
    grid,
    panel,
    row,
    with_tip,
)
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.plugin.shared.link_form import LinkForm
from napari_segany.plugin.shared.parameter_form import ParameterForm
from napari_segany.plugin.shared.progress_panel import duration
from napari_segany.recipe import LabelParams, Recipe


class BatchForm(QWidget):
    """Recipe, model, parameters, results and executor of a batch.

    Parameters
    ----------
    picker : QWidget
        Control that chooses the model.
    load, save, browse : QPushButton
        Buttons that load a recipe, save one, and choose the output folder.
    """

    def __init__(
        self, picker: QWidget, load: QPushButton, save: QPushButton, browse: QPushButton
    ) -> None:
        super().__init__()
        self.recipe_line = QLabel("set by the controls below")
        self.recipe_line.setWordWrap(True)
        self.search = GeneratorForm()
        self.label_form = ParameterForm(LabelParams(), "Advanced: masks to labels")
        self.link_form = LinkForm()
        self.channels_line = with_tip(
            QLineEdit("0"),
            "Channel to use, from 0 or by its name in the files, or two or three shown as "
            "colours: 0,1,2 or GFP,DAPI",
        )
        self.output_line = with_tip(QLineEdit("results"), "The folder for the results")
        self.where = with_tip(
            QComboBox(),
            "here; local:N for N processes; or a dask scheduler such as tcp://host:8786",
        )
        self.where.setEditable(True)
        self.where.addItems([HERE, "local:2"])
        self.labels_kind = combo_box({kind: kind for kind in LABELS}, "Format of the labels")
        self.table_kind = combo_box({kind: kind for kind in TABLES}, "Format of the tables")
        self.exports = {
            name: with_tip(QCheckBox(name), kind.about) for name, kind in EXPORTS.items()
        }
        self.overwrite = with_tip(
            QCheckBox("overwrite earlier results"),
            "Replace existing files, also those changed by hand",
        )
        recipe = form((("Recipe", row(load, save)), ("", self.recipe_line), ("Model", picker)))
        results = form((("Results in", row(self.output_line, browse, wide=self.output_line)),))
        self.folder_line = QLabel("")
        self.folder_line.setWordWrap(True)
        results.addRow(self.folder_line)
        self.output_line.textChanged.connect(lambda _: self._show_folder())
        self._show_folder()
        files = form(
            (
                *(("Channel", self.channels_line), ("Compute", self.where)),
                *(("Labels", self.labels_kind), ("Table", self.table_kind)),
                ("Exports", grid(*self.exports.values())),
            )
        )
        files.addRow(self.overwrite)
        self.search_fold = Fold("Search", panel(column(recipe, self.search)))
        self.search.changed.connect(self._show_search)
        for choice in (self.search.preset, self.search.strategy):
            choice.currentIndexChanged.connect(lambda _: self._show_search())
        around = column(
            results,
            self.search_fold,
            *(self.label_form, self.link_form),
            Fold("Channels, files, cluster", panel(files)),
        )
        around.setContentsMargins(0, 0, 0, 0)
        self.setLayout(around)
        self._show_search()

    def _show_folder(self) -> None:
        """Show in full where the results go, if only a part of the path is given."""
        folder = self.output
        # Places at which a line may break.
        text = str(folder.absolute()).replace("/", "/\u200b").replace("\\", "\\\u200b")
        self.folder_line.setText("" if folder.is_absolute() else f"That is {text}.")
        self.folder_line.setVisible(not folder.is_absolute())

    def _show_search(self) -> None:
        """Show in the title of the section what is searched for."""
        preset, strategy = self.search.preset.currentText(), self.search.strategy.currentText()
        self.search_fold.set_title(f"Search: {preset}, {strategy}")

    @property
    def output(self) -> Path:
        """Folder of the results."""
        return Path(self.output_line.text().strip() or "results")

    @output.setter
    def output(self, folder: str | Path) -> None:
        self.output_line.setText(str(folder))

    @property
    def channels(self) -> tuple[int | str, ...]:
        """Channels shown to the model, by number or name: one, or two or three as colours."""
        parts = [part.strip() for part in self.channels_line.text().split(",")]
        wrong = not all(parts) or any(part.startswith("-") for part in parts)
        if wrong or len(parts) > COLOURS:
            raise InputError(
                f"Channel {self.channels_line.text()!r} is not one to three whole numbers with "
                "commas between, or names that the files have for them."
            )
        return tuple(int(part) if part.isdecimal() else part for part in parts)

    @channels.setter
    def channels(self, channels: Iterable[int | str]) -> None:
        self.channels_line.setText(",".join(map(str, channels)))
        self.channels_line.editingFinished.emit()

    @property
    def outputs(self) -> Outputs:
        """Kinds of result files."""
        return Outputs(
            self.labels_kind.currentData(),
            self.table_kind.currentData(),
            tuple(kind for kind, box in self.exports.items() if box.isChecked()),
        )

    @property
    def cluster(self) -> str | None:
        """Value of ``--dask``, None to compute in this process."""
        address: str = self.where.currentText().strip()
        return None if address in ("", HERE) else address


def described(recipe: Recipe) -> str:
    """Return a summary of a recipe in one line."""
    points = getattr(recipe.params, "points_per_side", None)
    density = "" if points is None else f"{points} points per side, "
    return f"{recipe.model}, {density}{recipe.params.strategy}"


def progress_text(event: BatchEvent, seconds_left: float) -> str:
    """Return a line about planes that are done, and the time left once it can be told."""
    left = "" if event.done < 0.02 * event.total else f", {duration(seconds_left)} left"
    return f"{event.name}: {int(event.done)} of {event.total} planes{left}"


def describe_outcomes(outcomes: Sequence[Outcome]) -> str:
    """Return a line about a batch that has ended."""
    objects = sum(outcome.objects for outcome in outcomes)
    bad = [outcome.path.name for outcome in outcomes if outcome.state in FAILED]
    text = f"{len(outcomes) - len(bad)} of {len(outcomes)} images, {objects} objects."
    if not bad:
        return text
    names, them = (bad[0], "it") if len(bad) == 1 else (f"{bad[0]} and {len(bad) - 1} more", "one")
    return f"{text} Failed: {names}. Select {them} in the list to see why, or open the report."
