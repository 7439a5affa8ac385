"""Smallest files of microscopes' formats, by hand: no program but the makers' writes these.

They follow what is public about the formats, so that the packages that read such files read these.
"""

import struct
import uuid
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

# ND2: chunks with names, and a map of them at the end; metadata are typed records.

_CHUNK = 0x0ABECEDA
_ALIGNED = 4096


def _record(name: str, value: Any) -> bytes:
    """A typed record: its type, the length of its name, the name and the value."""
    text = name.encode("utf-16-le") + b"\0\0"
    kind, body = _typed(value)
    head = struct.pack("BB", kind, len(text) // 2) + text
    if kind != 11:
        return head + body
    count = len(value)
    return head + struct.pack("<IQ", count, len(head) + 12 + len(body)) + body + bytes(8 * count)


def _typed(value: Any) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return 1, struct.pack("B", value)
    if isinstance(value, int):
        return 3, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<d", value)
    if isinstance(value, str):
        return 8, value.encode("utf-16-le") + b"\0\0"
    items = value.items() if isinstance(value, dict) else (("", each) for each in value)
    return 11, b"".join(_record(name, each) for name, each in items)


def write_nd2(
    path: Path,
    pixels: np.ndarray,
    positions: tuple[str, ...] = ("",),
    channels: tuple[str, ...] = ("DAPI",),
    step: tuple[float, float] = (0.5, 0.25),
    period_ms: float = 2000.0,
) -> None:
    """An ND2 file of version 3 with (T, P, Z, C, Y, X) pixels, C interleaved as it is stored."""
    times, places, depth, count, height, width = pixels.shape
    itemsize = pixels.dtype.itemsize
    attributes = {
        "uiWidth": width,
        "uiWidthBytes": width * count * itemsize,
        "uiHeight": height,
        "uiComp": count,
        "uiBpcInMemory": 8 * itemsize,
        "uiBpcSignificant": 8 * itemsize,
        "uiSequenceCount": times * places * depth,
        "eCompression": 2,
    }
    planes = {
        f"a{n}": {"sDescription": name, "uiCompCount": 1, "uiSampleIndex": n, "uiColor": 255}
        | {"pFluorescentProbe": {"m_uiColor": 0}}
        for n, name in enumerate(channels)
    }
    picture = {
        "bCalibrated": True,
        "dCalibration": step[1],
        "sPicturePlanes": {"uiCount": count, "sPlaneNew": planes},
    }
    points = [{"dPosX": 0.0, "dPosY": 0.0, "dPosName": name} for name in positions]
    time = {"uiCount": times, "dStart": 0.0, "dPeriod": period_ms, "dDuration": 0.0}
    loops: list[tuple[int, dict[str, Any]]] = [
        (1, time),
        (2, {"uiCount": places, "Points": points}),
        (4, {"uiCount": depth, "dZStep": step[0], "iType": 0}),
    ]
    experiment: dict[str, Any] = {}
    for kind, about in reversed(loops):
        # A record without a name is an entry of a list.
        inner = {"ppNextLevelEx": [experiment]} if experiment else {}
        experiment = {"eType": kind, "uLoopPars": about} | inner
    chunks = {
        "ImageAttributesLV!": _record("SLxImageAttributes", attributes),
        "ImageMetadataLV!": _record("SLxExperiment", experiment),
        "ImageMetadataSeqLV|0!": _record("SLxPictureMetadata", picture),
    }
    frames = np.moveaxis(pixels, 3, -1).reshape(-1, height, width, count)
    for number, frame in enumerate(frames):
        # The time of the frame comes first.
        chunks[f"ImageDataSeq|{number}!"] = bytes(8) + np.ascontiguousarray(frame).tobytes()
    places_of: list[tuple[bytes, int, int]] = []
    with path.open("wb") as file:
        start = struct.pack("<IIQ", _CHUNK, 32, 64) + b"ND2 FILE SIGNATURE CHUNK NAME01!"
        file.write((start + b"Ver3.0".ljust(64, b"\0")).ljust(_ALIGNED, b"\0"))
        for name, content in chunks.items():
            at, length = file.tell(), _ALIGNED - 24
            file.write(struct.pack("<IIQ", _CHUNK, length, len(content)))
            file.write(name.encode().ljust(length, b"\0") + content)
            file.write(bytes(-file.tell() % _ALIGNED))
            places_of.append((name.encode(), at, len(content)))
        at = file.tell()
        listed = b"".join(name + struct.pack("<QQ", *where) for name, *where in places_of)
        listed += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", at)
        file.write(struct.pack("<IIQ", _CHUNK, 32, len(listed)))
        file.write(b"ND2 FILEMAP SIGNATURE NAME 0001!" + listed)


# LIF: one XML text about all images, and a block of pixels for each.


def write_lif(path: Path, images: dict[str, np.ndarray], channels: tuple[str, ...]) -> None:
    """A LIF file with images of (T, Z, C, Y, X) pixels, steps of 2 s, 0.5, 0.2 and 0.1 um."""
    steps = {"4": (2.0, "s"), "3": (5e-7, "m"), "2": (2e-7, "m"), "1": (1e-7, "m")}
    elements, blocks = [], []
    for number, (name, pixels) in enumerate(images.items()):
        strides = dict(zip("43_21", pixels.strides, strict=True))
        lengths = dict(zip("43_21", pixels.shape, strict=True))
        dimensions = "".join(
            f'<DimensionDescription DimID="{axis}" NumberOfElements="{lengths[axis]}" Origin="0" '
            f'Length="{steps[axis][0] * (lengths[axis] - 1)!r}" Unit="{steps[axis][1]}" '
            f'BytesInc="{strides[axis]}" BitInc="0"/>'
            for axis in "1234"
            if lengths[axis] > 1
        )
        bits = 8 * pixels.itemsize
        listed = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{bits}" '
            f'NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName={quoteattr(channel)} '
            f'IsLUTInverted="0" BytesInc="{n * strides["_"]}" BitInc="0"/>'
            for n, channel in enumerate(channels[: lengths["_"]])
        )
        elements.append(
            f'<Element Name={quoteattr(name)} UniqueID="{number}"><Data><Image><ImageDescription>'
            f"<Channels>{listed}</Channels><Dimensions>{dimensions}</Dimensions>"
            f'</ImageDescription></Image></Data><Memory Size="{pixels.nbytes}" '
            f'MemoryBlockID="MemBlock_{number}"/></Element>'
        )
        blocks.append(np.ascontiguousarray(pixels).tobytes())
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="file.lif" UniqueID="0"><Children>'
        f"{''.join(elements)}</Children></Element></LMSDataContainerHeader>"
    )
    with path.open("wb") as file:
        file.write(struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)))
        file.write(xml.encode("utf-16-le"))
        for number, content in enumerate(blocks):
            name = f"MemBlock_{number}"
            about = (0x2A, len(content), 0x2A, len(name))
            file.write(struct.pack("<II", 0x70, 14 + 2 * len(name)) + struct.pack("<BQBI", *about))
            file.write(name.encode("utf-16-le") + content)


