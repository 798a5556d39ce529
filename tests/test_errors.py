from fashion.errors import MAX_LENGTH, InputError


def test_a_message_is_one_printable_line() -> None:
    assert str(InputError("a\nb\x1b[31m\x07\u2028\u202e\udcff: Größe ‹3›")) == (
        r"a\nb\x1b[31m\x07\u2028\u202e\udcff: Größe ‹3›"
    )


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    message = str(InputError(f"params.yaml: {'x' * 10_000}: unknown key"))
    assert message.startswith("params.yaml: xxx")
    assert message.endswith("xxx: unknown key")
    assert len(message) == MAX_LENGTH + len(" ... ")
    assert len(str(InputError("\ud800" * 10_000))) == MAX_LENGTH + len(" ... ")
