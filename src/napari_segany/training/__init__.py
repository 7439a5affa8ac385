"""Training of the finder: views of labelled images, targets, losses and the training loop."""
