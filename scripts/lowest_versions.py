"""Constraints for pip: the lowest versions of direct dependencies that pyproject.toml allows.

python scripts/lowest_versions.py > lowest.txt
pip install --constraint lowest.txt --editable . --group test
"""

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

REQUIREMENT = re.compile(r"^([\w.-]+)(?:\[[\w,.-]*\])?\s*>=\s*([\w.]+)$")


def lowest_versions(pyproject: Path = PYPROJECT) -> list[str]:
    """Return a line ``name==version`` for each direct dependency, also of extras and of tests.

    A package with several lower bounds gets the highest of them.
    """
    content = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    project = content["project"]
    wanted = [
        *project["dependencies"],
        *(each for group in project["optional-dependencies"].values() for each in group),
        *(each for each in content["dependency-groups"]["test"] if isinstance(each, str)),
    ]
    found: dict[str, str] = {}
    for line in wanted:
        match = REQUIREMENT.match(line)
        if match is None:
            # The package's own extras.
            continue
        name, version = match.groups()
        if name not in found or _number(version) > _number(found[name]):
            found[name] = version
    return [f"{name}=={_lowest(version)}" for name, version in sorted(found.items())]


def _lowest(version: str) -> str:
    """Return the version, or the patches of its first minor release: ``4`` means ``4.0.*``."""
    parts = version.split(".")
    return version if len(parts) > 2 else ".".join([*parts, "0"][:2]) + ".*"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


if __name__ == "__main__":
    print("\n".join(lowest_versions()))
