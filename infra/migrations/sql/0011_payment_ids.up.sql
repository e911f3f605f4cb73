-- A payment has an id of its own, and legs: today one order has one payment of one leg. What there
-- is keeps its ids: the payment of an order that exists is called as the order is.
--
-- Columns are renamed, or rewritten by ALTER ... TYPE ... USING, and not updated: that keeps the
-- marks of the proof, so that history stays in slices as small as they were.

-- ---- orders ------------------------------------------------------------------------------------

-- Chosen with the order, before anybody is asked for money.
ALTER TABLE orders.orders ADD payment_id uuid;
ALTER TABLE orders.orders ALTER payment_id TYPE uuid USING id, ALTER payment_id SET NOT NULL,
  ADD CONSTRAINT one_order_a_payment UNIQUE (payment_id);

CREATE OR REPLACE FUNCTION orders.guard_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.version <> OLD.version + 1 THEN
    RAISE EXCEPTION 'order % moved from version % to %', OLD.id, OLD.version, NEW.version
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.id, NEW.product_id, NEW.quantity, NEW.unit_price_minor, NEW.amount_minor, NEW.currency, NEW.payment_id)
     IS DISTINCT FROM
     (OLD.id, OLD.product_id, OLD.quantity, OLD.unit_price_minor, OLD.amount_minor, OLD.currency, OLD.payment_id) THEN
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
DROP TRIGGER guard_order ON orders.orders;
CREATE TRIGGER guard_order BEFORE UPDATE ON orders.orders
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status
                  OR OLD.version IS DISTINCT FROM NEW.version
                  OR OLD.id IS DISTINCT FROM NEW.id
                  OR OLD.product_id IS DISTINCT FROM NEW.product_id
                  OR OLD.quantity IS DISTINCT FROM NEW.quantity
                  OR OLD.amount_minor IS DISTINCT FROM NEW.amount_minor
                  OR OLD.currency IS DISTINCT FROM NEW.currency
                  OR OLD.payment_id IS DISTINCT FROM NEW.payment_id
                  OR OLD.stock_committed_at IS DISTINCT FROM NEW.stock_committed_at)
  EXECUTE FUNCTION orders.guard_order();

-- ---- payments ----------------------------------------------------------------------------------

ALTER TABLE payments.attempts DROP CONSTRAINT attempts_order_id_fkey;
ALTER TABLE payments.payments RENAME order_id TO payment_id;
-- NULL where the payment is no order's.
ALTER TABLE payments.payments ADD order_id uuid;
ALTER TABLE payments.payments ALTER order_id TYPE uuid USING payment_id,
  ADD CONSTRAINT one_payment_an_order UNIQUE (order_id);

CREATE OR REPLACE FUNCTION payments.guard_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.payment_id <> OLD.payment_id OR NEW.order_id IS DISTINCT FROM OLD.order_id
     OR NEW.amount_minor IS DISTINCT FROM OLD.amount_minor OR NEW.currency IS DISTINCT FROM OLD.currency THEN
    RAISE EXCEPTION 'what is to be paid never changes (payment %)', OLD.payment_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.made_by <> OLD.made_by OR OLD.cancelled_by IS NOT NULL AND NEW.cancelled_by IS DISTINCT FROM OLD.cancelled_by THEN
    RAISE EXCEPTION 'who asked never changes (payment %)', OLD.payment_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT EXISTS (
       SELECT 1 FROM payments.transitions WHERE machine = 'payment' AND src = OLD.state AND dst = NEW.state) THEN
    RAISE EXCEPTION 'payment % may not go from % to %', OLD.payment_id, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

