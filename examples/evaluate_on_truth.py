"""Measure a model on images with ground truth: clicks and boxes."""

import numpy as np
from skimage.draw import ellipse
from skimage.filters import gaussian

import napari_segany as sa
from napari_segany.evaluation.tasks import EvaluationSettings

# Ellipses with noise, whose truth is known. Take your own images and label images here.
random = np.random.default_rng(0)
truth = np.zeros((200, 240), np.int32)
for i in range(12):
    row, col = 33 + 66 * (i // 4), 30 + 60 * (i % 4)
    radii, angle = random.uniform(10, 22, 2), random.uniform(0, np.pi)
    truth[ellipse(row, col, *radii, shape=truth.shape, rotation=angle)] = i + 1
image = gaussian((truth > 0).astype(float), 1.5) + random.normal(0, 0.1, truth.shape)

model = sa.load_model()
settings = EvaluationSettings(tasks=("clicks", "boxes"), clicks=3, objects=6)
for name, summary in sa.evaluate([image], [truth], model, settings).items():
    print(name)
    for score, value in summary.scores().items():
        print(f"  {score}: {value:.3f}")
