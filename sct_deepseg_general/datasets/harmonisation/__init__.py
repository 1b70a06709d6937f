"""Labels of all datasets moved to one definition of the edge of the cord."""
