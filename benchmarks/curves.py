"""Draw the curves of training runs as one SVG file: a small chart for each number, a line for each run.

    python benchmarks/curves.py RUN... -o curves.svg [--of likeness,reconstruction] [--evaluation]

RUN is the folder of a run. Lines of the log are averaged over a fortieth of the run; --evaluation draws
evaluation.jsonl instead.
"""

import argparse
import json
from pathlib import Path
from xml.sax.saxutils import escape

COLOURS = ("#1f6fb4", "#c8452d", "#2f8f4e", "#7a4fa3")
WIDTH, HEIGHT, MARGIN = 300, 170, 34
POINTS = 40


def lines_of(run: Path, file: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / file).read_text("utf-8").splitlines()]


def curve(lines: list[dict[str, float]], name: str) -> list[tuple[float, float]]:
    """(samples, value), averaged so that at most `POINTS` are left."""
    found = [(line["seen"], line[name]) for line in lines if name in line]
    size = max(-(-len(found) // POINTS), 1)
    parts = [found[i : i + size] for i in range(0, len(found), size)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


def chart(name: str, curves: dict[str, list[tuple[float, float]]], left: int, top: int) -> list[str]:
    points = [point for line in curves.values() for point in line]
    most_x = max(x for x, _ in points)
    low, high = min(0.0, *(y for _, y in points)), max(y for _, y in points)
    high = high if high > low else low + 1
    inner_x, inner_y = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN

    def place(x: float, y: float) -> str:
        across = left + MARGIN + inner_x * x / most_x
        return f"{across:.1f},{top + HEIGHT - MARGIN - inner_y * (y - low) / (high - low):.1f}"

    base = top + HEIGHT - MARGIN
    parts = [
        f'<text x="{left + MARGIN}" y="{top + 20}" font-weight="bold">{escape(name)}</text>',
        f'<path d="M{place(0, high)} L{place(0, low)} L{place(most_x, low)}" fill="none" stroke="#999"/>',
        f'<text x="{left + MARGIN - 4}" y="{top + MARGIN + 4}" text-anchor="end">{high:.3g}</text>',
        f'<text x="{left + MARGIN - 4}" y="{base + 4}" text-anchor="end">{low:.3g}</text>',
        f'<text x="{left + WIDTH - MARGIN}" y="{base + 14}" text-anchor="end">{most_x:,.0f} samples</text>',
    ]
    for colour, line in zip(COLOURS, curves.values(), strict=False):
        if line:
            path = " L".join(place(x, y) for x, y in line)
            parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--of", help="names, by commas; all of them unless said")
    parser.add_argument("--evaluation", action="store_true")
    given = parser.parse_args()
    file = "evaluation.jsonl" if given.evaluation else "log.jsonl"
    logs = {run.name: lines_of(run, file) for run in given.runs}
    known = sorted({name for lines in logs.values() for line in lines for name in line} - {"seen"})
    names = given.of.split(",") if given.of else known
    columns = min(3, len(names))
    parts = []
    for index, name in enumerate(names):
        left, top = index % columns * WIDTH, 24 + index // columns * HEIGHT
        parts += chart(name, {run: curve(lines, name) for run, lines in logs.items()}, left, top)
    for index, run in enumerate(logs):
        parts.append(f'<text x="{MARGIN + 160 * index}" y="16" fill="{COLOURS[index]}">{escape(run)}</text>')
    rows = -(-len(names) // columns)
    size = f'width="{columns * WIDTH}" height="{24 + rows * HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="10">'
    given.output.write_text(
        "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"])
    )
    print(given.output)


if __name__ == "__main__":
    main()
