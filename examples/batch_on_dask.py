"""Run a batch of files with one recipe on a local dask cluster.

It needs the extra "dask": pip install "napari-segany[dask]".
"""

from pathlib import Path

import tifffile
from skimage.data import coins

import napari_segany as sa
from napari_segany.cli.main import main
from napari_segany.segmentation import make_recipe

if __name__ == "__main__":  # The workers import this file, too.
    folder = Path("example_results")
    images = folder / "batch"
    images.mkdir(parents=True, exist_ok=True)
    for i, part in enumerate((coins()[:128, :128], coins()[-128:, -128:])):
        tifffile.imwrite(images / f"coins_{i}.tif", part)

    # A recipe holds all that decides a result: the model with the hash of its weights, parameters.
    recipe = make_recipe(sa.load_model(), sa.AutomaticParams(points_per_side=5))
    (folder / "recipe.json").write_text(recipe.to_json())

    # The same command again leaves alone what is done; a cluster's address works as local:2 does.
    command = f"segment {images} -o {folder / 'batch_results'} --recipe {folder / 'recipe.json'}"
    code = main([*command.split(), "--dask", "local:2", "--export", "coco"])
    for path in sorted((folder / "batch_results").glob("*")):
        print(path)
    raise SystemExit(code)
