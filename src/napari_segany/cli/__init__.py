"""The ``napari-segany`` command; one module a subcommand, heavy imports only when it runs."""