# CZI: segments with names; blocks of pixels, a directory of them and an XML text.

_PIXEL_TYPES = {("uint8", 1): 0, ("uint16", 1): 1, ("uint8", 3): 3}


def _segment(name: str, content: bytes) -> bytes:
    padded = content + bytes(-len(content) % 32)
    return name.encode().ljust(16, b"\0") + struct.pack("<qq", len(padded), len(content)) + padded


def _entry(block: dict[str, Any], position: int) -> bytes:
    pixels = block["pixels"]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    full = block.get("full", pixels.shape[:2])
    at = {"X": (block["col"], full[1], pixels.shape[1])}
    at["Y"] = (block["row"], full[0], pixels.shape[0])
    at |= {axis: (index, 1, 1) for axis, index in block["place"].items()}
    kind = _PIXEL_TYPES[pixels.dtype.name, samples]
    level = int(full != pixels.shape[:2])
    entry = struct.pack("<2siqiiBB4si", b"DV", kind, position, 0, 0, level, 0, bytes(4), len(at))
    for axis, (start, size, stored) in at.items():
        entry += struct.pack("<4siifi", axis.encode(), start, size, float(start), stored)
    return entry


def write_czi(path: Path, blocks: list[dict[str, Any]], xml: str = "<ImageDocument/>") -> None:
    """A CZI file of blocks: ``pixels``, ``row``, ``col``, ``place`` by axis, and ``full`` size."""
    content, entries, position = b"", [], 32 + 512
    for block in blocks:
        pixels = np.ascontiguousarray(
            block["pixels"][..., ::-1] if block["pixels"].ndim == 3 else block["pixels"]
        )
        entry = _entry(block, position)
        head = struct.pack("<iiq", 0, 0, pixels.nbytes) + entry
        segment = _segment("ZISRAWSUBBLOCK", head.ljust(16 + 240, b"\0") + pixels.tobytes())
        entries.append(entry)
        content += segment
        position += len(segment)
    text = xml.encode()
    metadata = _segment("ZISRAWMETADATA", struct.pack("<ii", len(text), 0).ljust(256, b"\0") + text)
    directory = _segment(
        "ZISRAWDIRECTORY", struct.pack("<i", len(entries)).ljust(128, b"\0") + b"".join(entries)
    )
    file_id = uuid.UUID(int=1).bytes
    header = struct.pack(
        "<iiii16s16siqqiq",
        *(1, 0, 0, 0, file_id, file_id, 0, position + len(metadata), position, 0, 0),
    )
    path.write_bytes(
        _segment("ZISRAWFILE", header.ljust(512, b"\0")) + content + metadata + directory
    )
