"""Order of a project's images: the finder looks at all that are to do, in the background."""

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.learn.controller import LearnController
from napari_segany.training.proposal import Proposal, propose


class Ranking:
    """Has the finder in use look at each image to do that it has not seen.

    The most doubtful images come first then, and the next one is shown with its proposal at once.

    Parameters
    ----------
    controller : LearnController
        Holder of the project and of the model.
    """

    def __init__(self, controller: LearnController) -> None:
        self._of = controller
        controller.unranked.connect(self.look_ahead)

    def look_ahead(self) -> None:
        """Queue the images that are to be looked at, behind all that a person waits for."""
        of, model = self._of, self._of.model
        if of.folder is None or model is None:
            return
        for image in of.project.to_do:
            # The image in work gets its proposal from the controller.
            if image.name != of.current and not of.project.is_ranked(image.name):
                self._look_at(image.name, model)

    def _look_at(self, name: str, model: PromptableModel) -> None:
        of, folder, finder = self._of, self._of.require_folder(), self._of.project.finder

        def work(should_stop: ShouldStop) -> Proposal:
            names = [each.name for each in folder.project.to_do]
            seen = sum(folder.project.is_ranked(each) for each in names)
            of.tell("Looking at images", seen, len(names))
            found = propose(model, folder.read_image(name), finder, should_stop)
            check(should_stop)
            # Labels in work are compared with what they were made from.
            in_work = folder.labels_path("drafts", name).is_file()
            if not in_work and name != folder.project.current:
                folder.write_labels("proposals", name, found.labels)
            return found

        def done(found: Proposal) -> None:
            of.note_proposal(folder, name, finder, found)

        of.jobs.submit(("look", name), Priority.AHEAD, work, done, of.on_failed)
