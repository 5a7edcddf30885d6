"""Service level against staff as a picture: one SVG file, made by hand, readable anywhere."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 44, 56
COLOURS = ("#0b6e99", "#b3541e", "#4b7f2a", "#7a3e9d", "#a0243c", "#5b5b5b", "#00796b", "#8a6d00")
"""Apart from each other for colour-blind people too; the legend is in words besides."""

Point = tuple[float, float, float]
"""Agents, figure, half-width."""


def service_level(rows: list[dict[str, Any]], group: str, within: str, done: str = "served") -> str:
    """The service level of all, and of each class where there are several, by staff of a group.

    ``rows`` are those of :func:`staffing.compare` in which that group alone varies.
    """
    names = list(rows[0]["result"]["classes"])
    lines = {"all": _points(rows, group, None)}
    if len(names) > 1:
        lines |= {name: _points(rows, group, name) for name in names[: len(COLOURS) - 1]}
    counts = [row["staff"][group] for row in rows]
    plot = _Plot(min(counts), max(counts))
    parts = [plot.frame(f"agents in {group}", f"{done} within {within}", sorted(set(counts)))]
    for place, (name, points) in enumerate(lines.items()):
        parts.append(plot.line(points, COLOURS[place % len(COLOURS)]))
        parts.append(plot.legend(name, COLOURS[place % len(COLOURS)], place))
    title = f"Service level against agents in {group}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label={quoteattr(title)} font-family="sans-serif" font-size="12">'
        f'<title>{escape(title)}</title><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _points(rows: list[dict[str, Any]], group: str, name: str | None) -> list[Point]:
    points = []
    for row in rows:
        figures = row["result"]["all"] if name is None else row["result"]["classes"][name]
        figure = figures["service_level"]
        if figure["value"] is not None:
            points.append((float(row["staff"][group]), figure["value"], figure["ci95"]))
    return points


class _Plot:
    def __init__(self, low: int, high: int) -> None:
        self._low, self._span = low, max(high - low, 1)

    def x(self, agents: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (agents - self._low) / self._span

    def y(self, share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(share, 0.0), 1.0)

    def frame(self, below: str, beside: str, counts: list[int]) -> str:
        parts = []
        for tenth in range(0, 11, 2):
            y = self.y(tenth / 10)
            parts.append(
                f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth * 10} %</text>'
            )
        every = max(1, len(counts) // 12)
        for count in counts[::every]:
            at = f'x="{self.x(count):.1f}" y="{HEIGHT - BOTTOM + 20}"'
            parts += [f'<text {at} text-anchor="middle">{count}</text>']
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(below)}</text>'
            f'<text x="{LEFT}" y="20" font-weight="bold">{escape(beside)}</text>'
        )
        return "".join(parts)

    def line(self, points: list[Point], colour: str) -> str:
        if not points:
            return ""
        upper = [f"{self.x(n):.1f} {self.y(v + h):.1f}" for n, v, h in points]
        lower = [f"{self.x(n):.1f} {self.y(v - h):.1f}" for n, v, h in reversed(points)]
        way = " ".join(f"{self.x(n):.1f},{self.y(v):.1f}" for n, v, _ in points)
        dots = "".join(
            f'<circle cx="{self.x(n):.1f}" cy="{self.y(v):.1f}" r="3" fill="{colour}">'
            f"<title>{n:g} agents: {v:.1%}{f' ± {h:.1%}' if h else ''}</title></circle>"
            for n, v, h in points
        )
        return (
            f'<path d="M{"L".join(upper + lower)}Z" fill="{colour}" opacity=".15"/>'
            f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'
        )

    def legend(self, name: str, colour: str, place: int) -> str:
        x = LEFT + 160 + 90 * place
        return (
            f'<rect x="{x}" y="11" width="10" height="10" fill="{colour}"/>'
            f'<text x="{x + 15}" y="20">{escape(name[:11])}</text>'
        )
