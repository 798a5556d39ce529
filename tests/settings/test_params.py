import copy
from pathlib import Path
from typing import Any

import pytest

from fashion.errors import InputError
from fashion.params import check
from fashion.settings.fields import check_name
from fashion.settings.parsing import load_yaml

ROOT = Path(__file__).parents[2]
PARAMS = load_yaml(ROOT / "params.yaml")
REMOVE = object()


def change(path: str, value: Any) -> dict[str, Any]:
    """Give the content of params.yaml with another value at a dotted path, or without it."""
    content = copy.deepcopy(PARAMS)
    *parents, last = path.split(".")
    section = content
    for key in parents:
        section = section[key]
    if value is REMOVE:
        del section[last]
    else:
        section[last] = value
    return content


def test_the_projects_own_params_are_valid() -> None:
    params = check(PARAMS, source="params.yaml")
    assert params.variants["final_cnn"].phases["adam_decay"].weight_decay == 1e-3


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("train.max_epoch", 3, "train.max_epoch: unknown key (did you mean max_epochs?); choose from max_epochs, thre"),
        ("splitt", {}, "splitt: unknown key (did you mean split?); choose from classes, ingest, split, "),
        ("split", REMOVE, "split: missing"),
        (
            "variants.base.family",
            "mpl",
            "variants.base.family: unknown family 'mpl' (did you mean mlp?); choose",
        ),
        ("variants.base.arguments.hiden", [3], "variants.base.arguments.hiden: unknown key (did you mean hidden?)"),
        ("variants.base.arguments.hidden", REMOVE, "variants.base.arguments.hidden: missing"),
        ("variants.base.arguments.hidden", [0], "variants.base.arguments.hidden.0: 0 is out of range"),
        ("variants.dropout_cnn.arguments.dropout", 1.0, "dropout: 1.0 is out of range: it must be less than 1"),
        ("variants.bn_cnn.arguments.conv_norm", ["x", "none"], "'x' is not one of the choices: none, before or after"),
        ("variants.base.phases.adam.lr", "fast", "variants.base.phases.adam.lr: 'fast' is not a number"),
        ("variants.base.phases.adam.lr", -1.0, "lr: -1.0 is out of range: it must be greater than 0"),
        ("variants.base.phases.adam.lr", float("inf"), "lr: "),
        ("variants.base.phases.adam.optimizer", "adan", "'adan' is not one of the choices: adam, adamw or sgd"),
        (
            "variants.base.phases.adam.bias_lr_mult",
            1.0,
            "bias_lr_mult: unknown key (did you mean bias_lr_multiplier?); choose from optimizer, lr,",
        ),
        ("variants.base.phases", {}, "variants.base.phases: "),
        ("variants.base.batch_size", 12.5, "variants.base.batch_size: 12.5 is not a whole number"),
        ("variants.base.batch_size", True, "variants.base.batch_size: True is not a whole number"),
        ("variants.base.image_folder", "plain", "expected split, augmented, or embedded/NAME"),
        ("variants.base.baseline", "bas", "variants.base.baseline: unknown variant 'bas' (did you mean base?)"),
        ("variants.base", None, "variants.base: None is not a mapping of "),
        ("variants.my-net", PARAMS["variants"]["base"], "variants.my-net: not a usable name"),
        ("variants.final", PARAMS["variants"]["base"], "variants.final: not a usable name"),
        ("variants.a;b", PARAMS["variants"]["base"], "variants.a;b: not a usable name"),
        ("variants.$(touch x)", PARAMS["variants"]["base"], "variants.$(touch x): not a usable name"),
        ("variants.x\ny", PARAMS["variants"]["base"], r"variants.x\ny: not a usable name"),
        (
            f"variants.{'a' * 101}",
            PARAMS["variants"]["base"],
            "not a usable name; take letters, digits and underscores, at most",
        ),
        (
            "variants.base.phases.</script>",
            PARAMS["variants"]["base"]["phases"]["adam"],
            "phases.</script>: not a usable name",
        ),
        (
            "variants.base.arguments.hidden",
            [1] * 101,
            "variants.base.arguments.hidden: List should have at most 100 items",
        ),
        ("variants.base.phases.adam.lr", float("nan"), "variants.base.phases.adam.lr: Input should be a finite number"),
        ("variants.base.phases.adam.lr", 10**400, "variants.base.phases.adam.lr: "),
        ("variants.base.input.size", 10**6, "variants.base.input.size: 1000000 is out of range"),
        ("ingest.mirrors", ["https://x\x1b[31m"], "ingest.mirrors.0: "),
        ("variants", {}, "variants: "),
        ("model.dropout", 1.5, "model.dropout: 1.5 is out of range: it must be less than 1"),
        ("model.dropout", "0.5", "model.dropout: '0.5' is not a number"),
        ("model.arguments.dropout", 0.5, "arguments.dropout: set model.dropout instead"),
        ("model.size", "huge", "model.size: unknown size 'huge'; choose from tiny, small, medium, large"),
        ("audit.size", "huge", "audit.size: unknown size 'huge'; choose from tiny, small, medium, large"),
        ("train.class_weights", {"shirt": 0}, "train.class_weights: expected none, balanced, or a factor for each"),
        ("model.sizes.small.arguments", {"chanels": [8]}, "model.sizes.small.arguments.chanels: unknown key"),
        ("model.sizes.small.max_epochs", {"mian": 8}, "max_epochs: unknown phase 'mian' (did you mean main?)"),
        ("model.sizes.small.max_epochs.main", 0, "model.sizes.small.max_epochs.main: 0 is out of range"),
        ("model.phases.main.sample_pruning.drop_rate", 1.0, "main.sample_pruning.drop_rate: 1.0 is out of range"),
        ("model.phases.main.augmentation.shift", -1, "augmentation.shift: -1 is out of range"),
        (
            "model.test_time_augmentation",
            "six",
            "model.test_time_augmentation: 'six' is not one of the choices: none, shift or shift_and_flip",
        ),
        ("finetune.threads", 0, "finetune.threads: 0 is out of range: it must be greater than or equal to 1"),
        ("finetune.threads", 5000, "finetune.threads: 5000 is out of range: it must be less than or equal to 1024"),
        ("train.seed", 2**32, "train.seed: 4294967296 is out of range"),
        ("split.random_state", 2**32, "split.random_state: 4294967296 is out of range"),
        ("variants.base.phases.adam.max_epochs", 10**9, "max_epochs: 1000000000 is out of range"),
        (
            "ingest.image_size",
            32000,
            "ingest.image_size: expected auto, pixels a side from 8 to 1024, or [height, width]",
        ),
        ("ingest.image_size", 7, "ingest.image_size: expected auto, pixels a side from 8 to 1024"),
        (
            "ingest",
            {"source": "csv", "shape": [28, 28, 4]},
            "ingest.shape: expected null, [height, width], or [height, width, channels] with 1 or 3 channels (got [28,",
        ),
        (
            "ingest",
            {"source": "folder", "shape": [28, 56]},
            "ingest: shape is for tables, source: csv, and not for source: folder; set it to null",
        ),
        (
            "ingest",
            {"source": "csv", "classes_from": "nested"},
            "ingest: classes_from: nested is for folders, source: folder, and not for source: csv; set it to top",
        ),
        ("ingest.image_size", "big", "or [height, width] (got 'big')"),
        ("ingest.fit", "stretch", "'stretch' is not one of the choices: pad or resize"),
        ("ingest.source", "png", "'png' is not one of the choices: folder, csv or idx"),
        ("split.validation", 0, "split.validation: 0 is out of range: it must be greater than or equal to 1"),
        (
            "split.validation",
            1.5,
            "split.validation: 1.5 is not a whole number; and 1.5 is out of range",
        ),
        ("ingest.sha256.train_images", "abc", "ingest.sha256.train_images: "),
        ("split.test_fraction", 1.0, "split.test_fraction: 1.0 is out of range: it must be less than 1"),
        ("augment.crop", -1, "augment.crop: -1 is out of range"),
        ("classes", ["shirt", "shirt"], "classes: a name occurs twice"),
        ("classes", "shirt", "classes: 'shirt' is not a list"),
        ("classes", ["shirt", ""], "classes.1: a name is 1 to 255 characters in one line"),
        ("classes", ["shirt", "coat\n"], "classes.1: a name is 1 to 255 characters in one line"),
        ("classes", ["shirt", "c" * 256], "classes.1: a name is 1 to 255 characters"),
        ("classes", ["shirt", "=cmd()"], "classes.1: a spreadsheet would take this name for a formula"),
        ("classes", ["shirt", "\x1b[31mcoat"], "classes.1: a name is 1 to 255 characters in one line"),
    ],
)
def test_an_error_is_one_line_with_the_key_and_the_choices(path: str, value: Any, complaint: str) -> None:
    with pytest.raises(InputError) as error:
        check(change(path, value), source="params.yaml")
    message = str(error.value)
    assert message.startswith("params.yaml: ")
    assert complaint in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("section", "old", "new"),
    [
        ("variants.base", "images", "image_folder"),
        ("model", "images", "image_folder"),
        ("model", "views", "test_time_augmentation"),
        ("model.phases.main", "bias_rate", "bias_lr_multiplier"),
        ("model.phases.main", "average", "lookahead_every"),
        ("model.phases.main", "pruning", "sample_pruning"),
        ("model.phases.main.sample_pruning", "easy", "easy_share"),
        ("model.phases.main.sample_pruning", "drop", "drop_rate"),
        ("model.phases.main.sample_pruning", "full", "unpruned_tail"),
        ("model.corruption", "rotation", "max_rotation"),
        ("model.corruption", "contrast", "min_contrast"),
        ("model.corruption", "noise", "max_noise_std"),
    ],
)
@pytest.mark.parametrize("beside", [False, True])  # whether the new name is there, too
def test_an_old_name_of_a_setting_is_refused_with_the_new_one(section: str, old: str, new: str, beside: bool) -> None:
    content = change("model.corruption", {"share": 0.5, "max_rotation": 9.0, "min_contrast": 0.5, "max_noise_std": 9.0})
    settings = content
    for key in section.split("."):
        settings = settings[key]
    settings[old] = settings[new] if beside else settings.pop(new)
    with pytest.raises(InputError, match=rf"params.yaml: {section}.{old}: is now called {new}$"):
        check(content, source="params.yaml")


