"""Direct labels of curves and points that do not lie on each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

GAP = 1.25
"""Distance of two labels' base lines, in heights of the text."""
SIZE_PT = 9
GUTTER = 0.025
"""Between the axes and their labels, as a share of the figure's width."""
LEAST_WIDTH = 0.4
DISTANCES_PT = (8, 17, 27, 38, 50, 64, 80, 100, 125, 150)
"""How far from its point a label may stand; the first free place is taken, right of the point before left of it."""


@dataclass(frozen=True, slots=True)
class Label:
    """A text and the data point it belongs to; `strong` ones stand out and choose their place first."""

    text: str
    x: float
    y: float
    colour: str
    strong: bool = False


def label_curves(axes: Axes, labels: Sequence[Label], most: float = 0.88) -> None:
    """Texts in a column right of the axes, at the height of their curves' ends, pushed apart, with a line to the end.

    Args:
        axes: its limits are final; it gets narrower until all texts have room beside it.
        labels: with the last visible point of each curve.
        most: share of the figure's width that the axes may have at most.
    """
    left, bottom, _, high = axes.get_position().bounds
    longest = max((_width(axes, label) for label in labels), default=0.0) / axes.figure.bbox.width
    wide = max(min(most, 0.99 - left - longest - GUTTER), LEAST_WIDTH)
    axes.set_position((left, bottom, wide, high))
    column = 1 + GUTTER / wide
    height = axes.get_window_extent().height
    step = GAP * SIZE_PT * axes.figure.dpi / 72 / height
    place = axes.transData + axes.transAxes.inverted()
    ends = sorted(((place.transform((label.x, label.y)), label) for label in labels), key=lambda pair: pair[0][1])
    for (end, label), y in zip(ends, spread([float(end[1]) for end, _ in ends], step), strict=True):
        axes.annotate(
            label.text, xy=(min(float(end[0]), 1), float(end[1])), xytext=(column, y), xycoords="axes fraction",
            textcoords="axes fraction", va="center", fontsize=SIZE_PT, color=label.colour, annotation_clip=False,
            fontweight="bold" if label.strong else "normal",
            arrowprops={"arrowstyle": "-", "color": label.colour, "lw": 0.7, "alpha": 0.55, "shrinkA": 1, "shrinkB": 3,
                        "relpos": (0.0, 0.5)},
        )  # fmt: skip


def _width(axes: Axes, label: Label) -> float:
    """Of a text, in dots."""
    text = axes.text(0, 0, label.text, fontsize=SIZE_PT, fontweight="bold" if label.strong else "normal")
    width = text.get_window_extent(axes.figure.canvas.get_renderer()).width  # pyright: ignore
    text.remove()
    return width


def spread(wanted: Sequence[float], step: float, lowest: float = 0.0, highest: float = 1.0) -> list[float]:
    """Places at least `step` apart, near the wanted ones, which ascend; inside the limits while there is room."""
    step = min(step, (highest - lowest) / max(len(wanted) - 1, 1))
    blocks: list[tuple[float, int]] = []  # mean of what its members want of its lowest place, members
    for place in wanted:
        start, members = place, 1
        while blocks and blocks[-1][0] + blocks[-1][1] * step > start:  # touches the block below: they become one
            below, size = blocks.pop()
            start = (below * size + (start - size * step) * members) / (size + members)
            members += size
        blocks.append((start, members))
    places = [start + i * step for start, size in blocks for i in range(size)]
    for i in range(len(places)):
        places[i] = max(places[i], lowest + i * step)
    for i in range(len(places)):
        places[-1 - i] = min(places[-1 - i], highest - i * step)
    return places


def label_points(axes: Axes, labels: Sequence[Label]) -> None:
    """Texts beside their points, each in the first place where it touches no other text and is near no other point."""
    scale = axes.figure.dpi / 72
    room = axes.get_window_extent()
    points = [_around(axes, label, scale) for label in labels]
    texts: list[Bbox] = []
    for label in sorted(labels, key=lambda label: (not label.strong, -label.y)):
        others = [point for point, other in zip(points, labels, strict=True) if other is not label]
        for dx, dy in _offsets():
            text = _beside(axes, label, dx, dy)
            box = _extent(text).padded(1.5 * scale)
            if _inside(box, room) and not any(box.overlaps(other) for other in (*others, *texts)):
                texts.append(box)
                break
            text.remove()


def _around(axes: Axes, label: Label, scale: float) -> Bbox:
    """What a text of another point leaves free: more at the sides, where this point's own text would begin."""
    x, y = axes.transData.transform((label.x, label.y))
    return Bbox.from_extents(x - 11 * scale, y - 4 * scale, x + 11 * scale, y + 4 * scale)


def _offsets() -> Iterator[tuple[float, float]]:
    """From the point, in points of length: near ones first."""
    yield from ((side * 7, 0.0) for side in (1, -1))
    for distance in DISTANCES_PT:
        for share in (0.35, 0.7, 1.0):
            for up in (1, -1):
                yield from ((side * (7 + 0.4 * distance * (1.05 - share)), up * share * distance) for side in (1, -1))


def _beside(axes: Axes, label: Label, dx: float, dy: float) -> Annotation:
    line = {
        "arrowstyle": "-",
        "color": label.colour,
        "lw": 0.6,
        "alpha": 0.5,
        "shrinkA": 1,
        "shrinkB": 3,
        "relpos": (0.0 if dx > 0 else 1.0, 0.5),
    }
    return axes.annotate(
        label.text, (label.x, label.y), (dx, dy), textcoords="offset points", fontsize=SIZE_PT - 0.5,
        color=label.colour, va="center", ha="left" if dx > 0 else "right",
        fontweight="bold" if label.strong else "normal", arrowprops=line if dy else None,
    )  # fmt: skip


def _extent(text: Annotation) -> Bbox:
    """Of the words alone, without the line to the point."""
    renderer = text.figure.canvas.get_renderer()  # pyright: ignore
    text.update_positions(renderer)
    return Text.get_window_extent(text, renderer)  # pyright: ignore[reportCallIssue]


def _inside(box: Bbox, room: Bbox) -> bool:
    return room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
