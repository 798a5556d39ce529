"""Section `embed`: pretrained networks whose features of all images are computed once, by name."""

from fashion.settings.fields import Name, Sha256, Strict
from fashion.settings.model import InputSettings


class EmbedArguments(Strict):
    """Which network of the family `timm`, with which weights."""

    network: Name
    pretrained: Name
    sha256: Sha256 | None = None


class EmbedSettings(Strict):
    """A pretrained network without its head. Systems with `image_folder: embedded/NAME` have a head on its features."""

    arguments: EmbedArguments
    input: InputSettings
