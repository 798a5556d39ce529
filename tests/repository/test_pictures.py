"""Compare the pictures of README and docs with the code that draws them, and the recording with its SVG."""

import re
from pathlib import Path
from xml.etree import ElementTree

from fashion.files import read_json
from fashion.results.figures.style import save
from tools import pictures, record

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_pictures_in_git_are_what_the_code_draws(tmp_path: Path) -> None:
    for name, figure in pictures.draw_pictures(ROOT).items():
        save(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes() == (ROOT / pictures.FOLDER / name).read_bytes(), name


def test_the_recording_in_git_is_drawn_from_its_lines_and_is_small() -> None:
    svg = (ROOT / record.PICTURE).read_text(encoding="utf-8")
    assert svg == record.draw(read_json(ROOT / record.RECORDING))
    assert len(svg.encode()) < 500_000
    assert [text for text in texts(svg) if text.startswith("$ ")] == ["$ make quick", "$ fashion predict photos/"]


def test_a_recording_has_the_lines_of_a_command_in_their_order(tmp_path: Path) -> None:
    lines = record.record("echo '<a>'; sleep 0.2; echo b >&2", tmp_path)
    assert [line["text"] for line in lines] == ["$ echo '<a>'; sleep 0.2; echo b >&2", "<a>", "b"]
    assert 0.1 < lines[2]["seconds"] < 10
    assert texts(record.draw(lines)) == [line["text"] for line in lines]


def test_a_recording_scrolls_when_the_terminal_is_full_and_wraps_long_lines() -> None:
    few = record.draw([{"seconds": 1, "text": "a"}] * record.ROWS)
    assert set(re.findall(r"scroll \{\n (.*)\n\}", few)) == {"0.000% { transform: translateY(0px); }"}
    lines = [{"seconds": 1, "text": "a" * (record.COLUMNS + 1)}] * record.ROWS
    many = record.draw(lines)
    assert f".scroll {{ transform: translateY({-record.ROWS * record.HEIGHT}px);" in many
    assert len(texts(many)) == 2 * record.ROWS
