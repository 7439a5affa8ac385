"""Widgets: the only place with Qt's widgets in it."""
