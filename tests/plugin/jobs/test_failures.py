"""What is said of planes that could not be done."""

from napari_segany.errors import BlankPlaneError
from napari_segany.plugin.jobs.failures import PlaneFailures


def test_equal_reasons_are_said_once_with_their_planes() -> None:
    failures = PlaneFailures()
    assert str(failures) == ""
    for n in (4, 2, 9, 8, 7, 6, 5):
        failures.add((n, None, None), BlankPlaneError("Nothing is there."))
    failures.add((0, None, None), OSError("gone"))
    assert str(failures) == (
        "Plane 2; Plane 4; Plane 5; Plane 6; Plane 7 and 2 more: Nothing is there. "
        "Plane 0: Error: OSError('gone')"
    )
