"""Promises about goods: units are conserved, and every reserved or sold unit has an owner."""

from proof.invariant import Invariant

CONSERVED = Invariant(
    id="I1",
    kind="A",
    title="Stock is conserved",
    promise="Every unit is on the shelf, reserved or sold, and no count is negative.",
    sql="""\
SELECT product_id, stock, reserved, sold, total
FROM inventory.stock
WHERE stock + reserved + sold <> total OR least(stock, reserved, sold) < 0
ORDER BY product_id""",
    enforced_by="CHECK constraints on inventory.stock",
    reads="everything",
)

ACCOUNTED_FOR = Invariant(
    id="I2",
    kind="A",
    title="Every unit has an owner",
    promise="The units counted as reserved or sold are exactly those that reservations hold.",
    sql="""\
SELECT s.product_id, s.reserved, coalesce(r.held, 0) AS held,
       s.sold, coalesce(r.committed, 0) AS committed
FROM inventory.stock s
LEFT JOIN (SELECT product_id,
                  sum(quantity) FILTER (WHERE state = 'HELD') AS held,
                  sum(quantity) FILTER (WHERE state = 'COMMITTED') AS committed
           FROM inventory.reservations WHERE state IN ('HELD', 'COMMITTED')
           GROUP BY product_id) r USING (product_id)
WHERE s.reserved <> coalesce(r.held, 0) OR s.sold <> coalesce(r.committed, 0)
ORDER BY s.product_id""",
    enforced_by="stock and reservation move in one transaction",
    reads="sums",
)

INVARIANTS = (CONSERVED, ACCOUNTED_FOR)
