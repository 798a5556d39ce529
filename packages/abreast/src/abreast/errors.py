"""The exception for errors that the user can fix."""


class AbreastError(Exception):
    """An error in the project or on the command line; its text is one line."""
