"""The product of linked labels: candidates of each plane, then the objects of the whole stack."""

from dataclasses import dataclass
from functools import partial

from napari_segany.batch.manifest import Record
from napari_segany.batch.products.labels import Tallies, finish_labels
from napari_segany.batch.protocol import FinishedImage, PlaneInput
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.planes import StackLayout
from napari_segany.io.read import OpenedImage
from napari_segany.io.result_files import ResultWriter
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.linked_stack import check_axis
from napari_segany.linking.object_table import ObjectMeasurer
from napari_segany.models.protocol import PromptableModel
from napari_segany.plane_search import PlaneParts, decode_parts, find_parts, link_parts


@dataclass(frozen=True)
class LinkedLabelsProduct:
    """The product that makes labels of which an object has one id in all its planes.

    Planes are computed one by one, anywhere, as those of labels are. Linking comes when all of them
    are there: it reads them twice, a few at a time.
    """

    name: str = ""
    noun: str = "object"
    tiled: bool = False

    def compute_plane(
        self,
        plane: PlaneInput,
        model: PromptableModel,
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Find what linking needs of one plane; return it compressed."""
        check_axis(plane.layout, plane.recipe.link or LinkParams())
        found = find_parts(
            plane.image.data,
            plane.layout,
            plane.recipe,
            model,
            plane.index,
            region=plane.region,
            progress=progress,
            should_stop=should_stop,
        )
        return found.to_bytes()

    def decode(self, content: bytes) -> PlaneParts:
        """Decode what linking needs of one plane."""
        return decode_parts(content)

    def finish(self, image: FinishedImage[PlaneParts]) -> Record:
        """Link the planes of an image and write the results."""
        recipe = image.recipe
        params = recipe.link or LinkParams()

        def add_planes(writer: ResultWriter, opened: OpenedImage, layout: StackLayout) -> Tallies:
            stack = link_parts(layout, recipe, lambda index: image.load(layout.number(index)))
            found = Tallies()
            axis = params.link.upper()
            at = layout.leading.index(axis)
            measurer = ObjectMeasurer(stack.count, layout.channels)
            for index, labels in stack.planes():
                read = partial(layout.plane, opened.data, index)
                found.per_plane.append(writer.add_linked(index, labels, read))
                if labels.any():
                    measurer.add(index[at], labels, read())
            objects = stack.objects()
            measured = measurer.columns(opened.pixel_size, axis)
            writer.add_objects(objects, measured)
            found.count(measured["volume"], objects["mean_score"])
            return found

        return finish_labels(image, add_planes)


LINKED_LABELS_PRODUCT = LinkedLabelsProduct()
