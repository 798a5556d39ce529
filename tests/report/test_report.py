"""Use report.html in a browser."""

import dataclasses
import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opened import OpenedPage, write_report
from PIL import Image
from playwright.sync_api import Browser, expect

from fashion.results.comparison import with_intervals
from fashion.results.figures.style import write_png
from fashion.results.gallery import build_gallery, sprite_sheet
from fashion.results.metrics import score
from fashion.results.report.contents import Results
from fashion.results.report.costs import Cost, group_costs, read_costs
from fashion.results.report.page import render
from small import colour_tiles

HOSTILE_NAMES = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)",
    "<img src=x onerror=alert(3)>",
    "\"quotes\" and 'more'",
    "{{ 7 * 7 }} ${x} $y$ \\n",
    "👟 👩‍👧 כובע",
    "long " * 40,
    "<!--",
    "&amp;",
    "=1+1",
]


def test_the_report_needs_no_network(opened: OpenedPage) -> None:
    assert len(opened.requests) == 1, "only the file itself"


def test_the_report_is_small(results: Results, tmp_path: Path) -> None:
    assert write_report(results, tmp_path).stat().st_size < 3e6


def test_the_same_results_give_the_same_bytes(results: Results) -> None:
    assert render(results) == render(results)


def test_a_click_on_a_column_sorts_by_it_and_a_second_one_reverses_the_order(opened: OpenedPage) -> None:
    table = opened.page.locator("#systems-table")

    def column(number: int) -> list[float]:
        cells = table.locator(f"tbody tr td:nth-child({number})").all()
        return [float(cell.get_attribute("data-value") or "nan") for cell in cells]

    expect(table.locator("th.baseline")).to_be_hidden()
    table.get_by_role("button", name="test", exact=True).click()
    assert column(3) == sorted(column(3), reverse=True)
    expect(table.locator("tr.group")).to_have_count(0)
    expect(table.locator("th.baseline")).to_be_visible()
    table.get_by_role("button", name="test", exact=True).press("Enter")
    assert column(3) == sorted(column(3))
    expect(table.locator("th[aria-sort]")).to_have_text("test")


def test_systems_stand_below_the_name_of_their_baseline_best_first(opened: OpenedPage, results: Results) -> None:
    shown = []
    for body in opened.page.locator("#systems-table tbody").all():
        heading = body.locator("tr.group").inner_text().strip()
        names = [row.get_attribute("data-system") or "" for row in body.locator("tr[data-system]").all()]
        accuracies = [results.table[name]["test_accuracy"] for name in names]
        assert accuracies == sorted(accuracies, reverse=True)
        for name in names:
            baseline = results.baseline_of(name) or (name if f"with {name}" in heading else "no other")
            assert heading == f"compared with {baseline}"
        shown += names
    assert sorted(shown) == sorted(results.table)


def test_a_selected_system_gets_a_colour_of_its_own_and_its_name(
    results: Results, browser: Browser, tmp_path: Path
) -> None:
    system = next(name for name in results.table if name != results.final)
    copies = [f"copy {number}" for number in range(6)]
    page = OpenedPage(
        browser,
        write_report(
            results,
            tmp_path,
            table={**results.table, **{name: {**results.table[system], "baseline": None} for name in copies}},
            families={**results.families, **dict.fromkeys(copies, "mlp")},
            curves=[
                *results.curves,
                *({**row, "variant": name} for name in copies for row in results.curves if row["variant"] == system),
            ],
        ),
    )
    curves = page.page.locator("#chart-curves .curve.picked")
    before = curves.count()
    page.page.get_by_role("checkbox", name="copy 5").check()
    expect(curves).to_have_count(before + 1)
    expect(page.page.locator("#chart-loss text.picked[data-system='copy 5']")).to_be_visible()
    for number in range(5 - before):
        page.page.get_by_role("checkbox", name=f"copy {number}").check()
    assert len({curve.get_attribute("class") for curve in curves.all()}) == 6
    assert page.page.locator("#systems input:not(:checked):enabled").count() == 0, "there are six colours"
    labels = page.page.locator("#chart-curves text.picked[data-system^=copy]").all()
    tops = sorted(float(label.get_attribute("y") or "nan") for label in labels)
    assert all(low + 15 <= high for low, high in pairwise(tops)), "labels at the same end do not cover each other"
    page.page.get_by_role("button", name="None").click()
    expect(curves).to_have_count(0)
    page.page.get_by_role("button", name="First choice").click()
    expect(curves).to_have_count(before)
    assert page.errors == []


