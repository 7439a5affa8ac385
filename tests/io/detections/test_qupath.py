from pathlib import Path
from typing import Any

import pytest

from napari_segany.errors import InputError
from napari_segany.io.detections import TableImage, read_detections

HEADER = "Image\tObject ID\tClassification\tCentroid X µm\tCentroid Y µm\tArea µm^2\n"
ROWS = "a.svs\tf3\tTumour\t10.25\t5.25\t9\nb.svs\tf4\tTumour\t20.25\t5.25\t9\n"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
@pytest.mark.parametrize("name", ["cells.tsv", "cells.txt", "cells.csv"])
def test_centroids_in_micrometres(read: Any, encoding: str, name: str) -> None:
    found = read((HEADER + ROWS).encode(encoding), name, size=0.5, image="a.svs")
    # QuPath counts from the corner of the first pixel.
    assert [(each.points, each.id) for each in found] == [([[10, 20]], "f3")]
    assert found.understood == (
        "QuPath measurements: points from Centroid X µm, Centroid Y µm; "
        "1 of 2 rows, those of a.svs in Image"
    )


def test_centroids_in_pixels(read: Any) -> None:
    text = "Image,Name,Centroid X px,Centroid Y px\na.png,n,20.5,10.5\n"
    found = read(text, size=0.5)
    assert found.found[0].points == [[10, 20]]
    assert found.overrides == ("dialect",)


def test_without_a_pixel_size_micrometres_mean_nothing(read: Any) -> None:
    with pytest.raises(InputError, match="no pixels, and the image does not say"):
        read(HEADER + ROWS, "a.tsv", image="a.svs")
    assert read(HEADER + ROWS, "a.tsv", image="a.svs", units="pixels").found[0].points


def test_rows_of_several_images_need_one_that_is_meant(read: Any) -> None:
    with pytest.raises(InputError, match=r"about 2 images by its column Image, none of which is c"):
        read(HEADER + ROWS, "a.tsv", size=0.5, image="c.svs")


def test_units_of_the_image_are_converted(tmp_path: Path) -> None:
    path = tmp_path / "cells.tsv"
    path.write_text(HEADER + ROWS, encoding="utf-8")
    sizes = {"Y": (500.0, "nm"), "X": (0.0005, "mm")}
    found = read_detections(path, TableImage((100, 200), pixel_size=sizes, name="a.svs"))
    assert found.found[0].points == [pytest.approx([10, 20])]
