"""Commands about the program and its results: `info`, `methods` and `completion`."""
