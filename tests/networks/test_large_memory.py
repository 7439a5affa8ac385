import os
import sys
from pathlib import Path

import pytest
import torch

from napari_segany.networks.large_memory import PAGE, empty

CPU = torch.device("cpu")


def test_large_memory_begins_with_a_large_page() -> None:
    held = empty((2, PAGE // 2), torch.bfloat16, CPU)
    assert held.shape == (2, PAGE // 2)
    assert held.dtype == torch.bfloat16
    assert held.is_contiguous()
    assert held.data_ptr() % PAGE == 0
    held.fill_(3)
    assert held.sum(dtype=torch.float64).item() == 3 * PAGE


@pytest.mark.parametrize("shape", [(), (0, 5), (3, 4)])
def test_small_memory_is_torch_s_own(shape: tuple[int, ...]) -> None:
    held = empty(shape, torch.float32, CPU)
    assert held.shape == shape
    assert held.fill_(1).sum().item() == held.numel()


def test_memory_is_on_the_device() -> None:
    assert empty((PAGE,), torch.float32, torch.device("meta")).device.type == "meta"


def test_memory_lives_as_long_as_something_refers_to_it() -> None:
    part = empty((PAGE,), torch.float32, CPU).fill_(7)[-3:]
    assert part.tolist() == [7] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is read from /proc")
def test_memory_is_given_back_at_once() -> None:
    """Also where smaller objects that live on were made after it, which pin a heap."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    size = 8 * PAGE
    kept, before = [], resident()
    for _ in range(8):
        held = empty((size,), torch.uint8, CPU).fill_(1)
        assert resident() > before + size * 3 // 4
        kept.append(torch.ones(1000))
        del held
    assert resident() < before + size // 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_process_has_memory_of_its_own() -> None:
    held = empty((PAGE,), torch.uint8, CPU).fill_(1)
    child = os.fork()
    if not child:
        held.numpy()[:] = 2
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert held.unique().tolist() == [1]
