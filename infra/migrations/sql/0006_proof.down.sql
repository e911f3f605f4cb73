-- The marks' indexes go with their columns, and the triggers with their functions.
DROP SCHEMA proof CASCADE;
CREATE OR REPLACE FUNCTION orders.record_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders.history (order_id, version, src, dst, reason, outcome, attempts, traceparent)
  VALUES (NEW.id, NEW.version, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status,
          NEW.reason, NEW.last_outcome, NEW.attempts, NEW.traceparent);
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION payments.record_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO payments.attempt_history (order_id, n, src, dst, detail)
  VALUES (NEW.order_id, NEW.n, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, NEW.detail);
  RETURN NULL;
END $$;
ALTER TABLE orders.orders DROP changed_in;
ALTER TABLE orders.history DROP changed_in;
ALTER TABLE orders.idempotency DROP changed_in;
ALTER TABLE inventory.reservations DROP changed_in;
ALTER TABLE payments.payments DROP changed_in;
ALTER TABLE payments.attempts DROP changed_in;
ALTER TABLE payments.attempt_history DROP changed_in;
ALTER TABLE payments.ledger DROP changed_in;
ALTER TABLE gateway.charges DROP changed_in;
DROP INDEX orders.idempotency_by_order, payments.ledger_strange, inventory.reservations_held, payments.attempts_in_doubt;
CREATE INDEX reservations_by_product ON inventory.reservations (product_id, state) INCLUDE (quantity);