def test_a_cell_of_the_confusion_matrix_shows_its_images(opened: OpenedPage, results: Results) -> None:
    pair, images = max(results.answers["cells"].items(), key=lambda cell: len(cell[1]))
    opened.page.locator(f".matrix button[data-cell='{pair}']").click()
    dialog = opened.page.get_by_role("dialog")
    expect(dialog.locator(".sprite")).to_have_count(len(images))
    opened.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_confusion_matrix_is_one_tab_stop_with_arrow_keys(opened: OpenedPage) -> None:
    buttons = opened.page.locator(".matrix button")
    assert opened.page.locator(".matrix button[tabindex='0']").count() == 1
    rows = opened.page.locator(".matrix tbody tr").all()
    row = next(row for row in rows if row.locator("button").count() > 1)
    first, second = row.locator("button").nth(0), row.locator("button").nth(1)
    first.focus()
    opened.page.keyboard.press("ArrowRight")
    expect(second).to_be_focused()
    assert opened.page.locator(".matrix button[tabindex='0']").count() == 1
    opened.page.keyboard.press("ArrowLeft")
    expect(first).to_be_focused()
    opened.page.keyboard.press("Enter")
    expect(opened.page.get_by_role("dialog")).to_be_visible()
    assert buttons.count() > 2


def test_recall_and_the_most_frequent_confusion_are_named(results: Results) -> None:
    page = render(results)
    answers = results.answers
    for number, (row, support) in enumerate(zip(answers["counts"], answers["support"], strict=True)):
        assert f'<td class="recall">{row[number] / support:.2%}</td>' in page
    most = max(n for i, row in enumerate(answers["counts"]) for j, n in enumerate(row) if i != j)
    assert f"The most frequent confusion: {most} of" in page


def test_without_scripts_charts_and_images_are_shown(results: Results, browser: Browser, tmp_path: Path) -> None:
    page = OpenedPage(browser, write_report(results, tmp_path), java_script_enabled=False).page
    sprites = page.locator("section[aria-labelledby=mistakes] .sprite").all()
    positions = {sprite.get_attribute("style") for sprite in sprites}
    assert len(positions) == len(sprites) > 1
    for chart in ("curves", "loss", "parameters", "minutes", "calibration"):
        assert page.locator(f"#chart-{chart} svg").first.bounding_box()["height"] > 200  # type: ignore[index]
    expect(page.locator("#systems")).to_be_hidden()
    assert page.locator("#chart-curves text.picked").count() > 1


def test_an_image_stands_beside_each_bar_of_the_robustness_chart(opened: OpenedPage, results: Results) -> None:
    images = opened.page.locator("#chart-robustness img")
    assert images.count() == len(results.scores["robustness"])
    assert len({image.get_attribute("src") for image in images.all()}) == images.count(), "each change is another image"
    assert images.first.evaluate("image => image.naturalHeight") == results.answers["height"]


def test_print_has_few_pages(opened: OpenedPage) -> None:
    pdf = opened.page.pdf(format="A4", print_background=True)
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 8


def test_forced_colours_keep_the_numbers_of_the_matrix(results: Results, browser: Browser, tmp_path: Path) -> None:
    page = OpenedPage(browser, write_report(results, tmp_path), forced_colors="active").page
    style = "getComputedStyle(document.querySelector('.matrix button'))"
    assert contrast(page.evaluate(f"{style}.color"), page.evaluate(f"{style}.backgroundColor")) > 4.5