-- What a payment is made of: each leg is one amount at one provider. A tombstone has none.
CREATE TABLE payments.legs (
  payment_id   uuid NOT NULL REFERENCES payments.payments,
  leg_n        int NOT NULL CHECK (leg_n > 0),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  currency     char(3) NOT NULL,
  provider     text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  changed_in   xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (payment_id, leg_n)
);
-- As if it had been written with the first line about its attempt.
INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider, created_at, changed_in)
  SELECT a.order_id, 1, a.amount_minor, a.currency, a.provider, a.created_at,
         coalesce((SELECT h.changed_in FROM payments.attempt_history h
                   WHERE h.order_id = a.order_id AND h.n = a.n ORDER BY h.id LIMIT 1), a.changed_in)
  FROM payments.attempts a WHERE a.n = 1;
CREATE INDEX legs_changed ON payments.legs (changed_in);
CREATE TRIGGER legs_are_append_only BEFORE UPDATE OR DELETE ON payments.legs
  FOR EACH ROW EXECUTE FUNCTION payments.refuse_change();
CREATE FUNCTION payments.legs_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  fits boolean;
BEGIN
  SELECT sum(l.amount_minor) = p.amount_minor AND bool_and(l.currency = p.currency) INTO fits
  FROM payments.payments p JOIN payments.legs l USING (payment_id)
  WHERE p.payment_id = NEW.payment_id GROUP BY p.payment_id;
  IF fits IS NOT true THEN
    RAISE EXCEPTION 'the legs of payment % do not add up to its amount', NEW.payment_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER legs_add_up AFTER INSERT ON payments.legs
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments.legs_add_up();

-- Why a provider was chosen: one row for each choice, with what it was made from. Payments whose
-- first attempt has a key of the form 'ord_<order>:1' were made before choices were written down.
CREATE TABLE payments.decisions (
  payment_id uuid NOT NULL REFERENCES payments.payments,
  n          int NOT NULL CHECK (n > 0),
  kind       text NOT NULL CONSTRAINT known_kind CHECK (kind IN ('route', 'adopt')),
  leg_n      int,
  provider   text,
  reason     text NOT NULL,
  inputs     jsonb NOT NULL,
  at         timestamptz NOT NULL DEFAULT now(),
  changed_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (payment_id, n)
);
CREATE INDEX decisions_changed ON payments.decisions (changed_in);
CREATE TRIGGER decisions_are_append_only BEFORE UPDATE OR DELETE ON payments.decisions
  FOR EACH ROW EXECUTE FUNCTION payments.refuse_change();

ALTER TABLE payments.attempts RENAME order_id TO payment_id;
ALTER TABLE payments.attempts DROP CONSTRAINT attempts_pkey;
-- From when on the provider may have been asked; NULL where that is not known.
ALTER TABLE payments.attempts ADD leg_n int NOT NULL DEFAULT 1, ADD sent_at timestamptz;
ALTER TABLE payments.attempts ALTER leg_n DROP DEFAULT, ALTER sent_at TYPE timestamptz USING created_at,
  ADD PRIMARY KEY (payment_id, leg_n, n),
  ADD CONSTRAINT attempts_leg_fkey FOREIGN KEY (payment_id, leg_n) REFERENCES payments.legs;
DROP INDEX payments.one_live_attempt;
CREATE UNIQUE INDEX one_live_attempt ON payments.attempts (payment_id, leg_n)
  WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'SUCCEEDED');

CREATE OR REPLACE FUNCTION payments.guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.payment_id, NEW.leg_n, NEW.n, NEW.provider, NEW.gw_key, NEW.amount_minor, NEW.currency, NEW.created_at)
     IS DISTINCT FROM
     (OLD.payment_id, OLD.leg_n, OLD.n, OLD.provider, OLD.gw_key, OLD.amount_minor, OLD.currency, OLD.created_at)
     OR OLD.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at THEN
    RAISE EXCEPTION 'attempts are append-only (payment %, leg %, attempt %)', OLD.payment_id, OLD.leg_n, OLD.n
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT EXISTS (
       SELECT 1 FROM payments.transitions WHERE machine = 'attempt' AND src = OLD.state AND dst = NEW.state) THEN
    RAISE EXCEPTION 'attempt %:%:% may not go from % to %', OLD.payment_id, OLD.leg_n, OLD.n, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

