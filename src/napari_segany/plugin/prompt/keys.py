"""Keys of the Prompt dock, on its layers, on the image and on the labels."""

KEYS = {
    "Q": "flip_sign",
    "N": "commit",
    "J": "previous_candidate",
    "K": "next_candidate",
    "U": "undo",
    "Shift-U": "redo",
    "Shift-R": "reopen_clicked",
    "G": "segment",
    "H": "toggle_preview",
    "W": "through_planes",
    "O": "toggle_absent",
    "Y": "next_doubtful",
}
"""Methods of the Prompt dock by key."""