def test_text_has_contrast_in_light_and_dark(opened: OpenedPage) -> None:
    for scheme in ("light", "dark"):
        opened.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        for selector in ("tr.final th[scope=row]", ".label.final", "text.c1", ".faint", "a[href]"):
            colour = opened.page.evaluate(
                f"(style => style.fill === 'rgb(0, 0, 0)' ? style.color : style.fill)"
                f"(getComputedStyle(document.querySelector('{selector}')))"
            )
            assert contrast(colour, ground) > 4.5, (scheme, selector)


def contrast(one: str, other: str) -> float:
    """Compute the contrast ratio of two CSS colours, as WCAG defines it."""

    def luminance(colour: str) -> float:
        levels = [int(level) / 255 for level in re.findall(r"\d+", colour)[:3]]
        linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_images_carry_the_names_of_their_files(opened: OpenedPage, results: Results) -> None:
    files = results.answers["files"]
    assert len(files) == len(set(files)) > 0
    assert all(re.fullmatch(r"t10k-images-idx3-ubyte:\d+", file) for file in files)
    mistakes = opened.page.locator("section[aria-labelledby=mistakes] li .file").all_text_contents()
    assert mistakes == files[: len(mistakes)]
    pair, images = next(iter(results.answers["cells"].items()))
    opened.page.locator(f".matrix button[data-cell='{pair}']").click()
    sprites = opened.page.get_by_role("dialog").locator(".sprite")
    assert [sprite.get_attribute("title") for sprite in sprites.all()] == [files[place] for place, _ in images]


