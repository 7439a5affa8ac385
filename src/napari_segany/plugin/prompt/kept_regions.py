"""Regions of the volume in which objects are followed, kept from one request to the next."""

from napari_segany.linking.propagation.region_source import FindRegions
from napari_segany.models.multi_view import with_views
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.tiled_model import without_tiles
from napari_segany.session.inference import Predictor
from napari_segany.session.through_planes import PlaneAxis, PropagationRequest
from napari_segany.volume_regions import VolumeRegions, finder_views


class KeptRegions:
    """The regions of one volume at a time: a correction costs no look at its planes."""

    def __init__(self) -> None:
        self._of: tuple[Predictor, PlaneAxis] | None = None
        self._regions: VolumeRegions | None = None

    def forget(self) -> None:
        """Release what is known."""
        self._of = self._regions = None

    def find_for(self, request: PropagationRequest) -> FindRegions:
        """Return what finds the regions of a request's planes."""
        predictor, axis = request.predictor, request.axis
        model = without_tiles(predictor.model)
        known = self._of is not None and (
            _same_views(without_tiles(self._of[0].model), model)
            and self._of[0].source is predictor.source
            and self._of[1].same_planes(axis)
        )
        if self._regions is None or not known:
            source = predictor.source
            self._of = predictor, axis
            self._regions = VolumeRegions(
                model,
                lambda number: source.read(axis.plane(number)),
                len(request.planes),
                source.limits,
            )
        return self._regions.find


def _same_views(one: PromptableModel, two: PromptableModel) -> bool:
    """Return True if both are the same model, and the finder has as many views beside them."""
    return with_views(one, 1) is with_views(two, 1) and finder_views(one) == finder_views(two)
