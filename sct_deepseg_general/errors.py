"""What can go wrong, as one tree. Each text is written for the person at the terminal.

The library raises; only `cli` turns an error into one sentence and an exit code.
"""

__all__ = [
    "BackendError",
    "DatasetError",
    "DeepsegError",
    "ImageError",
    "MissingContentError",
    "ModelError",
    "NormsError",
    "OutputError",
    "SchemaError",
]


class DeepsegError(Exception):
    """Anything this package raises on purpose: what is wrong, what was found, what to do."""


class ImageError(DeepsegError):
    """The input image cannot be used."""


class MissingContentError(ImageError):
    """The content of a file is not on this machine: a placeholder, a dangling link, or no byte."""


class ModelError(DeepsegError):
    """The model is missing, damaged or does not fit."""


class DatasetError(DeepsegError):
    """A BIDS dataset, a recipe or a split cannot be used."""


class BackendError(DeepsegError):
    """An engine, a device or an external command is missing or failed."""


class NormsError(DeepsegError):
    """Norms cannot be read, fitted or applied to this person."""


class OutputError(DeepsegError):
    """A result cannot be written where it was asked for."""


class SchemaError(DeepsegError):
    """A JSON file is unreadable, or a field of it is missing, unknown or not valid."""
