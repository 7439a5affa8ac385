import torch

from napari_segany.networks.decoder.buffers import Buffers


def buffers() -> Buffers:
    return Buffers(torch.device("cpu"))


def test_a_name_is_given_the_same_memory_again() -> None:
    held = buffers()
    first = held.array("rows", (2, 3))
    first.fill_(7)
    again = held.array("rows", (3, 2))
    assert again.data_ptr() == first.data_ptr()
    assert again.shape == (3, 2)
    assert again.tolist() == [[7, 7]] * 3


def test_less_is_taken_from_the_front_of_what_is_there_and_more_makes_it_grow() -> None:
    held = buffers()
    first = held.array("rows", (10,))
    less = held.array("rows", (2, 2))
    assert less.data_ptr() == first.data_ptr()
    more = held.array("rows", (4, 5))
    assert more.shape == (4, 5)
    more.fill_(1)
    assert held.array("rows", (10,)).data_ptr() == more.data_ptr(), "what has grown stays"


def test_what_has_been_taken_outlives_growth() -> None:
    held = buffers()
    first = held.array("rows", (4,)).fill_(3)
    held.array("rows", (1000,)).fill_(5)
    assert first.tolist() == [3] * 4


def test_names_and_types_have_memory_of_their_own() -> None:
    held = buffers()
    taken = [
        held.array("rows", (8,)),
        held.array("scale", (8,)),
        held.array("rows", (8,), torch.bfloat16),
    ]
    for value, each in enumerate(taken):
        each.fill_(value)
    assert [each.dtype for each in taken] == [torch.float32, torch.float32, torch.bfloat16]
    assert [each.unique().tolist() for each in taken] == [[0], [1], [2]]
    assert held.array("rows", (8,)).data_ptr() == taken[0].data_ptr()


def test_memory_is_contiguous_and_on_the_device_also_when_there_is_none() -> None:
    assert buffers().array("rows", (3, 4, 5)).is_contiguous()
    assert buffers().array("rows", (0, 5)).shape == (0, 5)
    assert Buffers(torch.device("meta")).array("rows", (2,)).device.type == "meta"
