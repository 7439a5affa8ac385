"""Form for finding objects: a preset, the strategy, and a control for each of its parameters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from napari_segany.errors import SeganyError
from napari_segany.generators.decoder_params import DecoderParams, missing_decoder
from napari_segany.generators.default_params import DefaultParams, describe_choice
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import usual_params
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.presets import PRESETS
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.registry import find_entry
from napari_segany.generators.strategies import (
    check_described,
    params_types,
    start_params,
    strategies_of,
    strategy_info,
)
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.shared.controls import Part, column, combo_box, form, offer
from napari_segany.plugin.shared.finder_control import FinderControl
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.parameter_controls import ChoiceControl, Control
from napari_segany.plugin.shared.parameter_form import ParameterForm
from napari_segany.plugin.shared.weights_status import expected
from napari_segany.weights.finders import installed_finders, named_finder

OWN = "own settings"

GRID = ("points_per_side", "crop_n_layers", "crop_n_points_downscale_factor")
"""Parameters of the regular grid, which point grids take the place of."""

KEPT = ("points_per_batch", "finder")
"""Parameters of a machine, and of a person's own finder; presets leave them alone."""

UNKNOWN = "The finder, if one fits the model; else the grid of points."
"""Line about the strategy before the model is known."""


@dataclass(frozen=True)
class FormState:
    """Everything that a person has set in a :class:`GeneratorForm`.

    Attributes
    ----------
    values : mapping
        For each type of parameters the values of its controls, by name, without the strategy.
    strategy : str
        The strategy that is shown.
    is_chosen : bool
        False while the model decides.
    """

    values: Mapping[type[GeneratorParams], Mapping[str, Any]]
    strategy: str
    is_chosen: bool