def test_an_old_name_where_it_never_was_a_setting_is_an_unknown_key() -> None:
    with pytest.raises(InputError, match=r"params.yaml: augment.pruning: unknown key; choose from crop"):
        check(change("augment.pruning", 1), source="params.yaml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("train: [1", "line 2: not valid YAML"),
        ("train: 1\ntrain: 2", "duplicate key"),
        ("- 1", "must be a mapping"),
        ("", "must be a mapping"),
        ("a: \x00", "not valid YAML"),
        (
            "a:\n  b: !!python/object/apply:os.system [ls]",
            "line 2: not valid YAML: .* the tag 'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
        ("a: !!int x", "a value cannot be read: .*; put it into quotes"),
        ("a: !!bool x", "a value cannot be read: 'x'; put it into quotes"),
        ("? [[a]]\n: b", "a value cannot be read: unhashable type: 'list'"),
        (f"a:\n- {'9' * 5000}", "a value cannot be read: .* 5000 digits"),
        ("a: 2020-13-45", "a value cannot be read: month must be in 1..12; put it into quotes"),
        ("? " * 20_000, "lists and mappings are nested too deeply"),
        ("train: {a: 1\n\tb: 2}", "not valid YAML"),
    ],
)
def test_text_that_is_no_yaml_mapping_is_refused_in_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint) as error:
        load_yaml(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "variants: &v {base: *v}",
        "model: &m {arguments: {channels: *m}}",
        "classes: &c [*c]",
        "&all\nclasses: *all",
        f"classes: {'[' * 3000}{']' * 3000}",
        f"variants: {{base: {{phases: {'{a: ' * 3000}1{'}' * 3000}}}}}",
        f"ingest: {{mirrors: {'[' * 3000}{']' * 3000}}}",
    ],
    ids=lambda text: text[:20],
)
def test_recursive_and_deeply_nested_settings_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        check(load_yaml(path), source="params.yaml")
    assert "\n" not in str(error.value)


