"""Controls of the Everything dock for large planes: the size of objects, and the tiles."""

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_segany.core.parameter_info import parameters_of
from napari_segany.generators.tile_params import AUTO_TILES, TileParams
from napari_segany.plugin.everything.pixel_area import PixelArea
from napari_segany.plugin.shared.controls import column, form, panel
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.object_size_row import ObjectSizeRow
from napari_segany.plugin.shared.parameter_controls import ChoiceControl, make_control

ESTIMATED = "estimated"
"""Text of a size that is not set."""

OFF = "off"
"""The choice that no parameters of tiles stand for: planes are searched as a whole."""

BY_SIZE = ("tile_side", "tile_overlap")
"""Numbers that follow from the size of objects unless they are set."""

FOLDED = (*BY_SIZE, "tile_scales")
"""Numbers in the fold."""


class TileForm(QWidget):
    """Size of objects, shown where planes are searched in tiles, and a fold with the tiles.

    Attributes
    ----------
    changed : Signal
        Emitted when the parameters may be other ones.
    size : ObjectSizeRow
        Size of the objects.
    tiles : ChoiceControl
        Which planes are searched in tiles.
    numbers : dict
        Controls of side, overlap and scales, by their names.
    fold : Fold
        Section with everything but the size.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        infos = parameters_of(TileParams)
        self.size = ObjectSizeRow(
            ESTIMATED,
            f"<qt>{infos['object_size'].help} Estimated: parts of the plane are looked at first."
            "</qt>",
            "Take the size of the selected shape, or of the object that was clicked",
        )
        info = infos["tiles"]
        choices = (*info.choices, (OFF, OFF))
        about = f"{info.help} Off: planes are seen as a whole, and small objects are lost."
        self.tiles = ChoiceControl(replace(info, choices=choices, help=about))
        self.numbers: dict[str, Any] = {n: make_control(infos[n]) for n in FOLDED}
        rows = form([(info.label, self.tiles)])
        for name, control in self.numbers.items():
            rows.addRow(infos[name].label, control)
            control.edited.connect(self.changed)
        self.fold = Fold("Advanced: tiles", panel(rows))
        self.setLayout(layout := column(self.size, self.fold))
        layout.setContentsMargins(0, 0, 0, 0)
        self._shape: tuple[int, int] | None = None
        self.params = AUTO_TILES
        self.tiles.edited.connect(self._on_tiles)
        self.size.size_set.connect(lambda _: self._on_size())

    @property
    def params(self) -> TileParams | None:
        """The parameters at which the controls stand; None to search planes as a whole.

        Raises
        ------
        InputError
            If side and overlap do not fit each other.
        """
        if self.tiles.parameter == OFF:
            return None
        numbers: dict[str, Any] = {n: each.parameter for n, each in self.numbers.items()}
        return TileParams(self.tiles.parameter, self.size.pixels, **numbers)

    @params.setter
    def params(self, params: TileParams | None) -> None:
        given = params or AUTO_TILES
        self.tiles.set_parameter(OFF if params is None else params.tiles)
        self.size.show_size(given.object_size)
        for name, control in self.numbers.items():
            control.set_parameter(getattr(given, name))
        self._show_size()
        self.changed.emit()

    def set_size(self, size: float | None) -> None:
        """Set the size of objects in pixels, None to have it estimated; the tiles follow it."""
        self.size.show_size(size)
        self._on_size()

    def show_plane(
        self, shape: tuple[int, int] | None, pixel: PixelArea, estimate: float | None = None
    ) -> None:
        """Show what the controls mean for planes.

        Parameters
        ----------
        shape : tuple of int or None
            (H, W) of the planes, None without an image.
        pixel : PixelArea
            Area of a pixel, in whose unit sizes are shown.
        estimate : float, optional
            Size in pixels that was estimated last.
        """
        self._shape = shape
        length, unit = pixel.size**0.5, pixel.unit.removesuffix("²")
        self.size.show_unit(length, unit)
        known = "" if estimate is None else f": {estimate * length:.4g} {unit}"
        self.size.show_unset(f"{ESTIMATED}{known}")
        self._show_size()

    def _show_size(self) -> None:
        """Show the size where it matters."""
        choice = self.tiles.parameter
        large = self._shape is not None and AUTO_TILES.applies_to(self._shape)
        self.size.setVisible(choice == "always" or (large and choice != OFF))

    def _on_tiles(self) -> None:
        self._show_size()
        self.changed.emit()

    def _on_size(self) -> None:
        for name in BY_SIZE:
            self.numbers[name].set_parameter(None)
        self.changed.emit()
