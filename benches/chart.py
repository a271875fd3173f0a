"""Draws benches/chart.svg: the cost of a verification by algorithm, and of a repeated token by size."""

import html

WIDTH, LEFT, RIGHT = 860, 150, 110
# A longer bar is cut.
LARGEST = 2.0
STYLE = """\
text { font: 12px sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.ours { fill: #1f6f8b }
.theirs { fill: #c9a227 }
.line { stroke: #59636e; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .ours { fill: #4fb3d1 }
  .theirs { fill: #e3c04b }
  .line { stroke: #9198a1 }
}"""


def chart(result):
    """Draws the results of `verify`. The chart has no background, so that it fits light and dark pages."""
    upper, height = verifications(result)
    lower, height = repeated(result, height + 40)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 10}" role="img">',
        "<title>The cost of a verification, and of a token in the token cache</title>",
        f"<style>\n{STYLE}\n</style>",
        *upper,
        *lower,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def verifications(result):
    theirs = f"jsonwebtoken {result['versions']['jsonwebtoken']}"
    parts = [
        text(LEFT, 20, "Cost of a verification, as a multiple of the bare signature check", "title"),
        bar(LEFT, 32, 12, "ours"),
        text(LEFT + 18, 42, "portcullis"),
        bar(LEFT + 110, 32, 12, "theirs"),
        text(LEFT + 128, 42, theirs),
    ]
    scale = (WIDTH - LEFT - RIGHT) / LARGEST
    rows, top = named(result["tables"][0]), 62
    y = top
    for name, cells in rows:
        shown = [(cells["ratio"], "ours"), (cells["its ratio"], "theirs")]
        shown = [(cell["value"], kind) for cell, kind in shown if isinstance(cell, dict)]
        parts.append(text(LEFT - 8, y + 7 * len(shown) + 4, name, anchor="end"))
        for ratio, kind in shown:
            width = min(ratio, LARGEST) * scale
            parts.append(bar(LEFT, y, width, kind))
            parts.append(text(LEFT + width + 5, y + 10, f"{ratio:.2f}" + (" (cut)" if ratio > LARGEST else "")))
            y += 14
        y += 8
    x = LEFT + scale
    parts.append(f'<line class="line" x1="{x:.1f}" y1="{top - 6}" x2="{x:.1f}" y2="{y}"/>')
    parts.append(text(x, y + 14, "1 = only the signature", anchor="middle"))
    return parts, y + 14


def repeated(result, top):
    parts = [text(LEFT, top, "A token in the token cache, by size, and its part of a verification", "title")]
    rows = named(next(table for table in result["tables"] if table["name"] == "sizes"))
    scale = (WIDTH - LEFT - 2 * RIGHT) / max(cells["repeated"]["value"] for _, cells in rows)
    y = top + 16
    for name, cells in rows:
        nanos = cells["repeated"]["value"]
        parts.append(text(LEFT - 8, y + 10, name, anchor="end"))
        parts.append(bar(LEFT, y, nanos * scale, "ours"))
        parts.append(text(LEFT + nanos * scale + 5, y + 10, f"{nanos:,.0f} ns, {cells['of the same token']['value']:.3f}"))
        y += 20
    return parts, y


def named(table):
    columns = [column["name"] for column in table["columns"]]
    return [(row["name"], dict(zip(columns, row["cells"], strict=True))) for row in table["rows"]]


def text(x, y, words, kind=None, anchor=None):
    kind = f' class="{kind}"' if kind else ""
    anchor = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind}{anchor}>{html.escape(words)}</text>'


def bar(x, y, width, kind):
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="12"/>'
