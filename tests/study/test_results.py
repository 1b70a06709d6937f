"""The verdict of a comparison: given for models that work, refused for models that failed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from measurements import row

from sct_deepseg_general.datasets.recipe import Dataset, Recipe
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.study.results import StudyResults, study_results

RECIPE = Recipe("toy", (Dataset("one"), Dataset("two"), Dataset("far", role="unseen")))


def rows(**dice: float) -> list[Measurement]:
    """All models on all test sets with a Dice of 0.9, but where `MODEL_SET` says otherwise."""
    return [
        row(
            model=model,
            test_set=name,
            name=f"{name}{person}",
            person=f"{name}/sub-{person}",
            dice=dice.get(f"{model}_{name}", 0.9),
        )
        for model in RECIPE.models
        for name in ("one", "two", "far")
        for person in range(3)
    ]


def results(**dice: float) -> StudyResults:
    return study_results(RECIPE, rows(**dice))


def test_models_that_work_are_judged() -> None:
    verdict = results(general_far=0.95).verdict
    assert verdict.failures == ()
    assert verdict.sentence.startswith("The hypothesis holds here")
    assert results(general_far=0.85).verdict.sentence.startswith("The hypothesis does not hold")


def test_a_dice_of_zero_everywhere_gives_no_verdict() -> None:
    verdict = study_results(RECIPE, [replace(one, dice=0.0) for one in rows()]).verdict
    assert not verdict.close_in_domain
    assert not verdict.better_on_unseen
    assert len(verdict.failures) == 3
    assert verdict.sentence.startswith("There is no verdict, because models failed")
    assert "at most" not in verdict.sentence


@pytest.mark.parametrize(
    ("dice", "failed"),
    [
        ({"one_one": 0.3, "general_one": 0.3}, "on one (in-domain) its own specific model"),
        ({"one_one": 0.3}, "on one (in-domain) its own specific model"),
        (
            {"general_far": 0.4, "one_far": 0.1, "two_far": 0.2},
            "has a mean Dice of 0.40 and the best specific model, two, one of 0.20",
        ),
    ],
)
def test_one_failed_model_is_named(dice: dict[str, float], failed: str) -> None:
    verdict = results(**dice).verdict
    assert failed in verdict.sentence
    assert not verdict.close_in_domain


def test_specific_models_may_fail_where_the_general_one_works() -> None:
    verdict = results(one_far=0.0, two_far=0.1).verdict
    assert verdict.better_on_unseen
    assert verdict.sentence.startswith("The hypothesis holds here")


def test_half_of_the_hypothesis_is_called_half() -> None:
    inside = study_results(RECIPE, [one for one in rows() if one.test_set != "far"]).verdict
    assert inside.sentence.startswith("Only half of the hypothesis")
    assert inside.sentence.endswith("2 of 2 in-domain test sets; there is no unseen test set.")
    outside = study_results(RECIPE, [one for one in rows() if one.test_set == "far"]).verdict
    assert outside.sentence.endswith("1 unseen test sets; there is no in-domain test set.")
