"""What an account charges for an amount: the one place where a fee is worked out.

Planning, invoices and tests ask here; the proof, which shares no code, has a line of its own."""

BASIS_POINTS = 10_000


def percentage_fee(amount_minor: int, basis_points: int) -> int:
    """The percentage of an amount, in minor units, rounded up."""
    return -(-amount_minor * basis_points // BASIS_POINTS)


def leg_fee(amount_minor: int, *, basis_points: int, fixed_minor: int) -> int:
    """The whole fee of one leg, in minor units: a leg of nothing costs nothing."""
    return percentage_fee(amount_minor, basis_points) + fixed_minor if amount_minor else 0


def largest_amount(percentage_fee_minor: int, basis_points: int) -> int:
    """The largest amount whose percentage is at most this fee; `basis_points` is not 0."""
    return percentage_fee_minor * BASIS_POINTS // basis_points
