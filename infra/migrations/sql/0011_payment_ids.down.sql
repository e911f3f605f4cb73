-- Back to one payment an order, named by the order. What the older program could not work with is
-- refused; decisions, and the links that seal the newer rows, are gone. The head of the record that is
-- kept outside (proof_head) may name one of those links: take that file away as well.
DO $$
DECLARE
  odd record;
BEGIN
  SELECT payment_id INTO odd FROM payments.payments WHERE order_id IS NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'payment % is no order''s: the older schema has no place for it', odd.payment_id;
  END IF;
  SELECT payment_id INTO odd FROM payments.legs WHERE leg_n > 1 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'payment % has several legs: the older schema has no place for them', odd.payment_id;
  END IF;
  -- One that is over is never asked about again.
  SELECT a.payment_id, a.gw_key INTO odd FROM payments.attempts a JOIN payments.payments p USING (payment_id)
  WHERE a.state NOT IN ('FAILED', 'REFUNDED') AND a.gw_key <> 'ord_' || p.order_id || ':' || a.n LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'payment % is known at its provider as %, and the older program would ask for it by another name',
      odd.payment_id, odd.gw_key;
  END IF;
END $$;

-- ---- the marks of the proof --------------------------------------------------------------------

ALTER TABLE proof.chain DISABLE TRIGGER USER;
DELETE FROM proof.chain WHERE format > 1;
ALTER TABLE proof.chain ENABLE ALWAYS TRIGGER chain_is_append_only, ENABLE ALWAYS TRIGGER refuse_truncation;
ALTER TABLE proof.chain DROP format;

-- ---- payments ----------------------------------------------------------------------------------

CREATE FUNCTION payments.order_of(payment uuid) RETURNS uuid STABLE LANGUAGE sql
  AS 'SELECT order_id FROM payments.payments WHERE payment_id = payment';
CREATE FUNCTION payments.order_of(payment text) RETURNS text STABLE LANGUAGE sql AS $$
  SELECT coalesce((SELECT order_id::text FROM payments.payments
    WHERE payment_id = CASE WHEN payment ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN payment::uuid END), payment)
$$;
ALTER TABLE gateway.charges ALTER payment_ref TYPE text USING payments.order_of(payment_ref);
ALTER TABLE gateway.charges RENAME payment_ref TO order_ref;
ALTER INDEX gateway.charges_by_payment RENAME TO charges_by_order;

ALTER TABLE payments.ledger DROP CONSTRAINT ledger_pkey, DROP CONSTRAINT known_transfer;
ALTER TABLE payments.ledger ALTER payment_id TYPE text
  USING payments.order_of(payment_id) || CASE kind WHEN 'capture' THEN ':cap' ELSE ':ref' END;
ALTER TABLE payments.ledger RENAME payment_id TO transfer_id;
ALTER TABLE payments.ledger DROP leg_n, DROP kind, ADD PRIMARY KEY (transfer_id, line);
CREATE INDEX ledger_strange ON payments.ledger (split_part(transfer_id, ':', 1))
  WHERE transfer_id !~ '^[^:]*:(cap|ref)$';
CREATE OR REPLACE FUNCTION payments.balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM payments.ledger WHERE transfer_id = NEW.transfer_id
             GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
    RAISE EXCEPTION 'transfer % does not sum to zero', NEW.transfer_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

DROP INDEX payments.attempt_history_by_attempt;
ALTER TABLE payments.attempt_history DROP leg_n, ALTER payment_id TYPE uuid USING payments.order_of(payment_id);
ALTER TABLE payments.attempt_history RENAME payment_id TO order_id;
CREATE INDEX attempt_history_by_order ON payments.attempt_history (order_id, n, id);
CREATE OR REPLACE FUNCTION payments.record_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO payments.attempt_history (order_id, n, src, dst, detail)
  VALUES (NEW.order_id, NEW.n, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, NEW.detail);
  RETURN NULL;
END $$;

DROP INDEX payments.one_live_attempt;
ALTER TABLE payments.attempts DROP CONSTRAINT attempts_leg_fkey, DROP CONSTRAINT attempts_pkey;
ALTER TABLE payments.attempts DROP leg_n, DROP sent_at, ALTER payment_id TYPE uuid USING payments.order_of(payment_id);
ALTER TABLE payments.attempts RENAME payment_id TO order_id;
ALTER TABLE payments.attempts ADD PRIMARY KEY (order_id, n);
CREATE UNIQUE INDEX one_live_attempt ON payments.attempts (order_id)
  WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'SUCCEEDED');
