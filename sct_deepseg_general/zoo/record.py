"""What a model says about itself in its `model.json`, as one frozen, validated value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from sct_deepseg_general.schema import Increasing, Length, Pattern, Range
from sct_deepseg_general.zoo.labels import LabelScheme, label_scheme

__all__ = [
    "Crop",
    "Date",
    "Hash",
    "Key",
    "LabelValues",
    "Locator",
    "ModelFile",
    "ModelRecord",
    "Name",
    "Normalisation",
    "Orientation",
    "Preprocessing",
    "Resampling",
    "Size",
    "Spacing",
    "Version",
]

NAME = r"[a-z0-9][a-z0-9-]{0,63}"
VERSION = r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){0,3}"
ORIENTATION = r"(?=.*[RL])(?=.*[AP])(?=.*[IS])[RLAPIS]{3}"
FILE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
HASH = r"[0-9a-f]{64}"
DATE = r"[0-9]{4}-[01][0-9]-[0-3][0-9]"

Name = Annotated[str, Pattern(NAME, "a name in lower case, such as sct-epi")]
Version = Annotated[str, Pattern(VERSION, "a version in digits, such as 1.0")]
Key = Annotated[str, Pattern(rf"{NAME}@{VERSION}", "a name and a version, such as sct-epi@0.2")]
Orientation = Annotated[str, Pattern(ORIENTATION, "an orientation in SCT's letters, such as LPI")]
Hash = Annotated[str, Pattern(HASH, "a SHA-256 of 64 hexadecimal digits")]
Date = Annotated[str, Pattern(DATE, "a date, YYYY-MM-DD")]
Size = Annotated[int, Range(least=0)]
Length_mm = Annotated[float, Range(0, 999, open_below=True)]
Spacing = tuple[Length_mm, Length_mm, Length_mm]
Voxels = Annotated[int, Range(1, 4096)]
Patch = tuple[Voxels, Voxels, Voxels]
LabelValues = Mapping[str, int | tuple[int, ...]]
Normalisation = Literal["zscore", "masked-zscore", "none"]
_Share = Annotated[float, Range(0, 1)]
_Margin = Annotated[float, Range(0, 1000)]
_FileName = Annotated[str, Pattern(FILE, "a plain file name")]
_Weights = Annotated[str, Pattern(rf"{FILE}\.safetensors", "the name of a safetensors file")]


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One file of a model: its size in bytes, and its SHA-256 in hexadecimal."""

    size: Size
    sha256: Hash


