"""Tests for the stages that train: a system, and models for the audit."""

import numpy as np
import pytest

from clone import ROOT
from fashion.errors import InputError
from fashion.images.parts import Part
from fashion.params import check
from fashion.settings.frame import Frame
from fashion.settings.parsing import load_yaml
from stages.models.cross_fit import fold_parts
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


def test_groups_are_in_one_fold_of_the_audit_and_folds_have_the_proportions_of_the_classes() -> None:
    rng = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1, 2], [60, 30, 9]), np.arange(99)
    groups[[0, 3, 70]] = 0  # copies with two classes
    groups[[91, 95]] = 91
    shuffled = rng.permutation(99)
    used = np.flatnonzero(shuffled != 5)
    parts = fold_parts(labels[shuffled], used, groups[shuffled])
    held_out = parts == Part.VALIDATION
    assert held_out.sum(0).tolist() == [int(index in used) for index in range(99)]
    for group in (0, 91):
        assert (held_out[:, groups[shuffled] == group].any(1)).sum() == 1
    counts = np.array([np.bincount(labels[shuffled][row], minlength=3) for row in held_out])
    assert (np.ptp(counts, axis=0) <= 2).all()
    assert ((parts == Part.TRAIN).sum(0) == 2 * held_out.sum(0)).all()
