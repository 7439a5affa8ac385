"""Lines about batches, without a window."""

from pathlib import Path

from napari_segany.batch.plan import Outcome, State
from napari_segany.plugin.batch.form import describe_outcomes


def outcome(name: str, state: State, objects: int = 0) -> Outcome:
    return Outcome(Path("plates") / name, state, objects=objects)


def test_failures_are_named_with_the_place_of_their_reasons() -> None:
    done = [outcome("a.tif", "done", 3), outcome("b.tif", "same", 4)]
    assert describe_outcomes(done) == "2 of 2 images, 7 objects."
    one = [*done, outcome("c.tif", "failed")]
    assert describe_outcomes(one) == (
        "2 of 3 images, 7 objects. Failed: c.tif. Select it in the list to see why, or open the "
        "report."
    )
    text = describe_outcomes([*one, outcome("d.tif", "partly"), outcome("e.tif", "failed")])
    assert "2 of 5 images" in text
    assert "Failed: c.tif and 2 more. Select one in the list" in text
