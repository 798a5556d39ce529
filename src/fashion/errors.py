"""The one exception that is the user's to mend."""

MOST = 1000  # characters of a message; the names of files and settings in it may be longer


class InputError(Exception):
    """Bad input: one line that names the culprit (file, key, row) and the way out.

    Stages print it without a traceback and exit with status 2. Parts of the message come from files that anyone may
    have written: what would break the line or steer a terminal is escaped, and a long message loses its middle.
    """

    def __init__(self, message: str) -> None:
        if len(message) > MOST:
            message = f"{message[: MOST // 2]} ... {message[-MOST // 2 :]}"
        super().__init__("".join(map(printable, message)))


def printable(character: str) -> str:
    """Give a character, or its escape if a terminal would do something else than show it."""
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
