-- Every row leads back to an order, and every figure can be derived: a ledger of stock, the price
-- list with its past, who made a row, keys that live as long as their orders.

-- ---- inventory ---------------------------------------------------------------------------------

-- The stock ledger. `cause` is the order, or for a delivery the delivery itself. What is in
-- inventory.stock is the sum of these lines.
CREATE TABLE inventory.stock_moves (
  cause      uuid NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('delivered', 'reserved', 'released', 'sold')),
  product_id text NOT NULL,
  quantity   int NOT NULL CHECK (quantity > 0),
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (cause, kind)
);
CREATE INDEX stock_moves_changed ON inventory.stock_moves (changed_in);

-- A product comes with its first delivery.
CREATE FUNCTION inventory.deliver_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.total > 0 THEN
    INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)
    VALUES (gen_random_uuid(), 'delivered', NEW.product_id, NEW.total);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER deliver_first AFTER INSERT ON inventory.stock
  FOR EACH ROW EXECUTE FUNCTION inventory.deliver_first();

-- What there was before this ledger.
INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)
  SELECT gen_random_uuid(), 'delivered', product_id, total FROM inventory.stock WHERE total > 0;
INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity, at)
  SELECT order_id, 'reserved', product_id, quantity, created_at FROM inventory.reservations
  WHERE state IN ('HELD', 'COMMITTED', 'RELEASED') AND product_id IS NOT NULL
  UNION ALL
  SELECT order_id, CASE state WHEN 'COMMITTED' THEN 'sold' ELSE 'released' END, product_id, quantity, updated_at
  FROM inventory.reservations WHERE state IN ('COMMITTED', 'RELEASED') AND product_id IS NOT NULL;

CREATE FUNCTION inventory.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER stock_moves_are_append_only BEFORE UPDATE OR DELETE ON inventory.stock_moves
  FOR EACH ROW EXECUTE FUNCTION inventory.refuse_change();

-- ---- orders ------------------------------------------------------------------------------------

-- Every price there was, and since when.
CREATE TABLE orders.prices (
  product_id  text NOT NULL,
  since       timestamptz NOT NULL DEFAULT clock_timestamp(),
  price_minor bigint NOT NULL,
  currency    char(3) NOT NULL,
  changed_in  xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (product_id, since)
);
CREATE INDEX prices_changed ON orders.prices (changed_in);
INSERT INTO orders.prices (product_id, since, price_minor, currency)
  SELECT product_id, '-infinity', price_minor, currency FROM orders.products;
CREATE FUNCTION orders.record_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders.prices (product_id, price_minor, currency)
  VALUES (NEW.product_id, NEW.price_minor, NEW.currency);
  RETURN NULL;
END $$;
CREATE TRIGGER record_first_price AFTER INSERT ON orders.products
  FOR EACH ROW EXECUTE FUNCTION orders.record_price();
CREATE TRIGGER record_new_price AFTER UPDATE ON orders.products
  FOR EACH ROW WHEN ((OLD.price_minor, OLD.currency) IS DISTINCT FROM (NEW.price_minor, NEW.currency))
  EXECUTE FUNCTION orders.record_price();
CREATE TRIGGER prices_are_append_only BEFORE UPDATE OR DELETE ON orders.prices
  FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

-- A key lives as long as its order, and its first answer is its answer.
ALTER TABLE orders.idempotency DROP expires_at;
CREATE FUNCTION orders.guard_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a key is never forgotten' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.response IS NOT NULL
     AND (NEW.scope, NEW.key, NEW.request_hash, NEW.order_id, NEW.status_code, NEW.response)
         IS DISTINCT FROM
         (OLD.scope, OLD.key, OLD.request_hash, OLD.order_id, OLD.status_code, OLD.response) THEN
    RAISE EXCEPTION 'the answer under a key never changes' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_key BEFORE UPDATE OR DELETE ON orders.idempotency
  FOR EACH ROW EXECUTE FUNCTION orders.guard_key();

