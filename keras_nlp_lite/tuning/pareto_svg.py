"""Trials as points, and their Pareto front, as a picture without a plotting library."""

import html

import numpy as np

_WIDTH, _HEIGHT = 420, 340  # pixels of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 20, 48  # pixels around its axes
_TICKS = 4  # between the ends of an axis
_FRONT, _REST, _GRID = "#b22218", "#9ab8d3", "#dde1e5"


def pareto_svg(values, objectives, on_front, labels):
    """Draws the first objective against each of the others, a panel for each.

    The line joins the trials that nobody beats in the two objectives of its panel.
    Points in red are on the front of all objectives.

    Args:
        values: float [N, M], M at least 2.
        objectives: M with `name` and `direction`.
        on_front: bool [N].
        labels: N of str, the trials' names.

    Returns:
        str, an SVG image.
    """
    values = np.asarray(values, "float64").reshape(-1, len(objectives))
    panels = [
        _panel(
            values[:, [other, 0]], objectives[other], objectives[0], on_front, labels
        )
        for other in range(1, len(objectives))
    ]
    width = _WIDTH * len(panels)
    inside = "\n".join(
        f'<g transform="translate({_WIDTH * i},0)">\n{panel}\n</g>'
        for i, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" '
        f'width="{width}" height="{_HEIGHT}" font-family="sans-serif" '
        'font-size="11" fill="#212529">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{inside}\n</svg>\n'
    )


def _panel(points, across, up, on_front, labels):
    """str, the SVG of one panel; points are float [N, 2], across and up."""
    (low_x, high_x), (low_y, high_y) = (_ends(points[:, i]) for i in (0, 1))
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def place(x, y):
        return (
            _LEFT + (x - low_x) / (high_x - low_x) * (right - _LEFT),
            floor - (y - low_y) / (high_y - low_y) * (floor - _TOP),
        )

    parts = []
    for x in np.linspace(low_x, high_x, _TICKS + 1):
        at, _ = place(x, low_y)
        parts += [_line(at, _TOP, at, floor), _text(at, floor + 16, f"{x:.3g}")]
    for y in np.linspace(low_y, high_y, _TICKS + 1):
        _, at = place(low_x, y)
        parts.append(_line(_LEFT, at, right, at))
        parts.append(_text(_LEFT - 6, at + 4, f"{y:.3g}", "end"))
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in _steps(points, across, up, place))
    parts.append(
        f'<polyline points="{corners}" fill="none" stroke="{_FRONT}" '
        'stroke-dasharray="3 3"/>'
    )
    for point, front, label in zip(points, on_front, labels):
        x, y = place(*point)
        color, size = (_FRONT, 4) if front else (_REST, 3)
        name = html.escape(str(label))
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{color}">'
            f"<title>trial {name}: {across.name} {point[0]:.4g}, {up.name} "
            f"{point[1]:.4g}</title></circle>"
        )
        if front:
            parts.append(_text(x + 6, y - 5, name, "start"))
    middle = (_LEFT + right) / 2
    parts.append(_text(middle, _HEIGHT - 10, f"{across.name} ({across.direction})"))
    parts.append(_text(4, _TOP - 7, f"{up.name} ({up.direction})", "start"))
    return "\n".join(parts)


def _steps(points, across, up, place):
    """The places of those that nobody beats in two objectives, from left to right."""
    signs = [1 if o.direction == "min" else -1 for o in (across, up)]
    costs = points * signs
    best, found = np.inf, []
    for i in np.lexsort((costs[:, 1], costs[:, 0])):
        if costs[i, 1] < best:
            best = costs[i, 1]
            found.append(place(*points[i]))
    return sorted(found)


def _ends(values):
    """(low, high), a little wider than the values."""
    low, high = float(np.min(values)), float(np.max(values))
    margin = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
    return low - margin, high + margin


def _line(x, y, to_x, to_y):
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        f'stroke="{_GRID}"/>'
    )


def _text(x, y, said, anchor="middle"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{html.escape(said)}</text>"
    )
