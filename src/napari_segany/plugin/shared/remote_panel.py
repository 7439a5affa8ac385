"""Controls that name a model on another machine: its address, and the token of its server."""

from collections.abc import Callable

from qtpy.QtWidgets import QCheckBox, QLineEdit, QVBoxLayout, QWidget

from napari_segany.errors import InputError
from napari_segany.plugin.shared.controls import button, with_tip
from napari_segany.remote.address import RemoteAddress, keep_token, known_addresses, use_token

NEW = "remote://"
"""Choice of a model on another machine whose address is not known yet."""

NEW_TEXT = "On another machine …"
"""Text of that choice."""

ASK = "Give the address of the model, and press Connect."
"""Text while no address is given."""


class RemotePanel(QWidget):
    """Address and token of a model on another machine.

    Parameters
    ----------
    connect : callable
        Called with the address when it is to be connected to.
    report : callable
        Called with a sentence about what cannot be used.
    """

    def __init__(
        self, connect: Callable[[RemoteAddress], None], report: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._connect, self._report = connect, report
        self.address = with_tip(QLineEdit(), "Address of a model that `napari-segany serve` serves")
        self.address.setPlaceholderText("host:8765/minisam")
        self.token = with_tip(QLineEdit(), "Token of the server, if it has one")
        self.token.setPlaceholderText("token, if there is one")
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.keep = with_tip(
            QCheckBox("Keep the token"),
            "Keep the token in a file that only you can read; else until napari closes",
        )
        # Each in a row of its own: beside a label a dock has no room for an address.
        self.address.setAccessibleName("Address")
        self.token.setAccessibleName("Token")
        connect_button = button("Connect", self.connect_model, "Connect to the model")
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        for part in (self.address, self.token, self.keep, connect_button):
            rows.addWidget(part)
        self.address.returnPressed.connect(self.connect_model)

    def ask_again(self, address: str) -> None:
        """Show the panel with an address that failed; it or the token may be wrong."""
        self.address.setText(address)
        self.setVisible(True)

    def connect_model(self) -> None:
        """Connect to the address that was given; what cannot be used is reported."""
        text = self.address.text().strip()
        try:
            address = RemoteAddress.parse(text if "://" in text else f"{NEW}{text}")
            if token := self.token.text().strip():
                use_token(address, token)
                if self.keep.isChecked():
                    keep_token(address, token)
        except InputError as error:
            self._report(str(error))
            return
        self.token.clear()
        self._connect(address)


def known_models() -> dict[str, str]:
    """Return the addresses that were connected to before, by the text that is shown."""
    return {text_of(address): str(address) for address in known_addresses()}


def text_of(address: RemoteAddress) -> str:
    """Return the text of an address in a list of models."""
    scheme = "https://" if address.scheme == "https" else ""
    return f"{address.model or 'model'} on {scheme}{address.server}{address.prefix}"
