"""Learn dock: label, train and go on, in one place."""
