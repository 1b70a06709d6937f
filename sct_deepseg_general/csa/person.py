"""An area brought to the average person: less of its spread comes from sex and brain size.

The linear models are those of Bédard and Cohen-Adad, Frontiers in Neuroimaging 2022
(10.3389/fnimg.2022.1031253), from brain images of 804 healthy people of 48 to 80 years in the
UK Biobank; SCT offers them as `-normalize`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.morphometry.morphometrics import Morphometrics

__all__ = ["PREDICTORS", "Covariates", "covariates_of", "to_average_person"]

PREDICTORS = ("sex", "brain-volume", "thalamus-volume")


@dataclass(frozen=True)
class Covariates:
    """Who was measured: sex 0 (female) or 1 (male), volumes in mm³."""

    sex: float
    brain_volume: float
    thalamus_volume: float | None = None


@dataclass(frozen=True)
class _Model:
    """mm² a unit, for each predictor, and the predictors' means; sex x brain volume is last."""

    sex: float
    brain: float
    thalamus: float
    interaction: float


_MEAN_SEX = 0.43656716417910446
_MEAN_BRAIN = 1156171.0708955224
_MEAN_THALAMUS = 15265.63184079602
_MEAN_INTERACTION = 530335.0410447761
_WITHOUT_THALAMUS = _Model(-15.00753582193219, 2.3741962085478625e-05, 0.0, 1.2389409865349374e-05)
_WITH_THALAMUS = _Model(
    -15.000011679788948, 2.4534871223492782e-06, 0.001980035083542038, 1.2553560383488494e-05
)


def covariates_of(predictors: tuple[tuple[str, float], ...]) -> Covariates:
    """The person, from pairs of a predictor's name and its value: sex (0 or 1), and volumes in mm³.

    Raises
    ------
    ImageError
        Another choice than sex and brain-volume, with or without thalamus-volume.
    """
    names = [name for name, _ in predictors]
    values = dict(predictors)
    if sorted(names) not in (sorted(PREDICTORS[:2]), sorted(PREDICTORS)):
        raise ImageError(
            f"No model for {', '.join(names) or 'nothing'}: give sex and brain-volume, "
            "or sex, brain-volume and thalamus-volume."
        )
    return Covariates(values["sex"], values["brain-volume"], values.get("thalamus-volume"))


def difference(covariates: Covariates) -> float:
    """What the average person's area is larger than this person's, in mm²."""
    model = _WITHOUT_THALAMUS if covariates.thalamus_volume is None else _WITH_THALAMUS
    thalamus = covariates.thalamus_volume
    thalamus = _MEAN_THALAMUS if thalamus is None else thalamus
    return (
        model.sex * (_MEAN_SEX - covariates.sex)
        + model.brain * (_MEAN_BRAIN - covariates.brain_volume)
        + model.thalamus * (_MEAN_THALAMUS - thalamus)
        + model.interaction * (_MEAN_INTERACTION - covariates.sex * covariates.brain_volume)
    )


def to_average_person(table: Morphometrics, covariates: Covariates) -> Morphometrics:
    """The table with every area, and its interval, as in the average person; nothing else changes.

    `table` holds the areas (mm²) of the person that `covariates` are of.
    """
    return table.shifted(difference(covariates))
