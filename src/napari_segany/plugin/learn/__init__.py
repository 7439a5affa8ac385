"""The dock Learn: label images with a finder's help, and train the finder on them."""
