"""Tests for the stage that trains a system."""

import pytest

from clone import ROOT
from fashion.errors import InputError
from fashion.params import check
from fashion.settings.frame import Frame
from fashion.settings.parsing import load_yaml
from stages.models.train import check_class_weights, final_recipe, variant_recipe

FRAME = Frame(channels=1, height=28, width=28, background=[0], content_height=28, content_width=28, enlarge=False)


def test_a_weight_of_an_unknown_class_is_refused_with_its_setting_and_a_suggestion() -> None:
    params = check(load_yaml(ROOT / "params.yaml"), source="params.yaml")
    weights = {"class_weights": {"shirts": 2.0}}
    changes = {section: getattr(params, section).model_copy(update=weights) for section in ("train", "finetune")}
    changed = params.model_copy(update=changes)
    for recipe, section in (
        (variant_recipe(changed, "base", FRAME), "train"),
        (final_recipe(changed, FRAME), "finetune"),
    ):
        with pytest.raises(
            InputError, match=rf"params.yaml: {section}.class_weights: .* 'shirts' \(did you mean shirt"
        ):
            check_class_weights(recipe, ["shirt", "coat"])
        check_class_weights(recipe, ["shirts", "coat"])
