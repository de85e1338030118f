"""A number with its sampling uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

Z95 = 1.959964  # 97.5 % quantile of the standard normal


@dataclass(frozen=True)
class Measured:
    """A value, the ends of its 95 % interval, and its standard error.

    An interval says how far the value would move with other items of the same kind. It says nothing of a bias that
    depends on the count, as a Fréchet distance has; that is what a baseline at the same count is for. Where no standard
    error can be had, it is NaN, and so are both ends.
    """

    value: float
    low: float
    high: float
    standard_error: float

    @classmethod
    def normal(
        cls, value: float, standard_error: float, *, least: float = float("-inf"), most: float = float("inf")
    ) -> Measured:
        """value ± 1.96 standard errors, cut at the least and the greatest value that the measure can take.

        >>> Measured.normal(1.0, 0.0, least=0.5)
        Measured(value=1.0, low=1.0, high=1.0, standard_error=0.0)
        """
        reach = Z95 * standard_error
        if reach != reach:
            return cls(value, reach, reach, standard_error)
        return cls(value, max(value - reach, least), min(value + reach, most), standard_error)

    @classmethod
    def share(cls, value: float, count: int) -> Measured:
        """A share of `count` items with Wilson's interval, which has a width at 0 and at 1 too.

        >>> found = Measured.share(0.0, 100)
        >>> found.low, round(found.high, 4)
        (0.0, 0.037)
        """
        z2 = Z95**2 / count
        middle = (value + z2 / 2) / (1 + z2)
        reach = Z95 * (value * (1 - value) / count + z2 / count / 4) ** 0.5 / (1 + z2)
        error = (value * (1 - value) / count) ** 0.5
        return cls(value, min(max(middle - reach, 0.0), value), max(min(middle + reach, 1.0), value), error)
