"""Goods for a test, delivered as the inventory service delivers them."""


def delivery(units: int, *, where: str = "true") -> str:
    """SQL: so many more of every product that is meant, on the shelf and in the stock ledger."""
    return (
        f"WITH moved AS (UPDATE inventory.stock SET total = total + {units},"
        f" stock = stock + {units} WHERE {where} RETURNING product_id)"
        " INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)"
        f" SELECT gen_random_uuid(), 'delivered', product_id, {units} FROM moved"
    )
