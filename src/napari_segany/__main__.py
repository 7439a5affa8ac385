"""``python -m napari_segany`` is the ``napari-segany`` command."""

import sys

from napari_segany.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
