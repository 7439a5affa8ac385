import pytest
import torch

from napari_segany.errors import InputError
from napari_segany.models.device import choose_device, choose_precision


def have(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_the_fastest_device_is_chosen(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, expected: str
) -> None:
    have(monkeypatch, cuda, mps)
    assert choose_device().type == expected


def test_a_device_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, 2, False)
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    for absent in ("cuda:2", "mps"):
        with pytest.raises(InputError, match=f"This machine has no device '{absent}'"):
            choose_device(absent)


@pytest.mark.parametrize("name", ["abacus", "", "cuda:one", "CPU"])
def test_unknown_devices_are_told(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}'; give auto"):
        choose_device(name)


@pytest.mark.parametrize("name", ["meta", "xpu"])
def test_devices_that_torch_knows_and_we_do_not(name: str) -> None:
    with pytest.raises(InputError, match="no device"):
        choose_device(name)


def test_a_precision_that_is_named_is_taken() -> None:
    cpu = torch.device("cpu")
    assert choose_precision("exact", cpu) == "exact"
    assert choose_precision("bfloat16", cpu) == "bfloat16"
    with pytest.raises(InputError, match="got 'half'"):
        choose_precision("half", cpu)


@pytest.mark.parametrize(
    ("kind", "capabilities", "expected"),
    [
        ("cpu", {"avx512_bf16": True}, "bfloat16"),
        ("cpu", {"amx_bf16": True}, "bfloat16"),
        ("cpu", {"avx2": True, "avx512_bf16": False}, "exact"),
        ("mps", {"avx512_bf16": True}, "exact"),
    ],
)
def test_bfloat16_is_chosen_only_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch, kind: str, capabilities: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto", torch.device(kind)) == expected
