"""`--noise` of `ncodec train`: one kind of noise instead of the recipe's mixture, as changes of the recipe."""

from __future__ import annotations

from ncodec.errors import RequestError
from ncodec.noise import parse_noise
from ncodec.train.noise import CAMERA_FACTOR

KINDS = "gaussian[:SIGMA], poisson-gaussian[:A,B], camera[:SIGMA] or none"


def noise_changes(text: str) -> tuple[str, ...]:
    """What `Recipe.changed` takes. Strengths are the greatest: networks learn every one up to them.

    Numbers are as `ncodec info` shows them of a noisy picture: sigma in 8-bit levels on mid-gray, or Foi's a and b.
    Without one the recipe's own strength stays.

    Raises:
        RequestError: the text is no kind of noise, or a number is out of range.
    """
    kind, colon, numbers = text.strip().partition(":")
    match kind:
        case "none" if not colon:
            return ("noise.clean_share=1",)
        case "gaussian":
            changes = ("noise.poisson_share=0", "noise.camera_share=0")
        case "poisson-gaussian":
            changes = ("noise.poisson_share=1", "noise.camera_share=0")
        case "camera":
            changes = ("noise.camera_share=1",)
        case _:
            raise RequestError(f"the noise to train for must be {KINDS}, got {text!r}")
    if not colon:
        return changes
    is_camera = kind == "camera"
    sigma = parse_noise(f"{'gaussian' if is_camera else kind}:{numbers}").sigma_8bit
    return (*changes, f"noise.sigma_max={sigma / (CAMERA_FACTOR if is_camera else 1)!r}")