def test_numbers_are_names_of_classes_in_weights() -> None:
    assert check(change("train.class_weights", {0: 2.0}), source="params.yaml").train.class_weights == {"0": 2.0}


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("lr: 1e-3\n")
    assert load_yaml(path) == {"lr": 0.001}


def test_a_missing_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run from the project's root"):
        load_yaml(tmp_path / "params.yaml")


def test_anchors_and_aliases_are_read(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: &a {lr: 0.1}\nb: *a\nc:\n  <<: *a\n  epochs: 3\n")
    assert load_yaml(path)["c"] == {"lr": 0.1, "epochs": 3}


@pytest.mark.parametrize(
    "name", ["=", "==", "+", "-", "-1", "+1.5", "@", "@home", "-foo", "a=b(c)", "100%", "$x$", "<b>"]
)
def test_symbols_and_numbers_are_valid_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["=cmd()", "=1+1", "@SUM(1)", "+cmd|' /C calc'!A0", "-2+3(4)", " =A1"])
def test_formulas_are_no_valid_names(name: str) -> None:
    with pytest.raises(ValueError, match="a spreadsheet would take this name for a formula"):
        check_name(name)


EMBED = {"arguments": {"network": "resnet18", "pretrained": "hub"}, "input": {"size": 64, "scaling": "unit"}}
ON_FEATURES = {
    "family": "timm",
    "arguments": {"network": "resnet18", "pretrained": "hub"},
    "image_folder": "embedded/backbone",
    "input": {"size": 64, "scaling": "unit"},
    "batch_size": 64,
    "phases": {"head": {"optimizer": "adamw", "lr": 1e-3, "max_epochs": 1}},
}
NEIGHBOURS = {"arguments": {**ON_FEATURES["arguments"], "head": "neighbours"}, "phases": {}}  # type: ignore[dict-item]


