"""The exception for bad input, with a message of one line."""

MAX_LENGTH = 1000  # characters of a message; names of files and settings may be longer


class InputError(Exception):
    """Bad input. The message is one line: the file, key or row, then the reason and the remedy.

    Stages and commands print it without a traceback and exit with status 2. Parts of a message may come from files of
    unknown origin: line breaks and control characters are escaped, and a long message is cut in the middle.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten("".join(map(escape, shorten(message)))))  # escapes are longer than characters


def shorten(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH // 2]} ... {text[-MAX_LENGTH // 2 :]}"


def escape(character: str) -> str:
    """Give a printable character as it is, and any other one as an escape sequence."""
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
