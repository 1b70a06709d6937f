"""Commands about the program and its results: `info` and `methods`."""