-- ---- who made a row ----------------------------------------------------------------------------

-- The order service, a request by hand, or the search for captures that nobody asked for.
ALTER TABLE inventory.reservations ADD made_by text NOT NULL DEFAULT 'order-service'
  CHECK (made_by IN ('order-service', 'hand'));
ALTER TABLE payments.payments ADD made_by text NOT NULL DEFAULT 'order-service'
  CHECK (made_by IN ('order-service', 'hand', 'capture'));
-- Who asked for the money back, where somebody did.
ALTER TABLE payments.payments ADD cancelled_by text CHECK (cancelled_by IN ('order-service', 'hand'));

ALTER TABLE inventory.reservations DISABLE TRIGGER guard_reservation;
UPDATE inventory.reservations r SET made_by = 'hand'
  WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = r.order_id);
ALTER TABLE inventory.reservations ENABLE TRIGGER guard_reservation;
UPDATE payments.payments p SET made_by = CASE cancel_reason WHEN 'NEVER_ASKED_FOR' THEN 'capture' ELSE 'hand' END
  WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = p.order_id);
UPDATE payments.payments
  SET cancelled_by = CASE cancel_reason WHEN 'REFUND' THEN 'hand' ELSE 'order-service' END
  WHERE cancel_reason IS NOT NULL AND cancel_reason <> 'NEVER_ASKED_FOR';

CREATE OR REPLACE FUNCTION inventory.guard_reservation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'reservations are never deleted' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.order_id, NEW.product_id, NEW.quantity, NEW.made_by)
     IS DISTINCT FROM (OLD.order_id, OLD.product_id, OLD.quantity, OLD.made_by) THEN
    RAISE EXCEPTION 'what was reserved never changes (order %)', OLD.order_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM inventory.transitions WHERE src = OLD.state AND dst = NEW.state) THEN
    RAISE EXCEPTION 'reservation % may not go from % to %', OLD.order_id, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
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

-- ---- payments ----------------------------------------------------------------------------------

-- The accounts are a closed list.
ALTER TABLE payments.ledger ADD CONSTRAINT known_account CHECK (account IN ('gateway_clearing', 'merchant'));

-- How far a provider's captures were read: the newest ones, and all of them, turn by turn.
CREATE TABLE payments.sweeps (
  provider    text NOT NULL,
  pass        text NOT NULL CHECK (pass IN ('newest', 'all')),
  captured_at timestamptz NOT NULL,
  gw_key      text NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, pass)
);

-- ---- the shop ----------------------------------------------------------------------------------

-- One shop is one database. Its id goes with every call between its services.
CREATE TABLE public.shop (id uuid NOT NULL DEFAULT gen_random_uuid(), one boolean PRIMARY KEY DEFAULT true CHECK (one));
INSERT INTO public.shop DEFAULT VALUES;

-- ---- the marks of the proof --------------------------------------------------------------------

-- Every line of the append-only tables carries the transaction that wrote it.
ALTER TABLE orders.history DISABLE TRIGGER history_is_append_only;
ALTER TABLE payments.attempt_history DISABLE TRIGGER attempt_history_is_append_only;
UPDATE orders.history SET changed_in = pg_current_xact_id() WHERE changed_in IS NULL;
UPDATE payments.attempt_history SET changed_in = pg_current_xact_id() WHERE changed_in IS NULL;
ALTER TABLE orders.history ENABLE TRIGGER history_is_append_only;
ALTER TABLE payments.attempt_history ENABLE TRIGGER attempt_history_is_append_only;
ALTER TABLE orders.history ALTER changed_in SET NOT NULL;
ALTER TABLE payments.attempt_history ALTER changed_in SET NOT NULL;
DROP INDEX orders.history_changed, payments.attempt_history_changed;
CREATE INDEX history_changed ON orders.history (changed_in);
CREATE INDEX attempt_history_changed ON payments.attempt_history (changed_in);
-- `traceparent` is the order's own, that of its first step; a later step may be another trace's.
ALTER TABLE orders.orders ADD step_traceparent text;
CREATE OR REPLACE FUNCTION orders.record_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders.history (order_id, version, src, dst, reason, outcome, attempts, traceparent)
  VALUES (NEW.id, NEW.version, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status,
          NEW.reason, NEW.last_outcome, NEW.attempts, coalesce(NEW.step_traceparent, NEW.traceparent));
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION payments.record_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO payments.attempt_history (order_id, n, src, dst, detail)
  VALUES (NEW.order_id, NEW.n, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, NEW.detail);
  RETURN NULL;
