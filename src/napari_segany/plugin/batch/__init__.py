"""The Batch dock: run one recipe over many files."""
