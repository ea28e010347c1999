"""Turning a picture as its EXIF says, for those who then drop the EXIF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ncodec.exif import orientation
from ncodec.picture import Picture, our_limit

_SIDES_SWAPPED = {5, 6, 7, 8}
_LEFT_IS_RIGHT = {2, 3, 6, 7}
_TOP_IS_BOTTOM = {3, 4, 7, 8}
"""Orientations of EXIF 2.3; sides are swapped first."""


def upright(picture: Picture, exif: bytes | None) -> Picture:
    """The picture as a viewer shows it that follows `exif`, and without EXIF. Damaged EXIF turns nothing."""
    if exif is None:
        return replace(picture, exif=None)
    with our_limit():
        turn = orientation(exif)
    alpha = None if picture.alpha is None else _turned(picture.alpha, turn)
    return replace(picture, pixels=_turned(picture.pixels, turn), alpha=alpha, exif=None)


def _turned(plane: np.ndarray, turn: int) -> np.ndarray:
    if turn in _SIDES_SWAPPED:
        plane = plane.swapaxes(0, 1)
    if turn in _LEFT_IS_RIGHT:
        plane = plane[:, ::-1]
    if turn in _TOP_IS_BOTTOM:
        plane = plane[::-1]
    return plane.copy()  # numpy takes one row backwards for contiguous, torch does not take it at all
