"""Many confirmed orders at once, with every row that such orders leave."""

import asyncpg

# Triggers are off: what they would write is written here.
_MANY = """
SET session_replication_role = replica;
CREATE TEMP TABLE new_orders AS SELECT gen_random_uuid() AS id, gen_random_uuid() AS payment_id
  FROM generate_series(1, {number});
INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor, amount_minor,
    currency, status, version, next_attempt_at, deadline_at, settled_at, stock_committed_at)
  SELECT id, payment_id, 'PROD-003', 1, 9999, 9999, 'EUR', 'CONFIRMED', 2, now(), now(),
    now(), now() FROM new_orders;
INSERT INTO orders.history (order_id, version, src, dst, attempts)
  SELECT id, version, src, dst, 0
  FROM new_orders, (VALUES (0, NULL, 'PENDING'), (1, 'PENDING', 'PENDING_PAYMENT'),
                      (2, 'PENDING_PAYMENT', 'CONFIRMED')) AS step (version, src, dst);
INSERT INTO orders.idempotency (scope, key, request_hash, order_id, status_code, response,
    locked_until)
  SELECT 'POST /orders', 'key-of-' || id, '', id, 201, convert_to(concat('{{"order_id":"', id,
    '","status":"CONFIRMED","product_id":"PROD-003","quantity":1,"amount_minor":9999,'), 'UTF8'),
    now() FROM new_orders;
INSERT INTO inventory.reservations (order_id, product_id, quantity, state)
  SELECT id, 'PROD-003', 1, 'COMMITTED' FROM new_orders;
INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)
  SELECT id, kind, 'PROD-003', 1 FROM new_orders, (VALUES ('reserved'), ('sold')) AS move (kind)
  UNION ALL SELECT gen_random_uuid(), 'delivered', 'PROD-003', {number} WHERE {number} > 0;
INSERT INTO payments.payments (payment_id, order_id, amount_minor, currency, state)
  SELECT payment_id, id, 9999, 'EUR', 'SUCCEEDED' FROM new_orders;
INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)
  SELECT payment_id, 1, 9999, 'EUR', 'mock' FROM new_orders;
INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)
  SELECT payment_id, 1, 'route', 1, 'mock', 'the one there is', '{{}}' FROM new_orders;
INSERT INTO payments.attempts
    (payment_id, leg_n, n, provider, gw_key, amount_minor, currency, state)
  SELECT payment_id, 1, 1, 'mock', 'pay_' || payment_id || ':1:1', 9999, 'EUR', 'SUCCEEDED'
  FROM new_orders;
INSERT INTO payments.attempt_history (payment_id, leg_n, n, src, dst)
  SELECT payment_id, 1, 1, src, dst
  FROM new_orders, (VALUES (NULL, 'IN_FLIGHT'), ('IN_FLIGHT', 'SUCCEEDED')) AS step (src, dst);
INSERT INTO payments.ledger (payment_id, leg_n, kind, line, account, amount_minor, currency)
  SELECT payment_id, 1, 'capture', line, account, minor, 'EUR'
  FROM new_orders, (VALUES (1, 'gateway_clearing', 9999), (2, 'merchant', -9999))
    AS leg (line, account, minor);
INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor, currency, state,
    captured_at)
  SELECT 'pay_' || payment_id || ':1:1', 'mock', payment_id, 9999, 'EUR', 'CAPTURED', now()
  FROM new_orders;
INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, payload)
  SELECT 'order', id, n, type, '{{}}'
  FROM new_orders, (VALUES (1, 'order.created'), (2, 'order.confirmed')) AS event (n, type);
INSERT INTO inventory.outbox (aggregate, aggregate_id, aggregate_seq, type, payload)
  SELECT 'stock', id, n, type, '{{}}'
  FROM new_orders, (VALUES (1, 'stock.reserved'), (2, 'stock.committed')) AS event (n, type);
INSERT INTO payments.outbox (aggregate, aggregate_id, aggregate_seq, type, payload)
  SELECT 'payment', payment_id, n, type, '{{}}'
  FROM new_orders, (VALUES (1, 'payment.created'), (2, 'payment.completed')) AS event (n, type);
UPDATE inventory.stock SET total = total + {number}, sold = sold + {number}
  WHERE product_id = 'PROD-003';
DROP TABLE new_orders;
SET session_replication_role = origin"""


async def insert_confirmed_orders(connection: asyncpg.Connection, number: int) -> None:
    """So many valid orders, in one transaction."""
    await connection.execute(_MANY.format(number=number))
