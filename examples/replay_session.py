"""Record an interactive session as JSON and replay it: the same labels, byte for byte."""

import json
from pathlib import Path

import numpy as np
from skimage.data import coins

import napari_segany as sa
from napari_segany.session import ArraySource, provenance, replay

image, model = coins(), sa.load_model()
session = sa.Session(ArraySource(image, name="coins"), model)

# A click, the second candidate, a correction, a commit.
session.add_point(195, 102)
session.ask()
session.next_candidate()
session.add_point(160, 102, positive=False)
session.ask()
session.commit()

# Two boxes at once; the second commit is undone.
boxes = [sa.Prompt(box=(90, 145, 150, 190)), sa.Prompt(box=(30, 210, 75, 260))]
numbers = session.add_many(boxes)
session.ask()
for number in numbers:
    session.commit([number])
session.undo()
print(session)

folder = Path("example_results")
folder.mkdir(exist_ok=True)
path = folder / "session.json"
path.write_text(json.dumps(provenance(session)))

again = replay(path.read_text(), ArraySource(image), model)
assert np.array_equal(again, session.labels.data)
print(f"{path}: {again.max()} objects, replayed to the same labels")
