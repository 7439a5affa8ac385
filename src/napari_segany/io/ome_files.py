"""Sets of OME-TIFF files: which files an image is spread over, by its OME-XML."""

from xml.etree import ElementTree


def ome_files(xml: str) -> list[str]:
    """Names of the files that an OME-XML text mentions, in its order; empty if it mentions none."""
    try:
        elements = ElementTree.fromstring(xml.encode()).iter()
        named = [e.attrib.get("FileName") for e in elements if e.tag.rpartition("}")[2] == "UUID"]
    except ElementTree.ParseError:
        return []
    return list(dict.fromkeys(name for name in named if name))
