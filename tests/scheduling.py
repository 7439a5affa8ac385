"""Groups and order in which several test processes take tests.

A group runs in one process. A file is a group, so that the fixtures of a module are made once;
files that must not run beside each other share a group. The groups are given to pytest-xdist here
rather than by its marks, which have no effect with pytest 9.2.
"""

from typing import Any

import pytest

WINDOWS = "windows"
PROCESSES = "processes"

SHARED_GROUPS = {
    # Windows on one screen take the keyboard from each other.
    "tests/plugin/test_random_window_use.py": WINDOWS,
    "tests/plugin/test_docks_fit.py": WINDOWS,
    "tests/plugin/shared/test_accessible_names.py": WINDOWS,
    "tests/plugin/prompt/test_window.py": WINDOWS,
    "tests/plugin/prompt/test_widget.py": WINDOWS,
    "tests/plugin/everything/test_window.py": WINDOWS,
    "tests/plugin/batch/test_window.py": WINDOWS,
    "tests/plugin/evaluate/test_widget.py": WINDOWS,
    "tests/plugin/tracks/test_widget.py": WINDOWS,
    "tests/plugin/learn/test_window.py": WINDOWS,
    "tests/plugin/models/test_window.py": WINDOWS,
    "tests/plugin/layers/test_sample_data.py": WINDOWS,
    "tests/plugin/layers/test_adding.py": WINDOWS,
    "tests/plugin/shared/": WINDOWS,
    # Processes that are started, killed or ended, which take more than the core of their test.
    "tests/batch/test_cluster.py": PROCESSES,
    "tests/batch/test_killed.py": PROCESSES,
    "tests/session/test_journal.py": PROCESSES,
    "tests/plugin/prompt/test_killed_through_planes.py": PROCESSES,
    "tests/session/tracks/test_track_journal.py": PROCESSES,
    "tests/plugin/test_closing.py": PROCESSES,
    "tests/training/test_feature_cache.py": PROCESSES,
    "tests/training/test_project.py": PROCESSES,
    "tests/training/test_training_process.py": PROCESSES,
    "tests/training/test_own_finder.py": PROCESSES,
    "tests/remote/test_remote_": PROCESSES,
    # They need the library transformers, which takes seconds to load.
    "tests/networks/": "networks",
    "tests/models/ported/": "ported",
}
"""Groups of more than one file, by the beginning of their paths."""

FIRST = (
    *(WINDOWS, PROCESSES, "tests/test_segmentation.py", "tests/test_examples.py"),
    *("tests/fuzz/", "tests/plugin/", "networks", "tests/test_doc"),
    *("tests/batch/", "tests/evaluation/", "tests/session/", "tests/models/", "tests/cli/"),
)
"""Beginnings of the longest groups, which go first so that no process waits at the end."""


def find_group(nodeid: str) -> str:
    """Return the name of the group that a test runs in."""
    path = nodeid.split("::", 1)[0]
    return next((g for begin, g in SHARED_GROUPS.items() if path.startswith(begin)), path)


def sort_tests(items: list[pytest.Item]) -> None:
    """Sort tests by group, the longest first, and check that windows are in their group."""
    for item in items:
        opens = {"window", "make_napari_viewer"} & set(getattr(item, "fixturenames", ()))
        if opens and find_group(item.nodeid) != WINDOWS:
            raise pytest.UsageError(f"{item.nodeid} opens a window: name it in tests/scheduling.py")
    # After napari's own fixture has run, a second window of ours cannot register plugins.
    items.sort(
        key=lambda item: (
            _rank(find_group(item.nodeid)),
            "make_napari_viewer" in getattr(item, "fixturenames", ()),
        )
    )


def _rank(group: str) -> int:
    return next((n for n, begin in enumerate(FIRST) if group.startswith(begin)), len(FIRST))


def make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return pytest-xdist's scheduler of scopes, with our groups as scopes."""
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return find_group(nodeid)

    return GroupScheduling(config, log)
