-- What lets a proof build on the last one: every row in an order's books carries the transaction
-- that wrote it last, what leaves the books leaves a note, and one row says how far was proven.
CREATE SCHEMA proof;

-- All that was written by transactions before `before` keeps the promises whose text has this
-- fingerprint, but for the orders in `unsettled`, which are looked at again.
CREATE TABLE proof.checkpoint (
  promises  text PRIMARY KEY,
  before    xid8 NOT NULL,
  at        timestamptz NOT NULL,
  orders    bigint NOT NULL,
  -- Units sold by then, by product; NULL where they must be counted from the first order.
  sold      jsonb,
  unsettled text[] NOT NULL
);

-- What a book said and no longer says: rows deleted, rows given to another order, and reservations
-- altered after the sale. The shop does none of it, so this stays empty.
CREATE TABLE proof.removals (
  book       text NOT NULL,
  -- NULL: the whole book was emptied.
  order_ref  text,
  was        jsonb,
  changed_in xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE FUNCTION proof.note_truncation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO proof.removals (book) VALUES (TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME);
  RETURN NULL;
END $$;

-- The triggers are ALWAYS ones: they fire as well for a session that has switched triggers off by
-- session_replication_role. What is done behind the guards' backs is what must not be missed.
-- A function for each book, and no WHEN: a condition is parsed anew for every statement, which
-- costs more than calling a function does.
DO $$
DECLARE
  book  text;
  owner text;
  gone  text;
  name  text;
BEGIN
  FOR book, owner, gone IN VALUES
    ('orders.orders', 'OLD.id::text', 'NEW.id <> OLD.id'),
    ('orders.history', 'OLD.order_id::text', 'NEW.order_id <> OLD.order_id'),
    -- What was sold is summed up, so what it was before must not be lost.
    ('inventory.reservations', 'OLD.order_id::text',
     'NEW.order_id <> OLD.order_id OR OLD.state = ''COMMITTED'''),
    ('payments.payments', 'OLD.order_id::text', 'NEW.order_id <> OLD.order_id'),
    ('payments.attempts', 'OLD.order_id::text', 'NEW.order_id <> OLD.order_id'),
    ('payments.attempt_history', 'OLD.order_id::text', 'NEW.order_id <> OLD.order_id'),
    ('payments.ledger', 'split_part(OLD.transfer_id, '':'', 1)', 'NEW.transfer_id <> OLD.transfer_id'),
    ('gateway.charges', 'OLD.order_ref', 'NEW.order_ref <> OLD.order_ref')
  LOOP
    name := split_part(book, '.', 2);
    EXECUTE format($function$
CREATE FUNCTION proof.mark_%1$s() RETURNS trigger LANGUAGE plpgsql AS $body$
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
    EXECUTE format('CREATE TRIGGER mark_change BEFORE UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION proof.mark_%s()', book, name);
    EXECUTE format('CREATE TRIGGER note_truncation AFTER TRUNCATE ON %s'
                   ' EXECUTE FUNCTION proof.note_truncation()', book);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER mark_change,'
                   ' ENABLE ALWAYS TRIGGER note_truncation', book);
  END LOOP;
END $$;

-- No promise asks for a key to be there: those that expired are deleted, and need no note.
CREATE FUNCTION proof.mark_idempotency() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_in := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER mark_change BEFORE UPDATE ON orders.idempotency
  FOR EACH ROW EXECUTE FUNCTION proof.mark_idempotency();
ALTER TABLE orders.idempotency ENABLE ALWAYS TRIGGER mark_change;

ALTER TABLE orders.orders ADD changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE orders.idempotency ADD changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE inventory.reservations ADD changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE payments.payments ADD changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE payments.attempts ADD changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE payments.ledger ADD changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE gateway.charges ADD changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX orders_changed ON orders.orders (changed_in);
CREATE INDEX idempotency_changed ON orders.idempotency (changed_in);
CREATE INDEX reservations_changed ON inventory.reservations (changed_in);
CREATE INDEX payments_changed ON payments.payments (changed_in);
CREATE INDEX attempts_changed ON payments.attempts (changed_in);
CREATE INDEX ledger_changed ON payments.ledger (changed_in);
CREATE INDEX charges_changed ON gateway.charges (changed_in);

-- A line of history that the trigger wrote says nothing its order's own mark does not say, so it
-- carries none and costs no index entry; one that anybody else inserts is marked by the default.
-- The first line of an order is marked all the same: it is what new orders are counted by.
ALTER TABLE orders.history ADD changed_in xid8;
ALTER TABLE orders.history ALTER changed_in SET DEFAULT pg_current_xact_id();
ALTER TABLE payments.attempt_history ADD changed_in xid8;
ALTER TABLE payments.attempt_history ALTER changed_in SET DEFAULT pg_current_xact_id();
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

-- The ways from an order to its rows that were missing. A transfer is found by its key, made of
-- the order and what it is; one that is called otherwise is nobody's doing here, and indexed.
CREATE INDEX idempotency_by_order ON orders.idempotency (order_id);
CREATE INDEX ledger_strange ON payments.ledger (split_part(transfer_id, ':', 1))
  WHERE transfer_id !~ '^[^:]*:(cap|ref)$';

-- What is unfinished is asked for as a whole each time; and only what is held needs its sums.
CREATE INDEX reservations_held ON inventory.reservations (product_id) INCLUDE (quantity) WHERE state = 'HELD';
CREATE INDEX attempts_in_doubt ON payments.attempts (order_id) WHERE state IN ('IN_FLIGHT', 'UNKNOWN');
DROP INDEX inventory.reservations_by_product;
