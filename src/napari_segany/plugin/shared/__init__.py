"""Parts that several docks share."""