class _WrappedLine(QLabel):
    """A label as high as its lines, which a form's layout would cut."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)

    def setText(self, text: str | None) -> None:
        super().setText(text)
        self._fit()

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setMinimumHeight(max(self.heightForWidth(self.width()), 0))


class GeneratorForm(QWidget):
    """Controls for the parameters of every strategy, of which those of one are shown.

    What is not touched stays exactly as it was set, also while another strategy is shown. Until a
    strategy, a preset or a parameter is chosen, the model decides.

    Parameters
    ----------
    first : iterable of (str, Part)
        Labelled rows of the surrounding form above those of this one.

    Attributes
    ----------
    changed : Signal
        Emitted when the parameters may be other ones.
    head : QFormLayout
        The rows above the line, with the preset and the strategy.
    preset : QComboBox
        Control of the preset.
    strategy : ChoiceControl
        Control of the strategy.
    finder : FinderControl
        Control of the finder, which presets leave alone.
    line : QLabel
        Line about the strategy, hidden where there is nothing to say.
    """

    changed = Signal()

    def __init__(self, first: Iterable[tuple[str, Part]] = ()) -> None:
        super().__init__()
        self._model: PromptableModel | None = None
        self._expected = ""
        self._finder_fits = False
        # The sentence about the decoder that the model lacks.
        self._no_decoder = ""
        # True once a person has decided; then the model does not any more.
        self._is_chosen = False
        self.preset = combo_box(
            {name: name for name in (*PRESETS, OWN)},
            "Sets the controls below; thresholds stay the model's own",
        )
        self.strategy = ChoiceControl(strategy_info())
        self.line = _WrappedLine()
        # Rows of their own: the long labels below would leave too little to names of presets.
        shown = ("Preset", self.preset), (strategy_info().label, self.strategy)
        self.head = form((*first, *shown))
        self.head.addRow(self.line)
        rows = form([])
        self._forms = {cls: self._form_of(cls, rows) for cls in params_types()}
        finder = self._forms[FinderParams].control("finder")
        assert isinstance(finder, FinderControl)
        self.finder = finder
        self.finder.told.connect(self._say)
        around = column(self.head, rows, *self._forms.values())
        around.setContentsMargins(0, 0, 0, 0)
        self.setLayout(around)
        self.preset.activated.connect(lambda _: self._on_preset())
        self.strategy.edited.connect(self._on_edited)
        self.follow_model(None)

    def _form_of(self, cls: type[GeneratorParams], rows: QFormLayout) -> ParameterForm:
        names = strategies_of(cls)
        fold = "Advanced: finding objects"
        made = ParameterForm(start_params(names[0]), fold, rows, {"strategy": self.strategy})
        made.changed.connect(lambda: self._on_form(cls))
        return made

    @property
    def _form(self) -> ParameterForm:
        """The form of the strategy that is shown."""
        return self._forms[find_entry(self.strategy.parameter).params]

    @property
    def controls(self) -> dict[str, Control]:
        """The control of each parameter of the strategy that is shown, by its name."""
        return self._form.controls

    @property
    def points_per_side(self) -> Any:
        """The control of the density of the grid; changing it chooses the grid."""
        return self._forms[AutomaticParams].control("points_per_side")

    @property
    def params(self) -> FilterRules:
        """The parameters at which the controls stand; setting them is a choice.

        Raises
        ------
        InputError
            If there are no controls for parameters of that type; nothing changes then.
        """
        params: FilterRules = self._form.params
        return params

    @params.setter
    def params(self, params: GeneratorParams) -> None:
        described = check_described(params)
        self._is_chosen = True
        self._show(described)

    @property
    def choice(self) -> GeneratorParams:
        """The parameters that were chosen; :class:`DefaultParams` while the model decides."""
        return self.params if self._is_chosen else DefaultParams()

    @property
    def state(self) -> FormState:
        """Everything that was set, to be restored by setting it."""
        values = {cls: form.values for cls, form in self._forms.items()}
        return FormState(values, self.strategy.parameter, self._is_chosen)

    @state.setter
    def state(self, state: FormState) -> None:
        for cls, values in state.values.items():
            self._forms[cls].set_values(values)
        self.strategy.set_parameter(state.strategy)
        self._is_chosen = state.is_chosen
        if self._is_chosen:
            self._show_strategy()
        else:
            self.follow_model(self._model, self._expected)

    def add_advanced(self, cls: type[GeneratorParams], part: QWidget) -> None:
        """Add a widget to the advanced part of a strategy's form."""
        self._forms[cls].fold.addWidget(part)

    def follow_picker(self, picker: ModelPicker) -> None:
        """Follow the model that a control chooses and loads; see :meth:`follow_model`."""

        def expect_model(*_: int) -> None:
            if not picker.is_ready:
                self.follow_model(None, picker.name)

        def prepare(model: PromptableModel) -> None:
            # Files of finders are read once a process, here rather than when a list is opened.
            list(installed_finders())
            usual_params(model)

        picker.prepare = prepare
        self.finder.jobs = picker.jobs
        picker.loaded.connect(self.follow_model)
        picker.released.connect(expect_model)
        picker.choice.activated.connect(expect_model)
        expect_model()

    def follow_model(self, model: PromptableModel | None, name: str = "") -> None:
        """Offer what a model can do, and show its default unless something was chosen.

        Parameters
        ----------
        model : PromptableModel or None
            The model, None before one is loaded.
        name : str, optional
            Name of the model that will be loaded. Its default is shown, and decided once it is
            there.
        """
        self._model, self._expected = model, expected(name)
        self.finder.follow_model(model, self._expected)
        usual: FilterRules
        reason = ""
        if model is None:
            # Before the model is there, nothing is certain.
            usual = DefaultParams().choose(named_finder(self._expected) is not None)
        else:
            usual, reason = _usual(model)
        self._finder_fits = isinstance(usual, FinderParams)
        self._no_decoder = "" if model is None else missing_decoder(model)
        for cls, lacking in ((FinderParams, reason), (DecoderParams, self._no_decoder)):
            at = self.strategy.findData(cls.strategy)
            if at >= 0:
                offer(self.strategy, at, lacking)
        for number, preset in enumerate(PRESETS.values()):
            is_finder = isinstance(preset.params, FinderParams)
            offer(self.preset, number, reason if is_finder else "", preset.help)
        if self._is_chosen:
            self._show_line()
        else:
            self._show(usual)

    def _show(self, params: FilterRules) -> None:
        self._forms[type(params)].set_params(params)
        self._show_strategy()

    def _show_strategy(self) -> None:
        """Show the form of the strategy, and tell of a change."""
        shown = self._form
        for each in self._forms.values():
            each.set_shown(each is shown)
        points = self._forms[AutomaticParams]
        regular = points.values["point_grids"] is None
        points.enable(GRID, regular)
        # Points of one's own have but one strategy.
        self.strategy.setEnabled(regular or shown is not points)
        if not regular and shown is points:
            self.strategy.set_parameter(AutomaticParams.strategy)
        self._show_preset()
        self._show_line()
        self.changed.emit()

    def _show_preset(self) -> None:
        """Show the preset that has the parameters of the controls."""
        here = self.params

        def same(other: FilterRules) -> bool:
            names = [f.name for f in fields(other) if f.name not in KEPT]
            return type(here) is type(other) and all(
                getattr(here, name) == getattr(other, name) for name in names
            )

        name = next((name for name, each in PRESETS.items() if same(each.params)), OWN)
        self.preset.setCurrentIndex(self.preset.findData(name))

    def _show_line(self) -> None:
        model, text = self._model, ""
        if not self._is_chosen:
            known = model is not None or self._finder_fits
            name = self._expected if model is None else model.id
            text = describe_choice(name, self.params.strategy) if known else UNKNOWN
        elif model is not None and isinstance(self.params, FinderParams) and not self._finder_fits:
            text = f"No finder fits {model.id}; choose another strategy, or another model."
        elif isinstance(self.params, DecoderParams):
            text = self._no_decoder
        self._say(text)

    def _say(self, text: str) -> None:
        self.line.setText(text)
        self.line.setVisible(bool(text))

    def _on_preset(self) -> None:
        preset = PRESETS.get(self.preset.currentData())
        if preset is not None:
            now = self._forms[type(preset.params)].values
            own: dict[str, Any] = {name: now[name] for name in KEPT if name in now}
            self.params = replace(preset.params, **own)

    def _on_edited(self) -> None:
        self._is_chosen = True
        self._show_strategy()

    def _on_form(self, cls: type[GeneratorParams]) -> None:
        """Choose the strategy whose control was edited."""
        if self._form is not self._forms[cls]:
            self.strategy.set_parameter(strategies_of(cls)[0])
        self._on_edited()


def _usual(model: PromptableModel) -> tuple[FilterRules, str]:
    """Return the default parameters of a model, and why they are not the finder's."""
    try:
        usual = usual_params(model)
    except SeganyError as error:
        return AutomaticParams(), str(error)
    return usual, "" if isinstance(usual, FinderParams) else f"No finder fits {model.id}."
