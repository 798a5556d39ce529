"""Say what the owner of the images should know before anything is trained: depth, colour, sizes, copies, classes."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from fashion.settings.frame import Frame
from fashion.sources.image_file import scale_levels
from fashion.sources.raw_data import RawData, Sample, some
from fashion.sources.resizing import resized_shape
from fashion.sources.survey import Facts, Survey

FEW = 10  # labelled images of a class; its figures say little with fewer
FLAT = 8  # levels between the darkest and the brightest pixels of a nearly flat image
DARK = 32  # level that the brightest pixels of a nearly black image are below


def summarize_data(raw: RawData, survey: Survey, frame: Frame) -> str:
    """Say in a line how many images of how many classes there are, and what they become."""
    counts = f"{len(raw.labelled.samples):,} labelled images of {len(raw.classes):,} classes"
    counts += f", {len(raw.test.samples):,} of an official test set" if raw.test.samples else ""
    counts += f", {len(raw.unlabelled.samples):,} to be labelled" if raw.unlabelled.samples else ", none to be labelled"
    sizes = Counter((facts.height, facts.width) for facts in survey.facts)
    (height, width), _ = sizes.most_common(1)[0]
    found = f"{height}x{width}" if len(sizes) == 1 else f"{len(sizes):,} sizes, most often {height}x{width}"
    colors = "grey" if frame.channels == 1 else "colour"
    return (
        f"{counts}; {found} pixels (height x width), read as {frame.height}x{frame.width} in {colors} on a background "
        f"of {', '.join(map(str, frame.background))}"
    )


def describe(raw: RawData, survey: Survey, frame: Frame) -> list[str]:
    """Give a sentence for each thing that the owner should know."""
    samples, facts = raw.samples(), survey.facts
    training = facts[: len(raw.labelled.samples)]
    pairs = list(zip(samples, facts, strict=True))
    notes = [
        *raw.notes,
        *describe_color(training, facts, frame),
        *describe_depth(training, facts, frame),
        *describe_sizes(pairs, frame),
        *describe_transparency(facts, frame),
        *describe_contents(pairs, frame),
        *describe_classes(raw),
        *describe_copies(pairs),
    ]
    several = [sample for sample, fact in pairs if fact.several_frames]
    if several:
        notes.append(f"{count(several, 'file has', 'files have')} several frames; the first is read: {some(several)}")
    return notes


def describe_color(training: Sequence[Facts], facts: Sequence[Facts], frame: Frame) -> list[str]:
    in_training, in_all = sum(fact.colored for fact in training), sum(fact.colored for fact in facts)
    if frame.channels == 1 and in_all:
        reason = "" if in_training else ", as all training images are grey"
        return [f"{in_all:,} of {len(facts):,} images are in colour and are converted to grey{reason}"]
    if frame.channels == 3 and in_training < len(training) / 2:
        return [
            f"{in_training:,} of {len(training):,} labelled images are in colour; if colour says nothing about the "
            "class, set `ingest.color: gray`"
        ]
    return []


def describe_depth(training: Sequence[Facts], facts: Sequence[Facts], frame: Frame) -> list[str]:
    deep, cut = sum(fact.deep for fact in facts), sum(fact.cut_to_8_bits for fact in facts)
    notes = []
    if cut:
        notes.append(f"images with 16 bits a channel, in colour or with alpha, of which the upper 8 are read: {cut:,}")
    if not deep:
        return notes
    low, high = frame.levels if frame.levels[1] > 255 else (0, 65535)
    notes.append(f"images with more than 8 bits a pixel, whose levels {low:,} to {high:,} become 0 to 255: {deep:,}")
    if deep < len(facts):
        notes.append(
            f"the other {len(facts) - deep:,} images have 8 bits and keep their levels; save all in the same way if "
            "they should be alike"
        )
    if not any(fact.deep for fact in training):
        notes.append("no training image has more than 8 bits, but images of the test set or to be labelled have")
    return notes


def describe_sizes(pairs: Sequence[tuple[Sample, Facts]], frame: Frame) -> list[str]:
    shrunk = [sample for sample, fact in pairs if resized_shape(fact.height, fact.width, frame)[0] < fact.height]
    if not shrunk:
        return []
    size = f"{frame.content_height}x{frame.content_width}"
    return [f"{len(shrunk):,} of {len(pairs):,} images are larger than {size} pixels and are shrunk: {some(shrunk)}"]


def describe_transparency(facts: Sequence[Facts], frame: Frame) -> list[str]:
    transparent = sum(fact.transparent for fact in facts)
    if not transparent:
        return []
    level = ", ".join(map(str, frame.background))
    return [f"{transparent:,} of {len(facts):,} images have transparent parts, which show the background, {level}"]


def describe_contents(pairs: Sequence[tuple[Sample, Facts]], frame: Frame) -> list[str]:
    """Say which images have almost no contrast, or are almost black, after their levels are scaled."""
    flat, dark = [], []
    for sample, fact in pairs:
        ends = np.array([fact.darkest, fact.brightest])
        ends = scale_levels(ends, frame.levels) if fact.deep else ends
        if fact.transparent:  # the background is seen, too
            ends = np.append(ends, np.mean(frame.background))
        darkest, brightest = int(ends.min()), int(ends.max())
        if brightest < DARK:
            dark.append(sample)
        elif brightest - darkest < FLAT:
            flat.append(sample)
    return [
        f"{count(images, 'image is', 'images are')} nearly {word}: {some(images)}"
        for images, word in ((dark, "black"), (flat, "of a single level"))
        if images
    ]


def describe_classes(raw: RawData) -> list[str]:
    counts = Counter(sample.label for sample in raw.labelled.samples)
    few = [f"{name} ({counts[label]})" for label, name in enumerate(raw.classes) if counts[label] < FEW]
    if not few:
        return []
    classes = "class has" if len(few) == 1 else "classes have"
    return [f"{len(few):,} {classes} fewer than {FEW} labelled images, too few for figures of it: {some(few)}"]


def describe_copies(pairs: Sequence[tuple[Sample, Facts]]) -> list[str]:
    """Count and name exact copies: with another class, within a part, and in two parts.

    A test image that is also an unlabelled one is no fault: in IDX files they are the same.
    """
    groups = defaultdict(list)
    for sample, fact in pairs:
        groups[fact.digest].append(sample)
    contradictory, repeated, leaked, known = [], [], [], []
    for group in groups.values():
        labelled = [sample for sample in group if sample.label is not None]
        if not labelled or len(group) == 1:
            continue
        first = labelled[0]
        for other in labelled[1:]:
            pair = f"{first.file} = {other.file}"
            if other.label != first.label:
                contradictory.append(pair)
            elif other.part == first.part:
                repeated.append(pair)
            else:
                leaked.append(pair)
        if first.part != "test":
            known += [f"{first.file} = {sample.file}" for sample in group if sample.label is None]
    sentences = (
        (contradictory, "image is", "images are", "also there with another class; one of the two is wrong"),
        (leaked, "image is", "images are", "also in another part, which makes figures too good"),
        (repeated, "image is", "images are", "there more than once in the same class"),
        (known, "unlabelled image is", "unlabelled images are", "also labelled; results on such images say little"),
    )
    return [
        f"{count(found, singular, plural)} {sentence}: {some(found)}"
        for found, singular, plural, sentence in sentences
        if found
    ]


def count(items: Sequence, singular: str, plural: str) -> str:
    return f"{len(items):,} {singular if len(items) == 1 else plural}"
