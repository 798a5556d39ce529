"""The one exception that is the user's to mend."""


class AbreastError(Exception):
    """One line that says what is wrong with the project or the command line."""
