-- Keys begin to expire again, a day from now; what only the newer tables knew is gone.
DROP TABLE public.shop;
DROP TABLE payments.sweeps;
ALTER TABLE payments.ledger DROP CONSTRAINT known_account;
CREATE OR REPLACE FUNCTION payments.guard_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.order_id <> OLD.order_id OR NEW.amount_minor IS DISTINCT FROM OLD.amount_minor
     OR NEW.currency IS DISTINCT FROM OLD.currency THEN
    RAISE EXCEPTION 'what is to be paid never changes (order %)', OLD.order_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT EXISTS (
       SELECT 1 FROM payments.transitions WHERE machine = 'payment' AND src = OLD.state AND dst = NEW.state) THEN
    RAISE EXCEPTION 'payment % may not go from % to %', OLD.order_id, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION inventory.guard_reservation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'reservations are never deleted' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM inventory.transitions WHERE src = OLD.state AND dst = NEW.state) THEN
    RAISE EXCEPTION 'reservation % may not go from % to %', OLD.order_id, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
ALTER TABLE payments.payments DROP made_by, DROP cancelled_by;
ALTER TABLE inventory.reservations DROP made_by;

DROP TRIGGER guard_key ON orders.idempotency;
DROP FUNCTION orders.guard_key();
DROP TRIGGER mark_change ON orders.idempotency;
DROP TRIGGER refuse_truncation ON orders.idempotency;
DROP TRIGGER note_truncation ON orders.idempotency;
CREATE OR REPLACE FUNCTION proof.mark_idempotency() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_in := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER mark_change BEFORE UPDATE ON orders.idempotency
  FOR EACH ROW EXECUTE FUNCTION proof.mark_idempotency();
ALTER TABLE orders.idempotency ENABLE ALWAYS TRIGGER mark_change;
ALTER TABLE orders.idempotency ADD expires_at timestamptz;
UPDATE orders.idempotency SET expires_at = now() + interval '1 day';
ALTER TABLE orders.idempotency ALTER expires_at SET NOT NULL;
CREATE INDEX idempotency_expiry ON orders.idempotency (expires_at);

DROP TRIGGER record_first_price ON orders.products;
DROP TRIGGER record_new_price ON orders.products;
DROP TABLE orders.prices;
DROP FUNCTION orders.record_price();
DROP TRIGGER deliver_first ON inventory.stock;
DROP FUNCTION inventory.deliver_first();
DROP TABLE inventory.stock_moves;
DROP FUNCTION inventory.refuse_change();
DROP FUNCTION proof.mark_prices();
DROP FUNCTION proof.mark_stock_moves();

DROP TABLE proof.chain;
DELETE FROM proof.checkpoint;
ALTER TABLE proof.checkpoint DROP digest, DROP moved, ADD sold jsonb;
DROP TRIGGER removals_are_append_only ON proof.removals;
DROP TRIGGER refuse_truncation ON proof.removals;
DROP FUNCTION proof.refuse_change();
DO $$
DECLARE
  book  text;
  owner text;
  gone  text;
  name  text;
BEGIN
  FOR book, owner, gone IN VALUES
    ('orders.history', 'OLD.order_id::text', 'NEW.order_id <> OLD.order_id'),
    ('inventory.reservations', 'OLD.order_id::text',
     'NEW.order_id <> OLD.order_id OR OLD.state = ''COMMITTED'''),
    ('payments.attempt_history', 'OLD.order_id::text', 'NEW.order_id <> OLD.order_id'),
    ('payments.ledger', 'split_part(OLD.transfer_id, '':'', 1)', 'NEW.transfer_id <> OLD.transfer_id')
  LOOP
    name := split_part(book, '.', 2);
    EXECUTE format($function$
CREATE OR REPLACE FUNCTION proof.mark_%1$s() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  IF TG_OP = 'DELETE' OR %4$s THEN
    INSERT INTO proof.removals (book, order_ref, was) VALUES (%2$L, %3$s, to_jsonb(OLD));
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  NEW.changed_in := pg_current_xact_id();
  RETURN NEW;
END $body$
    $function$, name, book, owner, gone);
  END LOOP;
END $$;

ALTER TABLE orders.history ALTER changed_in DROP NOT NULL;
ALTER TABLE payments.attempt_history ALTER changed_in DROP NOT NULL;
DROP INDEX orders.history_changed, payments.attempt_history_changed;
CREATE INDEX history_changed ON orders.history (changed_in) WHERE changed_in IS NOT NULL;
CREATE INDEX attempt_history_changed ON payments.attempt_history (changed_in) WHERE changed_in IS NOT NULL;
CREATE OR REPLACE FUNCTION orders.record_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders.history (order_id, version, src, dst, reason, outcome, attempts, traceparent, changed_in)
  VALUES (NEW.id, NEW.version, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status,
          NEW.reason, NEW.last_outcome, NEW.attempts, NEW.traceparent,
          CASE WHEN TG_OP = 'INSERT' THEN pg_current_xact_id() END);
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION payments.record_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO payments.attempt_history (order_id, n, src, dst, detail, changed_in)
  VALUES (NEW.order_id, NEW.n, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, NEW.detail, NULL);
  RETURN NULL;
END $$;
ALTER TABLE orders.orders DROP step_traceparent;
