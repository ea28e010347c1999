"""Colours of the plots and of the page: each has a light and a dark form, and curves are told apart by label too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colour:
    """A CSS variable's name and its two values. The light form is unique: it is what a plot is drawn with."""

    name: str
    light: str
    dark: str


PAPER = Colour("paper", "#ffffff", "#16181d")
INK = Colour("ink", "#1b1d22", "#e9eaee")
MUTED = Colour("muted", "#5b606b", "#a3a9b5")
RULE = Colour("rule", "#d9dce2", "#343944")
RAISED = Colour("raised", "#f5f6f8", "#20242c")
GROUND = Colour("ground", "#e6e7ea", "#0c0d10")
OURS = Colour("ours", "#b4261c", "#ff8b77")
CURVES = (
    Colour("curve-blue", "#1c5ea8", "#79b6ff"),
    Colour("curve-green", "#20773b", "#6bcf8b"),
    Colour("curve-violet", "#76409c", "#cd9dff"),
    Colour("curve-ochre", "#8a5b00", "#e8b84f"),
    Colour("curve-teal", "#006d78", "#55cfd9"),
    Colour("curve-pink", "#a52c6b", "#ff92c6"),
    Colour("curve-slate", "#4a5a6a", "#a9bbcd"),
)
ALL = (PAPER, INK, MUTED, RULE, RAISED, GROUND, OURS, *CURVES)
FAMILY: dict[str, Colour] = dict(
    zip(
        ("cascade", "denoise-then-encode", "codec-denoiser", "compression-only", "denoiser"),
        CURVES,
        strict=False,
    )
)


def family_colour(family: str) -> Colour:
    """Of all curves of a family, where families stand beside each other."""
    return OURS if family == "ncodec" else FAMILY.get(family, MUTED)


def themed(svg: str) -> str:
    """An SVG drawn in the light colours, for a page that defines the variables: it follows the page's theme."""
    for colour in ALL:
        svg = svg.replace(colour.light, f"var(--{colour.name})")
    return svg


def css(dark: bool) -> str:
    """The declarations of one theme."""
    return "\n".join(f"  --{colour.name}: {colour.dark if dark else colour.light};" for colour in ALL)
