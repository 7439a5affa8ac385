"""Groups and order in which several test processes take tests.

With ``--dist loadgroup`` a group runs in one process. A file is a group, so that the fixtures of
a module are made once; files that must not run beside each other share a group.
"""

import pytest

WINDOWS = "windows"
PROCESSES = "processes"

SHARED_GROUPS = {
    # Processes that are started, killed or ended, which take more than the core of their test.
    "tests/batch/test_cluster.py": PROCESSES,
    "tests/batch/test_killed.py": PROCESSES,
    "tests/session/test_journal.py": PROCESSES,
    "tests/plugin/test_closing.py": PROCESSES,
    # They need the library transformers, which takes seconds to load.
    "tests/networks/": "networks",
}
"""Groups of more than one file, by the beginning of their paths."""

FIRST = (
    *(WINDOWS, PROCESSES, "tests/test_segmentation.py", "tests/test_examples.py"),
    *("tests/fuzz/", "tests/plugin/", "networks", "tests/test_doc"),
    *("tests/batch/", "tests/evaluation/", "tests/session/", "tests/models/", "tests/cli/"),
)
"""Beginnings of the longest groups, which go first so that no process waits at the end."""


def find_group(item: pytest.Item) -> str:
    """Return the name of the group that a test runs in."""
    path = item.nodeid.split("::", 1)[0]
    for begin, group in SHARED_GROUPS.items():
        if path.startswith(begin):
            return group
    # Windows on one screen take the keyboard from each other.
    opens = {"window", "make_napari_viewer"} & set(getattr(item, "fixturenames", ()))
    return WINDOWS if opens else path


def group_tests(items: list[pytest.Item]) -> None:
    """Mark tests with their groups, and sort them by group, the longest first."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(find_group(item)))
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    marker = item.get_closest_marker("xdist_group")
    assert marker is not None
    group = str(marker.args[0])
    return next((n for n, begin in enumerate(FIRST) if group.startswith(begin)), len(FIRST))
