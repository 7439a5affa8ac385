"""The Models dock: list, fetch, verify and import weights."""
