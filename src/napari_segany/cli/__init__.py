"""The ``napari-segany`` command: a module for each subcommand; heavy imports only when it runs."""