CREATE OR REPLACE FUNCTION payments.guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.order_id, NEW.n, NEW.provider, NEW.gw_key, NEW.amount_minor, NEW.currency, NEW.created_at)
     IS DISTINCT FROM
     (OLD.order_id, OLD.n, OLD.provider, OLD.gw_key, OLD.amount_minor, OLD.currency, OLD.created_at) THEN
    RAISE EXCEPTION 'attempts are append-only (order %, attempt %)', OLD.order_id, OLD.n
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT EXISTS (
       SELECT 1 FROM payments.transitions WHERE machine = 'attempt' AND src = OLD.state AND dst = NEW.state) THEN
    RAISE EXCEPTION 'attempt %:% may not go from % to %', OLD.order_id, OLD.n, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

DROP TABLE payments.decisions, payments.legs;
DROP FUNCTION payments.legs_add_up();
DROP FUNCTION proof.mark_decisions();
DROP FUNCTION proof.mark_legs();
DROP FUNCTION payments.order_of(uuid);
DROP FUNCTION payments.order_of(text);
ALTER TABLE payments.payments DROP CONSTRAINT one_payment_an_order;
ALTER TABLE payments.payments ALTER payment_id TYPE uuid USING order_id;
ALTER TABLE payments.payments DROP order_id;
ALTER TABLE payments.payments RENAME payment_id TO order_id;
ALTER TABLE payments.attempts ADD CONSTRAINT attempts_order_id_fkey FOREIGN KEY (order_id) REFERENCES payments.payments;
CREATE OR REPLACE FUNCTION payments.guard_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.order_id <> OLD.order_id OR NEW.amount_minor IS DISTINCT FROM OLD.amount_minor
     OR NEW.currency IS DISTINCT FROM OLD.currency THEN
    RAISE EXCEPTION 'what is to be paid never changes (order %)', OLD.order_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.made_by <> OLD.made_by OR OLD.cancelled_by IS NOT NULL AND NEW.cancelled_by IS DISTINCT FROM OLD.cancelled_by THEN
    RAISE EXCEPTION 'who asked never changes (order %)', OLD.order_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT EXISTS (
       SELECT 1 FROM payments.transitions WHERE machine = 'payment' AND src = OLD.state AND dst = NEW.state) THEN
    RAISE EXCEPTION 'payment % may not go from % to %', OLD.order_id, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

DO $$
DECLARE
  book  text;
  owner text;
  gone  text;
  name  text;
BEGIN
  FOR book, owner, gone IN VALUES
    ('payments.payments', 'OLD.order_id::text', 'NEW.order_id <> OLD.order_id'),
    ('payments.attempts', 'OLD.order_id::text', 'NEW.order_id <> OLD.order_id'),
    ('payments.attempt_history', 'OLD.order_id::text', 'true'),
    ('payments.ledger', 'split_part(OLD.transfer_id, '':'', 1)', 'true'),
    ('gateway.charges', 'OLD.order_ref', 'NEW.order_ref <> OLD.order_ref')
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

-- ---- orders ------------------------------------------------------------------------------------

DROP TRIGGER guard_order ON orders.orders;
ALTER TABLE orders.orders DROP payment_id;
CREATE OR REPLACE FUNCTION orders.guard_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.version <> OLD.version + 1 THEN
    RAISE EXCEPTION 'order % moved from version % to %', OLD.id, OLD.version, NEW.version
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.id, NEW.product_id, NEW.quantity, NEW.unit_price_minor, NEW.amount_minor, NEW.currency)
     IS DISTINCT FROM
     (OLD.id, OLD.product_id, OLD.quantity, OLD.unit_price_minor, OLD.amount_minor, OLD.currency) THEN
    RAISE EXCEPTION 'what was ordered never changes (order %)', OLD.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.status = 'CONFIRMED' THEN
    IF NEW.status <> 'CONFIRMED' OR OLD.stock_committed_at IS NOT NULL THEN
      RAISE EXCEPTION 'order % is CONFIRMED for good', OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  ELSIF NOT EXISTS (SELECT 1 FROM orders.transitions WHERE src = OLD.status AND dst = NEW.status) THEN
    RAISE EXCEPTION 'order % may not go from % to %', OLD.id, OLD.status, NEW.status
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_order BEFORE UPDATE ON orders.orders
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status
                  OR OLD.version IS DISTINCT FROM NEW.version
                  OR OLD.id IS DISTINCT FROM NEW.id
                  OR OLD.product_id IS DISTINCT FROM NEW.product_id
                  OR OLD.quantity IS DISTINCT FROM NEW.quantity
                  OR OLD.amount_minor IS DISTINCT FROM NEW.amount_minor
                  OR OLD.currency IS DISTINCT FROM NEW.currency
                  OR OLD.stock_committed_at IS DISTINCT FROM NEW.stock_committed_at)
  EXECUTE FUNCTION orders.guard_order();