def test_images_are_shown_in_colour_and_in_their_shape(results: Results, browser: Browser, tmp_path: Path) -> None:
    """The sprite of a mistake has the mean colour of its image, and its shape."""
    images, labels = colour_tiles(32, 96)
    log_probabilities = np.log(np.array([[0.3, 0.7], [0.4, 0.6]]))[labels]  # all temples are taken for flowers
    answers, chosen = build_gallery(labels, log_probabilities, 2, images[0].size)
    sheet = sprite_sheet(images[chosen])
    write_png(tmp_path / "answers.png", sheet)
    answers |= {"height": 32, "width": 96, "rows": len(sheet) // 32}
    answers["files"] = [f"test/temple/{index}.png" for index in chosen]
    scored = score(labels, log_probabilities, ["temple", "flower"])
    scores = {**results.scores, **scored, "per_class": with_intervals(scored["per_class"])}
    changes = {"answers": answers, "sheet": (tmp_path / "answers.png").read_bytes(), "scores": scores}
    counts = {**results.data, "channels": 3, "height": 32, "width": 96}
    page = OpenedPage(browser, write_report(results, tmp_path, classes=["temple", "flower"], data=counts, **changes))
    assert "32 x 96 pixels in colour" in page.page.locator("header").inner_text()
    page.page.get_by_text(re.compile(r"^\d+ more$")).click()
    for place in (0, 40):  # of the first and of the second row of the sheet
        sprite = page.page.locator(f"section[aria-labelledby=mistakes] .sprite[data-place='{place}']")
        picture = Image.open(io.BytesIO(sprite.screenshot())).convert("RGB")
        assert picture.width == pytest.approx(3 * picture.height, abs=3)
        shown = np.asarray(picture)[3:-3, 3:-3].mean((0, 1))
        np.testing.assert_allclose(shown, images[chosen[place]].mean((1, 2)), atol=12)
    assert page.errors == []


def test_the_head_has_balanced_accuracy_and_marks_systems_that_only_name_the_largest_class(results: Results) -> None:
    page = render(dataclasses.replace(results, scores={**results.scores, "largest_class_share": 0.0}))
    assert f"{results.scores['balanced_accuracy']:.2%}" in header(page)
    assert 'class="warning"' not in page
    accuracies = sorted(row["test_accuracy"] for row in results.table.values())
    page = render(dataclasses.replace(results, scores={**results.scores, "largest_class_share": accuracies[1]}))
    assert page.count('<span class="warning" title=') == sum(value <= accuracies[1] for value in accuracies)
    assert f"no higher than {accuracies[1]:.2%}" in page


def test_a_class_of_which_no_image_is_right_is_named_in_the_head(results: Results) -> None:
    rows = {name: row | {"recall": 0.5} for name, row in results.scores["per_class"].items()}
    scores = {**results.scores, "per_class": rows}
    assert "no test image is right" not in header(render(dataclasses.replace(results, scores=scores)))
    rows[results.classes[0]] |= {"recall": 0.0}
    assert results.classes[0] in header(render(dataclasses.replace(results, scores=scores)))


def header(page: str) -> str:
    return page.partition("<header>")[2].partition("</header>")[0]


def test_notes_on_the_data_are_shown_as_text(results: Results) -> None:
    notes = ["1 image is also there with another class: train/<b>/1.png = train/c/2.png", "3 images are nearly black"]
    page = render(dataclasses.replace(results, data={**results.data, "notes": notes}))
    assert "<li>1 image is also there with another class: train/&lt;b&gt;/1.png = train/c/2.png</li>" in page
    assert "Notes on the data" in page
    assert "Notes on the data" not in render(dataclasses.replace(results, data={**results.data, "notes": []}))


def test_p_values_are_said_to_be_corrected_for_their_number(results: Results) -> None:
    assert render(results).count("corrected for the number of systems (Holm)") == 1 + bool(results.seeds)


def test_what_was_set_by_test_images_is_said_of_published_systems_alone(results: Results) -> None:
    published = [name for name, row in results.table.items() if row["reported"] is not None]
    text = "with a published accuracy, and whether their learning rate falls, were set to"
    assert f"of the {len(published)} systems {text}" in render(results)
    table = {name: {**row, "reported": None} for name, row in results.table.items()}
    page = render(dataclasses.replace(results, table=table))
    assert text not in page
    assert ">published</button>" not in page
    assert 'class="published"' not in page
    assert "no stage chooses anything on test images" in page


def test_a_temperature_that_is_not_applied_is_not_shown(results: Results) -> None:
    calibration = {**results.scores["calibration"], "temperatures": [1.0]}
    page = render(dataclasses.replace(results, scores={**results.scores, "calibration": calibration}))
    assert "No temperature is applied" in page
    assert "at the temperature" not in page


def test_the_temperatures_of_several_models_are_shown_even_if_their_mean_is_1(results: Results) -> None:
    calibration = {**results.scores["calibration"], "temperature": 1.0, "temperatures": [0.75, 1.25]}
    page = render(dataclasses.replace(results, scores={**results.scores, "calibration": calibration}))
    assert "Each model has its own temperature, fitted on validation images: temperatures from 0.75 to 1.25." in page
    assert "at the temperature" in page


def test_naming_one_class_alone_gets_the_balanced_accuracy_of_chance(results: Results) -> None:
    assert "always one class would get 10.00%" in header(render(results))


def test_the_page_is_as_wide_as_the_screen_in_light_and_dark(opened: OpenedPage) -> None:
    for scheme in ("light", "dark"):
        opened.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (360, 768, 1400):
            opened.page.set_viewport_size({"width": width, "height": 800})
            expect(opened.page.locator("html")).to_have_js_property("scrollWidth", width)
        background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_maps_of_similar_images_keep_their_own_colours(results: Results, browser: Browser, tmp_path: Path) -> None:
    dots = "".join(f'<g class="point"><circle r="4" fill="{colour}"/></g>' for colour in ("#0072b2", "#d55e00"))
    svg = f'<svg viewBox="0 0 9 9" role="img" aria-label="map" fill="#222222">{dots}<text>class</text></svg>'
    page = OpenedPage(browser, write_report(results, tmp_path, maps={"net": svg}), color_scheme="dark")
    for selector, colour in (("circle", "rgb(0, 114, 178)"), ("text", "rgb(34, 34, 34)")):
        shown = page.page.locator(f"section[aria-labelledby=similar] {selector}").first
        assert shown.evaluate("element => getComputedStyle(element).fill") == colour
    assert page.errors == []


def test_any_class_names_are_shown_as_text(results: Results, browser: Browser, tmp_path: Path) -> None:
    scores: dict[str, Any] = {
        **results.scores,
        "per_class": dict(zip(HOSTILE_NAMES, results.scores["per_class"].values(), strict=True)),
    }
    page = OpenedPage(
        browser,
        write_report(results, tmp_path, classes=HOSTILE_NAMES, scores=scores),
        viewport={"width": 360, "height": 800},
    )
    names = page.page.locator("section[aria-labelledby=classes] tbody th").all_text_contents()
    assert [name.strip() for name in names] == [name.strip() for name in HOSTILE_NAMES]
    assert page.page.locator("script").count() == 2
    assert page.page.evaluate("document.documentElement.scrollWidth") == 360
    page.page.locator(".matrix button").first.click()
    assert page.errors == []


def test_the_report_is_accessible_to_screen_readers(opened: OpenedPage) -> None:
    assert opened.page.locator("img:not([alt])").count() == 0
    assert opened.page.locator("svg:not([aria-label], [aria-hidden], svg svg)").count() == 0
    assert opened.page.locator("th:not([scope])").count() == 0
    assert opened.page.locator(".sprite:not([aria-label])").count() == 0
    assert opened.page.locator("html[lang]").count() == 1


@pytest.mark.parametrize(("costs", "systems"), [({"final": Cost(60.0)}, 1), ({}, 0)])
def test_systems_without_a_known_duration_are_left_out_of_that_chart(
    results: Results, browser: Browser, tmp_path: Path, costs: dict[str, Cost], systems: int
) -> None:
    page = OpenedPage(browser, write_report(results, tmp_path, costs=costs))
    assert page.page.locator("#chart-minutes .point").count() == systems
    assert page.errors == []


def test_cpu_time_and_memory_are_shown_if_the_runner_has_measured_them(opened: OpenedPage) -> None:
    headers = opened.page.locator("#systems-table th button").all_inner_texts()
    assert headers[-3:] == ["training, min:s", "processor, min:s", "memory, MB"]
    cells = opened.page.locator("#systems-table tbody tr[data-system]").first.locator("td").all_inner_texts()
    assert int(cells[-1].replace(",", "")) > 50
    opened.page.get_by_text("What each stage took").click()
    assert "train" in opened.page.locator("#stages-table tbody th").all_inner_texts()


def test_cpu_time_and_memory_are_left_out_if_they_are_unknown(results: Results) -> None:
    seconds = {name: Cost(cost.seconds) for name, cost in results.costs.items()}
    page = render(dataclasses.replace(results, costs=seconds, stage_costs=group_costs(seconds)))
    assert "processor, min:s" not in page
    assert "What each stage took" not in page


def test_costs_are_read_from_seconds_or_from_the_file_of_the_runner(tmp_path: Path) -> None:
    file = tmp_path / "durations.json"
    file.write_text('{"split": 3, "train@a": {"seconds": 5.0, "cpu": 4.5, "memory": 1000}, "train@b": 2.0}')
    costs = read_costs(file)
    assert costs == {"split": Cost(3), "train@a": Cost(5.0, 4.5, 1000), "train@b": Cost(2.0)}
    assert group_costs(costs)["train"] == Cost(7.0), "an unknown part makes the sum unknown"
    assert group_costs({"train@a": Cost(5, 4, 10), "train@b": Cost(2, 1, 20)}) == {"train": Cost(7, 5, 20)}