@dataclass(frozen=True, kw_only=True)
class Locator:
    """The small network that finds the cord in the whole image."""

    spacing: Spacing
    """Voxel size in mm, along x, y, z of the model's orientation."""
    patch: Patch
    """Size in voxels, along x, y, z of the model's orientation."""
    threshold: _Share
    """Probability at or above which a voxel counts as cord, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Crop:
    """How far the image reaches beyond the cord, in mm, in each direction of the body."""

    superior: _Margin
    inferior: _Margin
    left: _Margin
    right: _Margin
    anterior: _Margin
    posterior: _Margin


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How nnU-Net interpolates: the parameters of its `resample_data_or_seg_to_shape`.

    `resample_torch_fornnunet` is the same with `order` 1 and `order_z` 0.
    """

    order: Annotated[int, Range(0, 5)] = 3
    """Order of the spline within slices, or along all axes."""
    order_z: Annotated[int, Range(0, 5)] = 0
    """Order across slices, where they are much thicker than they are wide."""
    separate_z: bool | None = None
    """Whether slices are interpolated one by one; None: where they are over 3 times as thick."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How an imported network expects its images, as the nnU-Net plan says."""

    configuration: Literal["2d", "3d_fullres"] = "3d_fullres"
    normalisations: tuple[Normalisation, ...] = ("zscore",)
    """One for each channel."""
    image: Resampling = Resampling()
    logits: Resampling = Resampling(order=1)


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """The fields of `model.json`; axes are x, y, z of `orientation` unless stated otherwise."""

    format: Literal[1]
    id: Name
    version: Version
    title: str
    description: str
    contrasts: tuple[Annotated[str, Length(1)], ...]
    orientation: Orientation
    """SCT's letters (the sides from which the axes come) of the array the network sees."""
    spacing: Spacing
    """Voxel size in mm. Of a 2d network, that across slices is only typical."""
    patch: Patch
    """Size of a tile in voxels; 1 across the slices of a 2d network."""
    normalisation: Literal["zscore"]
    labels: LabelValues = field(hash=False)
    """Names of the labels with their values: {"background": 0, "sc": 1}."""
    threshold: _Share
    """Probability at or above which a voxel is cord, 0 to 1."""
    margin: _Margin
    """Distance in mm kept around the cord when the image is cropped."""
    locator: Locator | None
    folds: Annotated[tuple[_Weights, ...], Length(1)]
    """The weights, one safetensors file for each fold."""
    intervals: Mapping[str, Any] | None = field(hash=False)
    """Calibration of the area's interval, as `uncertainty.IntervalFactors` reads it."""
    licence: str
    citation: str
    date: Date
    """Day of the release."""
    replaces: Key | None
    """The model that this one replaces."""
    averaging: bool = False
    """Whether an image with smaller voxels is averaged over the model's voxels first."""
    typical: Mapping[str, Annotated[tuple[float, float], Increasing()]] | None = field(
        default=None, hash=False
    )
    """Ranges of image properties (`quality.appearance`) in the training images, by name."""
    norms: Mapping[str, Any] | None = field(default=None, hash=False)
    """How its areas become the norms', as `norms.centile.Calibrations` reads it."""
    change: Mapping[str, Any] | None = field(default=None, hash=False)
    """Repeat error of its changes of area, as `change.repeat` reads it; None: not known."""
    region_order: tuple[int, ...] | None = None
    """Values painted for overlapping regions, in order; None where classes exclude each other."""
    cord: str | None = None
    """The label that is the spinal cord; None: the label named so, see `labels.CORD_NAMES`."""
    networks: Annotated[tuple[_FileName, ...], Length(1)] = ("network",)
    """The OpenVINO IRs, without their endings; several are run one after the other."""
    int8: tuple[_FileName, ...] = ()
    """The same networks in whole numbers of 8 bits, if they were made."""
    channels: Annotated[tuple[str, ...], Length(1)] = ("MRI",)
    """Names of the images that the network takes together."""
    vote: Literal["mean", "majority"] = "mean"
    """How folds are combined: the mean of their logits, or the majority of their labels."""
    preprocessing: Preprocessing | None = None
    """Of imported networks: the image is prepared as nnU-Net does; None: as in training here."""
    crop: Crop | None = None
    """Of imported networks: distances kept around the cord, instead of `margin`."""
    whole_image: bool = False
    """Of imported networks: the whole image is looked at, as the cord may not be in it."""
    largest: tuple[str, ...] | None = None
    """Labels of which only the largest object is kept; None: the cord and `canal_seg`."""
    sources: Mapping[str, Hash] = field(default_factory=dict, hash=False)
    """SHA-256 of each file that an imported model was converted from."""
    files: Mapping[str, ModelFile] = field(default_factory=dict, hash=False)
    """Every file of the folder except `model.json` and `MANIFEST`, by name."""

    @property
    def key(self) -> str:
        """The name that pins this model: id@version."""
        return f"{self.id}@{self.version}"

    @property
    def size(self) -> int:
        """Bytes of all listed files."""
        return sum(one.size for one in self.files.values())

    @property
    def scheme(self) -> LabelScheme:
        """The labels as the network's channels."""
        return label_scheme(self.labels, self.region_order, self.key)

    @property
    def configuration(self) -> str:
        """nnU-Net's name of the configuration that the network is of."""
        return self.preprocessing.configuration if self.preprocessing else "3d_fullres"

    @property
    def cord_label(self) -> str | None:
        """The name of the label that is the spinal cord, or None."""
        named = self.scheme.cord
        return self.cord or (named.name if named else None)
