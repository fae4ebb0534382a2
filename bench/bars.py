"""A chart of horizontal bars, drawn as a small SVG whose text is text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LEFT, _BAR_WIDTH, _TOP, _ROW = 720, 230, 400, 44, 26  # pixels


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar for each label. A bar ends at the first of its values; a thin line goes on to the last.

    Attributes:
        digits: decimal places of the values beside the bars.
    """

    title: str
    values: Mapping[str, Sequence[float]]
    digits: int = 0

    def svg(self) -> str:
        scale = _BAR_WIDTH / max(value for values in self.values.values() for value in values)
        height = _TOP + _ROW * len(self.values)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">',
                f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
                f'<text x="12" y="24" font-size="15">{escape(self.title)}</text>',
                '<g font-size="12">',
                *(
                    self._bar(label, values, y=_TOP + _ROW * row, scale=scale)
                    for row, (label, values) in enumerate(self.values.items())
                ),
                "</g>",
                "</svg>\n",
            ]
        )

    def _bar(self, label: str, values: Sequence[float], *, y: int, scale: float) -> str:
        width, end = round(values[0] * scale), round(values[-1] * scale)
        texts = " / ".join(f"{value:,.{self.digits}f}" for value in dict.fromkeys(values))
        return "\n".join(
            [
                f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>',
                f'<rect x="{_LEFT}" y="{y}" width="{width}" height="18" fill="#4477aa"/>',
                f'<path d="M{_LEFT + width} {y + 9}H{_LEFT + end}" stroke="#4477aa" stroke-width="2"/>',
                f'<text x="{_LEFT + end + 6}" y="{y + 13}">{texts}</text>',
            ]
        )
