"""Promises about goods: units are conserved, and every unit that moved has a line that says why."""

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

STOCK_IS_ITS_MOVES = Invariant(
    id="I21",
    kind="A",
    title="Stock is the sum of its moves",
    promise="What was delivered, is reserved and was sold is what the stock ledger adds up to.",
    sql="""\
WITH moved AS (
  SELECT product_id,
         coalesce(sum(quantity) FILTER (WHERE kind = 'delivered'), 0)::bigint AS delivered,
         coalesce(sum(quantity) FILTER (WHERE kind = 'reserved'), 0)::bigint AS reserved,
         coalesce(sum(quantity) FILTER (WHERE kind = 'released'), 0)::bigint AS released,
         coalesce(sum(quantity) FILTER (WHERE kind = 'sold'), 0)::bigint AS sold
  FROM inventory.stock_moves GROUP BY product_id
)
SELECT product_id, s.total, m.delivered, s.reserved, m.reserved - m.released - m.sold AS held,
       s.sold, m.sold AS sold_moves
FROM inventory.stock s FULL JOIN moved m USING (product_id)
WHERE s.total IS DISTINCT FROM coalesce(m.delivered, 0)
   OR s.reserved IS DISTINCT FROM coalesce(m.reserved - m.released - m.sold, 0)
   OR s.sold IS DISTINCT FROM coalesce(m.sold, 0)
ORDER BY product_id""",
    enforced_by="a unit moves and its line is written in one statement",
    reads="sums",
)

ACCOUNTED_FOR = Invariant(
    id="I2",
    kind="A",
    title="Every unit has an owner",
    promise="The units that moved for an order are the units of its reservation, and the reverse.",
    sql="""\
WITH moved AS (
  SELECT cause AS order_id, min(product_id) AS product_id, max(product_id) AS other_product,
         sum(quantity) FILTER (WHERE kind = 'reserved') AS reserved,
         sum(quantity) FILTER (WHERE kind = 'released') AS released,
         sum(quantity) FILTER (WHERE kind = 'sold') AS sold
  FROM inventory.stock_moves WHERE kind <> 'delivered' GROUP BY cause
)
SELECT order_id, r.state AS reservation, r.product_id, r.quantity,
       coalesce(m.reserved, 0) AS reserved, coalesce(m.released, 0) AS released,
       coalesce(m.sold, 0) AS sold
FROM inventory.reservations r FULL JOIN moved m USING (order_id)
WHERE coalesce(m.reserved, 0) <>
        CASE WHEN r.state IN ('HELD', 'COMMITTED', 'RELEASED') THEN r.quantity ELSE 0 END
   OR coalesce(m.released, 0) <> CASE r.state WHEN 'RELEASED' THEN r.quantity ELSE 0 END
   OR coalesce(m.sold, 0) <> CASE r.state WHEN 'COMMITTED' THEN r.quantity ELSE 0 END
   OR m.order_id IS NOT NULL
      AND (m.product_id, m.other_product) IS DISTINCT FROM (r.product_id, r.product_id)
ORDER BY order_id""",
    enforced_by="stock, its ledger and the reservation move in one transaction",
)

INVARIANTS = (CONSERVED, STOCK_IS_ITS_MOVES, ACCOUNTED_FOR)
