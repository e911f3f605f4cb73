"""Random conditions of the policy's language, well-typed, and inputs that they are asked about."""

import random

from services.payment.policy import Inputs

WHOLE = ["0", "1", "7", "100000", "9007199254740993", "9223372036854775807"]
DECIMAL = ["0.0", "0.5", "0.8", "1.0", "999999999999999.999"]
TEXT = ["''", "'EU'", '"US"', "'E'", "'é'", "'😀'", "'a b'", '"it\'s"', "'gold'"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]
CALLS = ["startsWith", "endsWith", "contains"]


class Conditions:
    """Makes one condition after the other from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def one(self, depth: int = 3) -> str:
        """A question of yes and no, in a spelling of its own."""
        if depth == 0 or self._rng.random() < 0.4:
            return self._comparison(depth)
        if self._rng.random() < 0.3:
            return f"!({self.one(depth - 1)})"
        joint = self._rng.choice(["&&", "||", "&&", "||", "==", "!="])
        return f"({self.one(depth - 1)}) {joint} ({self.one(depth - 1)})"

    def inputs(self) -> Inputs:
        pick = self._rng.choice
        return {
            "amount": pick([1, 7, 100_000, 2**53, self._rng.randint(1, 2**53)]),
            "currency": pick(["EUR", "USD"]),
            "unit": pick([1, 100, 1_000]),
            "fraudScore": pick([0.0, 0.5, 0.8, 1.0, self._rng.random()]),
            "region": pick(["", "EU", "US"]),
            "merchantTier": pick(["", "gold"]),
        }

    def _comparison(self, depth: int) -> str:
        compared = self._rng.choice(COMPARISONS)
        match self._rng.randrange(7):
            case 0:
                return f"{self._whole(depth)} {compared} {self._whole(depth)}"
            case 1:
                return f"{self._decimal(depth)}{compared}{self._decimal(depth)}"
            case 2:
                return f"{self._text()} {compared} {self._text()}"
            case 3:
                return f"{self._text()}.{self._rng.choice(CALLS)}( {self._text()})"
            case 4:
                return (
                    f"{self._whole(depth)} in [{self._some([self._signed(WHOLE) for _ in TEXT])}]"
                )
            case 5:
                return f"{self._text()} in[{self._some(TEXT)}]"
        return self._rng.choice(["true", "false"])

    def _whole(self, depth: int) -> str:
        if depth == 0 or self._rng.random() < 0.5:
            return self._rng.choice(["amount", "unit", self._signed(WHOLE)])
        operator = self._rng.choice("+-*/%")
        return f"({self._whole(depth - 1)}{operator}{self._whole(depth - 1)})"

    def _decimal(self, depth: int) -> str:
        if depth == 0 or self._rng.random() < 0.4:
            return self._rng.choice(["fraudScore", self._signed(DECIMAL)])
        if self._rng.random() < 0.4:
            return f"double({self._whole(depth - 1)})"
        return f"({self._decimal(depth - 1)} {self._rng.choice('+-*')} {self._decimal(depth - 1)})"

    def _text(self) -> str:
        return self._rng.choice(["currency", "region", "merchantTier", self._rng.choice(TEXT)])

    def _signed(self, literals: list[str]) -> str:
        return self._rng.choice(["", "-", "- "]) + self._rng.choice(literals)

    def _some(self, literals: list[str]) -> str:
        return " ,".join(self._rng.choices(literals, k=self._rng.randint(1, 4)))
