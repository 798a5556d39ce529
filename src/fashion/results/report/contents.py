"""The content of the report, as read from files in git."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fashion.results.choice import best_by_validation
from fashion.results.report.costs import Cost

# Data sets that are recognised by the SHA-256 of their decompressed test images.
DATA_NAMES = {"5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b": "Fashion-MNIST"}


@dataclass(frozen=True)
class Results:
    """The content of the page. All of it is from files in git: the page can be rendered without data and models.

    final: name of the final model. families: by system.
    table: metrics/variants.json. scores: metrics/final.json.
    table_object: git's name for the content of metrics/variants.json, with which git finds the commit.
    seeds: metrics/seeds.json, with the systems that were trained with several seeds.
    curves: rows of plots/learning_curves.csv.
    costs: cost of training, by system; systems may be missing. stage_costs: by stage of dvc.yaml.
    data: plots/data/counts.json, with the notes on the data. audit: plots/audit/summary.json.
    answers: plots/final/answers.json. sheet: bytes of plots/final/answers.png.
    figures: bytes of PNG and SVG files of the data, by their description.
    maps, embedding_figures: by the features of pretrained networks: SVG, and bytes of PNG files by their description.
    stages: of dvc.yaml. settings: of params.yaml.
    """

    final: str
    classes: list[str]
    families: Mapping[str, str]
    table: Mapping[str, Mapping[str, Any]]
    table_object: str
    seeds: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, Any]
    curves: Sequence[Mapping[str, str]]
    costs: Mapping[str, Cost]
    stage_costs: Mapping[str, Cost]
    data: Mapping[str, Any]
    answers: Mapping[str, Any]
    sheet: bytes
    figures: Mapping[str, bytes]
    audit: Mapping[str, Any]
    audit_figures: Mapping[str, bytes]
    maps: Mapping[str, str]
    embedding_figures: Mapping[str, bytes]
    stages: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]

    @property
    def best(self) -> str:
        """The best system apart from the final model, by its figures on validation images."""
        others = [name for name in self.table if name != self.final]
        return best_by_validation(self.table, others, self.settings["train"].get("choose_by", "accuracy"))

    @property
    def lead(self) -> float:
        """By how much the test accuracy of the final model is above that of the best other system."""
        return float(self.table[self.final]["test_accuracy"] - self.table[self.best]["test_accuracy"])

    @property
    def data_name(self) -> str | None:
        """The name of a known data set; None for all others."""
        ingest = self.settings.get("ingest", {})
        checksums = (ingest.get("sha256") or {}) if ingest.get("source") == "idx" else {}
        return DATA_NAMES.get(str(checksums.get("test_images")))

    @property
    def at_most(self) -> int | None:
        """How many images each part keeps in a rehearsal; None for a run on all images."""
        number: int | None = self.settings.get("split", {}).get("at_most")
        return number

    def baseline_of(self, system: str) -> str | None:
        """The system that `system` is compared with: None if there is no other."""
        baseline: str | None = self.table[system]["baseline"]
        return baseline if baseline != system and baseline in self.table else None

    def difference(self, system: str) -> float | None:
        """The test accuracy of a system minus that of its baseline."""
        baseline = self.baseline_of(system)
        if baseline is None:
            return None
        return float(self.table[system]["test_accuracy"] - self.table[baseline]["test_accuracy"])


def by_test(results: Results, names: Sequence[str] | None = None) -> list[str]:
    """Sort systems by test accuracy, the highest first."""
    return sorted(results.table if names is None else names, key=lambda name: -results.table[name]["test_accuracy"])


def groups_of(results: Results) -> list[tuple[str | None, list[str]]]:
    """Group the systems by baseline, each group sorted by test accuracy; the group with the best system first.

    Returns (baseline, systems, with the baseline among them); the systems that nothing is compared with are in a last
    group, of baseline None.
    """
    members: dict[str | None, list[str]] = {}
    for name in by_test(results):
        baseline = results.baseline_of(name)
        compared = baseline or (name if any(results.baseline_of(other) == name for other in results.table) else None)
        members.setdefault(compared, []).append(name)
    return sorted(members.items(), key=lambda group: group[0] is None)
