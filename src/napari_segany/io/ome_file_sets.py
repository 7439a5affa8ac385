"""OME-TIFF file sets: the files that an image is spread over, by its OME-XML."""

from pathlib import Path
from xml.etree import ElementTree


def ome_files(xml: str) -> list[str]:
    """Return the names of the files in an OME-XML text, in its order; empty if there are none."""
    try:
        elements = ElementTree.fromstring(xml.encode()).iter()
        named = [e.attrib.get("FileName") for e in elements if e.tag.rpartition("}")[2] == "UUID"]
    except ElementTree.ParseError:
        return []
    return list(dict.fromkeys(name for name in named if name))


def missing_files(xml: str, folder: Path) -> list[str]:
    """Return the files of a set that are not in a folder."""
    return [name for name in ome_files(xml) if not (folder / name).exists()]


def companion(xml: str) -> str:
    """Return the file that holds the description in place of this one; empty if there is none."""
    try:
        elements = list(ElementTree.fromstring(xml.encode()).iter())
    except ElementTree.ParseError:
        return ""
    found = (e.attrib.get("MetadataFile", "") for e in elements if e.tag.endswith("BinaryOnly"))
    return next(found, "")
