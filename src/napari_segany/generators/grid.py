"""The grid generator: prompt every point of a grid, keep confident, stable masks, no duplicates."""

from dataclasses import dataclass

from napari_segany.generators.point_search import CropPrompter, FoundCandidates, PointGenerator


@dataclass(frozen=True)
class GridGenerator(PointGenerator):
    """Generator that prompts all points, as the published code does."""

    def search_crop(self, prompter: CropPrompter) -> FoundCandidates:
        """Return the candidates of all points of a crop."""
        return prompter.prompt_points(prompter.crop.points)
