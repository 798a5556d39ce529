"""The one exception that is the user's to mend."""

MOST = 1000  # characters of a message; the names of files and settings in it may be longer


class InputError(Exception):
    """Bad input: one line that names the culprit (file, key, row) and the way out.

    Stages print it without a traceback and exit with status 2. Parts of the message come from files that anyone may
    have written: what would break the line or steer a terminal is escaped, and a long message loses its middle.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shortened("".join(map(printable, shortened(message)))))  # escapes are longer


def shortened(text: str) -> str:
    return text if len(text) <= MOST else f"{text[: MOST // 2]} ... {text[-MOST // 2 :]}"


def printable(character: str) -> str:
    """Give a character, or its escape if a terminal would do something else than show it."""
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