END $$;

-- Units that had moved by then, [product, kind, units] each; the next proof begins anew.
DELETE FROM proof.checkpoint;
ALTER TABLE proof.checkpoint DROP sold, ADD moved jsonb;

-- What left a table, or was altered where nothing is ever altered. These notes are kept, whatever
-- else is switched off.
CREATE FUNCTION proof.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER removals_are_append_only BEFORE UPDATE OR DELETE ON proof.removals
  FOR EACH ROW EXECUTE FUNCTION proof.refuse_change();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON proof.removals EXECUTE FUNCTION proof.refuse_truncation();
ALTER TABLE proof.removals ENABLE ALWAYS TRIGGER removals_are_append_only, ENABLE ALWAYS TRIGGER refuse_truncation;

DO $$
DECLARE
  book  text;
  owner text;
  gone  text;
  name  text;
BEGIN
  FOR book, owner, gone IN VALUES
    ('orders.history', 'OLD.order_id::text', 'true'),
    ('orders.idempotency', 'coalesce(OLD.order_id::text, OLD.key)', 'OLD.response IS NOT NULL'),
    ('orders.prices', 'OLD.product_id', 'true'),
    ('inventory.reservations', 'OLD.order_id::text', 'NEW.order_id <> OLD.order_id'),
    ('inventory.stock_moves', 'OLD.cause::text', 'true'),
    ('payments.attempt_history', 'OLD.order_id::text', 'true'),
    ('payments.ledger', 'split_part(OLD.transfer_id, '':'', 1)', 'true')
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
  FOR book IN VALUES ('orders.idempotency'), ('orders.prices'), ('inventory.stock_moves') LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS mark_change ON %s', book);
    EXECUTE format('CREATE TRIGGER mark_change BEFORE UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION proof.mark_%s()', book, split_part(book, '.', 2));
    EXECUTE format('CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON %s'
                   ' EXECUTE FUNCTION proof.refuse_truncation()', book);
    EXECUTE format('CREATE TRIGGER note_truncation AFTER TRUNCATE ON %s'
                   ' EXECUTE FUNCTION proof.note_truncation()', book);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER mark_change,'
                   ' ENABLE ALWAYS TRIGGER note_truncation', book);
  END LOOP;
END $$;

-- The record of what was written: each link seals what the transactions from `since` up to `before`
-- wrote to the append-only tables ({table: [lines, digest]}) and the link before it.
CREATE TABLE proof.chain (
  n        bigint PRIMARY KEY,
  server   text NOT NULL,
  since    xid8 NOT NULL,
  before   xid8 NOT NULL,
  at       timestamptz NOT NULL,
  tables   jsonb NOT NULL,
  previous bytea NOT NULL,
  digest   bytea NOT NULL
);
CREATE TRIGGER chain_is_append_only BEFORE UPDATE OR DELETE ON proof.chain
  FOR EACH ROW EXECUTE FUNCTION proof.refuse_change();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON proof.chain EXECUTE FUNCTION proof.refuse_truncation();
ALTER TABLE proof.chain ENABLE ALWAYS TRIGGER chain_is_append_only, ENABLE ALWAYS TRIGGER refuse_truncation;
-- What a checkpoint says, as a digest: a copy of it is kept outside the database.
ALTER TABLE proof.checkpoint ADD digest text NOT NULL;