def with_features(**changes: Any) -> dict[str, Any]:
    content = change("embed", {"backbone": EMBED})
    content["variants"]["on_features"] = {**ON_FEATURES, **changes}
    return content


@pytest.mark.parametrize("changes", [{}, NEIGHBOURS, {"image_folder": "split"}])
def test_pretrained_networks_and_heads_on_their_features_are_valid(changes: dict[str, Any]) -> None:
    check(with_features(**changes), source="params.yaml")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"image_folder": "embedded/bone"}, "image_folder: embed has no entry 'bone' (did you mean backbone?)"),
        ({"input": {"size": 64, "scaling": "standard"}}, "input.scaling: take unit; the networks of timm scale pixels"),
        ({"input": {"size": 96, "scaling": "unit"}}, "and input must be those of embed.backbone"),
        ({"arguments": {"network": "resnet34", "pretrained": "hub"}}, "and input must be those of embed.backbone"),
        (
            {"phases": {"head": {**ON_FEATURES["phases"]["head"], "augmentation": {"shift": 2}}}},  # type: ignore[index]
            "phases: features cannot be augmented; leave out augmentation, or take split",
        ),
        ({"phases": {}}, "phases: give at least one"),
        ({**NEIGHBOURS, "phases": ON_FEATURES["phases"]}, "phases: nothing is trained with a head of nearest neigh"),
        ({**NEIGHBOURS, "image_folder": "split"}, "image_folder: a head of nearest neighbours needs features"),
    ],
)
def test_a_head_that_does_not_fit_its_features_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as error:
        check(with_features(**changes), source="params.yaml")
    assert f"params.yaml: variants.on_features.{complaint.partition(': ')[0]}" in str(error.value) or (
        complaint.startswith("and input")
    )
    assert complaint in str(error.value)


def test_the_final_model_cannot_be_trained_on_features() -> None:
    content = change("embed", {"backbone": EMBED})
    content["model"]["image_folder"] = "embedded/backbone"
    with pytest.raises(InputError, match="model.image_folder: the final model cannot be trained on feat"):
        check(content, source="params.yaml")
