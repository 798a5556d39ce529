from fashion.errors import MOST, InputError


def test_a_message_is_one_line_that_steers_no_terminal_whatever_a_file_put_into_it() -> None:
    assert str(InputError("a\nb\x1b[31m\x07\u2028\u202e\udcff: Größe ‹3›")) == (
        r"a\nb\x1b[31m\x07\u2028\u202e\udcff: Größe ‹3›"
    )


def test_a_long_message_keeps_its_place_and_its_remedy() -> None:
    message = str(InputError(f"params.yaml: {'x' * 10_000}: unknown key"))
    assert message.startswith("params.yaml: xxx")
    assert message.endswith("xxx: unknown key")
    assert len(message) == MOST + len(" ... ")
    assert len(str(InputError("\ud800" * 10_000))) == MOST + len(" ... ")
