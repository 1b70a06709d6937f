"""What can go wrong, as one tree. Each text is written for the person at the terminal.

The library raises; only `cli` turns an error into one sentence and an exit code.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__all__ = [
    "ArgumentError",
    "BackendError",
    "DatasetError",
    "DeepsegError",
    "ImageError",
    "MissingContentError",
    "ModelError",
    "NormsError",
    "OutputError",
    "PersonError",
    "SchemaError",
    "library_error",
    "required",
]

_PACKAGE = "sct-deepseg-general"
_EXTRAS: Mapping[str, str] = {
    "torch": "torch",
    "nnunetv2": "torch",
    "safetensors": "torch",
    "submitit": "slurm",
    "statsmodels": "norms",
    "nbformat": "train",
    "nbclient": "train",
    "ipykernel": "train",
    "pandas": "train",
}
"""The extra that installs each optional library."""


class DeepsegError(Exception):
    """Anything this package raises on purpose: what is wrong, what was found, what to do."""


class ArgumentError(DeepsegError, ValueError):
    """An argument of a Python function has a value that it cannot have."""


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


class PersonError(NormsError, ArgumentError):
    """No person has such an age or sex."""


class OutputError(DeepsegError):
    """A result cannot be written where it was asked for."""


class SchemaError(DeepsegError):
    """A JSON file is unreadable, or a field of it is missing, unknown or not valid."""


@contextmanager
def required(purpose: str, extra: str, otherwise: str = "") -> Iterator[None]:
    """Import optional libraries in this block; where one is missing, say how to install it.

    Parameters
    ----------
    purpose : str
        What the libraries are for, as the beginning of a sentence ("Training").
    extra : str
        The package's extra that installs them ("torch", "train", "slurm", "norms").
    otherwise : str
        What else the user can do, as the end of the sentence (", or use -engine openvino").

    Raises
    ------
    BackendError
        A library is not installed or cannot be loaded.

    Examples
    --------
    >>> from sct_deepseg_general.errors import required
    >>> with required("Drawing", "train"):
    ...     import no_such_library
    Traceback (most recent call last):
        ...
    sct_deepseg_general.errors.BackendError: Drawing needs no_such_library, which is not \
installed: run pip install 'sct-deepseg-general[train]'.
    """
    try:
        yield
    except ImportError as error:
        raise library_error(error, purpose, extra, otherwise) from error


def library_error(
    error: ImportError, purpose: str = "This command", extra: str = "", otherwise: str = ""
) -> BackendError:
    """The `BackendError` that says which library an import failed for, and what installs it."""
    name = (error.name or "a library").split(".")[0]
    extra = extra or _EXTRAS.get(name, "")
    package = f"{_PACKAGE}[{extra}]" if extra else _PACKAGE
    install = f"run pip install '{package}'"
    if isinstance(error, ModuleNotFoundError):
        return BackendError(
            f"{purpose} needs {name}, which is not installed: {install}{otherwise}."
        )
    return BackendError(
        f"{purpose} needs {name}, which cannot be loaded ({error}): free memory, or {install} "
        f"again{otherwise}."
    )
