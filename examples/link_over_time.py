"""Labels of a movie linked over time: one id a track, a division, and files for other programs."""

from pathlib import Path

import numpy as np
from skimage.data import coins
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label

import napari_segany as sa
from napari_segany.io.tracks.formats import write_tracks

# Any labels will do. Here: coins by a threshold, on a stage that drifts. Ids of a frame say nothing
# about those of another one. The coin at row 193, column 212 is cut in two from frame 3 on.
smooth = gaussian(coins(), 2)
mask = smooth > threshold_otsu(smooth)
cut = mask.copy()
cut[165:222, 210:214] = False
frames = [
    label((cut if t >= 3 else mask)[90 - 9 * t : 290 - 9 * t, 60 - 12 * t : 320 - 12 * t])
    for t in range(5)
]
movie = np.stack(frames)

sizes = {"T": (5.0, "min"), "Y": (0.2, "um"), "X": (0.2, "um")}
found = sa.track(movie, axes="TYX", pixel_size=sizes)
table = found.table
print(f"{len(table.frame)} objects in {len(table.spans)} tracks")
for parent, daughters in table.children.items():
    print(f"track {parent} divides into {' and '.join(map(str, daughters))}")
doubtful = int(np.nanargmin(table.confidence))
print(f"most doubtful link: track {table.track[doubtful]}, frame {table.frame[doubtful]}")

out = Path("example_results")
out.mkdir(exist_ok=True)
print(sa.save_labels(found.to_labels(), out / "coins_tracks.ome.tif", "TYX", sizes))
print(write_tracks("ctc", out / "coins_RES", table, found.given_frame, found.count))
