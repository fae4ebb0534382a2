"""Floats that remember how they were written.

JSON text says more than a binary float keeps: ``12.50`` has a scale, and twenty-nine digits do not fit. Prices need
both, and mParticle's own SDK copies a number's literal where a string is expected.
"""

from typing import Self


class ExactFloat(float):
    """A float that also carries the literal it was read from.

    It behaves like any float, arithmetic and equality included, so that a message reads the same whether it came as
    bytes or as the dict that Lambda hands over. Only ``str()`` differs: it gives the literal, which is what turns into
    text and Decimal fields.
    """

    __slots__ = ("_literal",)
    _literal: str

    def __new__(cls, literal: str) -> Self:
        """Reads a JSON number's literal."""
        exact = float.__new__(cls, literal)
        exact._literal = literal  # noqa: SLF001 - its own class; super() would cost a quarter more
        return exact

    def __str__(self) -> str:
        return self._literal

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self._literal,)
