"""Tests of keys that work on the layers of a session."""

from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding

from napari_segany.plugin.shared.key_bindings import KeyBindings


@pytest.fixture(autouse=True)
def keys_of_napari(monkeypatch: Any) -> None:
    """Napari fills with F and undoes with Ctrl+Z, which its window binds."""
    for key in ("F", "Ctrl+Z"):
        monkeypatch.setitem(Labels.class_keymap, coerce_keybinding(key), print)


def labels() -> Labels:
    return Labels(np.zeros((4, 4), int))


def test_keys_follow_the_layers_and_leave_others_alone() -> None:
    pressed: list[str] = []
    keys = KeyBindings({"N": lambda: pressed.append("N"), "F": lambda: pressed.append("F")})
    one, two = labels(), labels()
    keys.follow([one, None])
    keys.follow([one, two])
    for layer in (one, two):
        assert [str(key) for key in layer.keymap] == ["N"]
        layer.keymap[coerce_keybinding("N")](layer)
    assert pressed == ["N", "N"]
    keys.follow([two])
    assert not one.keymap
    keys.follow([])
    assert not two.keymap


def test_keys_of_napari_are_taken_only_where_that_is_meant() -> None:
    layer = labels()
    keys = KeyBindings({"Control-Z": lambda: None, "F": lambda: None}, ("Control-Z",))
    keys.follow([layer])
    assert [str(key) for key in layer.keymap] == ["Ctrl+Z"]


def test_keys_of_the_user_stay() -> None:
    layer = labels()
    layer.bind_key("N", print)
    keys = KeyBindings({"N": lambda: None, "Control-Z": lambda: None}, ("N",))
    keys.follow([layer])
    keys.follow([])
    assert layer.keymap[coerce_keybinding("N")] is print
