"""Controls for linking the planes of volumes, folded away."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_segany.linking.link_params import LinkParams
from napari_segany.plugin.shared.controls import column, panel, with_tip
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.parameter_form import ParameterForm


class LinkForm(QWidget):
    """A box that switches linking on, and a control for each of its parameters.

    Attributes
    ----------
    changed : Signal
        Emitted when the parameters may be other ones.
    box : QCheckBox
        Switches linking on.
    form : ParameterForm
        The parameters, which stay as they are while linking is off.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.box = with_tip(
            QCheckBox("link planes into volumes"), "Give an object one id in all its planes"
        )
        self.form = ParameterForm(LinkParams(), "Advanced: volumes")
        self.fold = Fold("Volumes", panel(column(self.box, self.form)))
        around = column(self.fold)
        around.setContentsMargins(0, 0, 0, 0)
        self.setLayout(around)
        self.box.toggled.connect(self.form.setEnabled)
        self.box.toggled.connect(lambda _: self.changed.emit())
        self.form.changed.connect(self.changed)
        self.form.setEnabled(False)

    @property
    def params(self) -> LinkParams | None:
        """The parameters at which the controls stand, None while planes are not linked."""
        params: LinkParams = self.form.params
        return params if self.box.isChecked() else None

    def set_params(self, params: LinkParams | None) -> None:
        """Show parameters; None switches linking off and leaves the others as they are."""
        if params is not None:
            self.form.set_params(params)
            self.fold.expand(animate=False)
        self.box.setChecked(params is not None)