ALTER TABLE payments.attempt_history RENAME order_id TO payment_id;
ALTER TABLE payments.attempt_history ADD leg_n int NOT NULL DEFAULT 1;
ALTER TABLE payments.attempt_history ALTER leg_n DROP DEFAULT;
DROP INDEX payments.attempt_history_by_order;
CREATE INDEX attempt_history_by_attempt ON payments.attempt_history (payment_id, leg_n, n, id);
CREATE OR REPLACE FUNCTION payments.record_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO payments.attempt_history (payment_id, leg_n, n, src, dst, detail)
  VALUES (NEW.payment_id, NEW.leg_n, NEW.n, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, NEW.detail);
  RETURN NULL;
END $$;

-- A transfer is a capture or a refund of one leg, and is posted at most once by its key.
ALTER TABLE payments.ledger DROP CONSTRAINT ledger_pkey;
DROP INDEX payments.ledger_strange;
ALTER TABLE payments.ledger ADD leg_n int NOT NULL DEFAULT 1, ADD kind text;
ALTER TABLE payments.ledger ALTER leg_n DROP DEFAULT,
  ALTER kind TYPE text USING CASE split_part(transfer_id, ':', 2) WHEN 'cap' THEN 'capture' WHEN 'ref' THEN 'refund' END,
  ALTER kind SET NOT NULL,
  ALTER transfer_id TYPE uuid USING split_part(transfer_id, ':', 1)::uuid;
ALTER TABLE payments.ledger RENAME transfer_id TO payment_id;
ALTER TABLE payments.ledger ADD PRIMARY KEY (payment_id, leg_n, kind, line),
  ADD CONSTRAINT known_transfer CHECK (kind IN ('capture', 'refund'));
CREATE OR REPLACE FUNCTION payments.balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM payments.ledger
             WHERE payment_id = NEW.payment_id AND leg_n = NEW.leg_n AND kind = NEW.kind
             GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
    RAISE EXCEPTION 'the % of leg % of payment % does not sum to zero', NEW.kind, NEW.leg_n, NEW.payment_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

-- ---- the mock providers' own book --------------------------------------------------------------

-- What a provider is told of us: the payment.
ALTER TABLE gateway.charges RENAME order_ref TO payment_ref;
ALTER INDEX gateway.charges_by_order RENAME TO charges_by_payment;

-- ---- the marks of the proof --------------------------------------------------------------------

-- `order_ref` of a note is the order or the payment that the row belonged to.
DO $$
DECLARE
  book  text;
  owner text;
  gone  text;
  name  text;
BEGIN
  FOR book, owner, gone IN VALUES
    ('payments.payments', 'OLD.payment_id::text',
     'NEW.payment_id <> OLD.payment_id OR NEW.order_id IS DISTINCT FROM OLD.order_id'),
    ('payments.legs', 'OLD.payment_id::text', 'true'),
    ('payments.decisions', 'OLD.payment_id::text', 'true'),
    ('payments.attempts', 'OLD.payment_id::text', '(NEW.payment_id, NEW.leg_n) <> (OLD.payment_id, OLD.leg_n)'),
    ('payments.attempt_history', 'OLD.payment_id::text', 'true'),
    ('payments.ledger', 'OLD.payment_id::text', 'true'),
    ('gateway.charges', 'OLD.payment_ref', 'NEW.payment_ref <> OLD.payment_ref')
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
  FOR book IN VALUES ('payments.legs'), ('payments.decisions') LOOP
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

-- How a link spells the rows it seals (proof/sealed_tables.py). The links that there are keep their
-- digests; the rows are spelled otherwise now, so a new series seals all of them again.
ALTER TABLE proof.chain ADD format int NOT NULL DEFAULT 1;
ALTER TABLE proof.chain ALTER format DROP DEFAULT;
