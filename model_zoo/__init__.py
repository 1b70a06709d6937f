"""The models that come with the package: index, cards and the embedded weights."""
