"""The one exception that is the user's to mend."""


class InputError(Exception):
    """Bad input: one line that names the culprit (file, key, row) and the way out.

    Stages print it without a traceback and exit with status 2.
    """
