"""plots.py - bars side by side as SVG, for light and dark pages, by Python's own library.

A figure is rows of panels; a panel has a title that says the unit, groups of bars with a label
each, and an axis from zero. Every figure shows the same SERIES in the same order.
"""

from html import escape

SERIES = ["Leafcutter T16", "Leafcutter T16A", "llama.cpp Q4_0"]
WIDTH, GAP, BAR, LABEL, VALUE = 860, 24, 13, 76, 52
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 13px }
.head { font-weight: 600; font-size: 15px }
.tick { fill: #59636e; font-size: 11px }
.value { font-size: 11px }
line { stroke: #d1d9e0 }
.s0 { fill: #1f7a43 } .s1 { fill: #7cc49a } .s2 { fill: #8c959f }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .tick { fill: #9198a1 } line { stroke: #3d444d }
.s0 { fill: #3fb968 } .s1 { fill: #23693b } .s2 { fill: #6e7681 }
}
"""


def nice(most):
    """A step of 1, 2 or 5 times a power of ten that puts two to five marks on an axis."""
    steps = (digit * 10.0**power for power in range(-3, 9) for digit in (1, 2, 5))
    return next(step for step in steps if most / step <= 5)


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


class Panel:
    """groups: (label, [a value of each series])"""

    def __init__(self, title, groups):
        self.title, self.groups = title, groups

    def height(self):
        return 44 + len(self.groups) * (len(SERIES) * BAR + 10)

    def draw(self, left, top, width):
        most = max(max(values) for _, values in self.groups)
        labels = any(label for label, _ in self.groups)
        start = left + (LABEL if labels else 0)
        scale = (left + width - VALUE - start) / most
        bottom = top + self.height() - 20
        out = [f'<text class="title" x="{left}" y="{top + 12}">{escape(self.title)}</text>']
        step = nice(most)
        for i in range(int(most / step) + 1):
            x = start + i * step * scale
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + 20}" y2="{bottom}"/>')
            out.append(
                f'<text class="tick" x="{x:.1f}" y="{bottom + 13}" text-anchor="middle">'
                f"{i * step:g}</text>"
            )
        y = top + 25
        for label, values in self.groups:
            middle = y + len(SERIES) * BAR / 2 + 4
            out.append(f'<text x="{left}" y="{middle:.1f}">{escape(label)}</text>')
            for s, value in enumerate(values):
                length = max(value * scale, 1)
                out.append(
                    f'<rect class="s{s}" x="{start:.1f}" y="{y}" width="{length:.1f}" '
                    f'height="{BAR - 2}" rx="1.5"/>'
                )
                out.append(
                    f'<text class="value" x="{start + length + 4:.1f}" y="{y + BAR - 3}">'
                    f"{number(value)}</text>"
                )
                y += BAR
            y += 10
        return out


def figure(title, rows):
    """rows: lists of panels that share a row's width"""
    out, y = [], 62
    for panels in rows:
        width = (WIDTH - 2 * GAP - GAP * (len(panels) - 1)) / len(panels)
        for i, panel in enumerate(panels):
            out += panel.draw(GAP + i * (width + GAP), y, width)
        y += max(panel.height() for panel in panels) + 14
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" '
        f'height="{y}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="head" x="{GAP}" y="22">{escape(title)}</text>',
    ]
    x = GAP
    for s, name in enumerate(SERIES):
        head.append(f'<rect class="s{s}" x="{x}" y="34" width="12" height="12" rx="2"/>')
        head.append(f'<text x="{x + 18}" y="44">{name}</text>')
        x += 150
    return "\n".join([*head, *out, "</svg>"]) + "\n"
