"""Networks imported from nnU-Net: where they look, how their images are prepared, how they run."""
