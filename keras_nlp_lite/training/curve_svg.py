"""A curve as a picture, without a plotting library."""

import math

import numpy as np

_WIDTH, _HEIGHT = 640, 360  # pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 48  # pixels around the axes
_LINES = 4  # between the ends of the y axis


def curve_svg(x, y, smooth, *, x_title, y_title, marked=None, mark_title=""):
    """Draws points and a line through them over a logarithmic axis.

    What is far above the line's start is left out: a curve that ends by exploding
    would show nothing else.

    Args:
        x: float [N], above 0, rising.
        y: float [N], drawn as points.
        smooth: float [N], drawn as a line.
        x_title, y_title: str, what stands along the axes.
        marked: float, a place on the x axis to mark; None for none.
        mark_title: str, what stands before its number.

    Returns:
        str, an SVG image.

    Example:

    >>> picture = curve_svg([0.1, 1], [3, 1], [3, 2], x_title="rate", y_title="loss")
    >>> picture.count("<circle")
    2
    """
    x, y, smooth = (np.asarray(values, "float64") for values in (x, y, smooth))
    low = float(min(y.min(), smooth.min()))
    high = min(max(y.max(), smooth.max()), smooth[0] + (smooth[0] - low) + 1e-12)
    high = float(high) if high > low else low + 1.0
    decades = math.log10(x[0]), math.log10(max(x[-1], x[0] * 1.001))

    def across(value):
        share = (math.log10(value) - decades[0]) / (decades[1] - decades[0])
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def down(value):
        share = (high - value) / (high - low)
        return _TOP + share * (_HEIGHT - _TOP - _BOTTOM)

    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for value in np.linspace(low, high, _LINES + 1):
        at = down(value)
        parts.append(_line(_LEFT, at, right, at, "#dde1e5"))
        parts.append(_text(_LEFT - 6, at + 4, f"{value:.3g}", "end"))
    for decade in range(math.ceil(decades[0]), math.floor(decades[1]) + 1):
        at = across(10.0**decade)
        parts.append(_line(at, _TOP, at, floor, "#dde1e5"))
        parts.append(_text(at, floor + 16, f"1e{decade}", "middle"))
    if marked is not None:
        at = across(marked)
        parts.append(_line(at, _TOP, at, floor, "#b22218"))
        said = f"{mark_title} {marked:.1e}".lstrip()
        # Beside the line, on the side where there is room.
        side, anchor = (4, "start") if at < (_LEFT + right) / 2 else (-4, "end")
        parts.append(_text(at + side, _TOP + 12, said, anchor, "#b22218"))
    for place, value in zip(x, y, strict=True):
        if value <= high:
            parts.append(
                f'<circle cx="{across(place):.1f}" cy="{down(value):.1f}" r="2" '
                'fill="#9ab8d3"/>'
            )
    points = " ".join(
        f"{across(place):.1f},{down(value):.1f}"
        for place, value in zip(x, smooth, strict=True)
        if value <= high
    )
    parts.append(
        f'<polyline points="{points}" fill="none" stroke="#08519c" stroke-width="2"/>'
    )
    middle = (_LEFT + right) / 2
    parts.append(_text(middle, _HEIGHT - 8, x_title, "middle"))
    parts.append(_text(4, _TOP - 4, y_title, "start"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" '
        'font-size="11">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _line(x, y, to_x, to_y, color):
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        f'stroke="{color}"/>'
    )


def _text(x, y, said, anchor, color="#212529"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">'
        f"{said}</text>"
    )
