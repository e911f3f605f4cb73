-- The payment service's own room: one payment an order, its attempts at the gateway, and the ledger.
CREATE SCHEMA payments;

CREATE TABLE payments.payments (
  order_id        uuid PRIMARY KEY,
  amount_minor    bigint CHECK (amount_minor > 0),
  currency        char(3),
  state           text NOT NULL CHECK (state IN ('PROCESSING', 'SUCCEEDED', 'FAILED', 'CANCELLING',
                                                 'CANCELLED', 'REFUND_PENDING', 'REFUNDED')),
  decline_code    text,
  cancel_reason   text,
  idempotency_key text UNIQUE,
  request_hash    bytea,
  needs_review    boolean NOT NULL DEFAULT false,
  attempts        int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  traceparent     text,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  -- A tombstone is a cancel that came before the charge: it has no amount.
  CONSTRAINT only_a_tombstone_has_no_amount
    CHECK ((amount_minor IS NULL) = (currency IS NULL) AND (amount_minor IS NOT NULL OR state = 'CANCELLED'))
);
CREATE INDEX payments_due ON payments.payments (next_attempt_at)
  WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING');
-- Counted every two seconds by every replica, and nearly always empty.
CREATE INDEX payments_needing_review ON payments.payments (order_id) WHERE needs_review;

CREATE TABLE payments.attempts (
  order_id     uuid NOT NULL REFERENCES payments.payments,
  n            int NOT NULL CHECK (n > 0),
  provider     text NOT NULL,
  gw_key       text NOT NULL UNIQUE,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  currency     char(3) NOT NULL,
  state        text NOT NULL CHECK (state IN ('IN_FLIGHT', 'UNKNOWN', 'SUCCEEDED', 'FAILED', 'VOIDED', 'REFUNDED')),
  detail       text,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (order_id, n)
);
CREATE UNIQUE INDEX one_live_attempt ON payments.attempts (order_id)
  WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'SUCCEEDED');

-- Every state an attempt ever had, written by trigger.
CREATE TABLE payments.attempt_history (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id uuid NOT NULL,
  n        int NOT NULL,
  src      text,
  dst      text NOT NULL,
  detail   text,
  at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX attempt_history_by_order ON payments.attempt_history (order_id, n, id);

CREATE TABLE payments.transitions (machine text NOT NULL, src text NOT NULL, dst text NOT NULL,
                                   PRIMARY KEY (machine, src, dst));
INSERT INTO payments.transitions (machine, src, dst) VALUES
  ('payment', 'PROCESSING', 'SUCCEEDED'),
  ('payment', 'PROCESSING', 'FAILED'),
  ('payment', 'PROCESSING', 'CANCELLING'),
  ('payment', 'SUCCEEDED', 'REFUND_PENDING'),
  ('payment', 'CANCELLING', 'CANCELLED'),
  ('payment', 'CANCELLING', 'FAILED'),
  ('payment', 'CANCELLING', 'REFUND_PENDING'),
  ('payment', 'CANCELLED', 'REFUND_PENDING'),
  ('payment', 'REFUND_PENDING', 'REFUNDED'),
  ('attempt', 'IN_FLIGHT', 'SUCCEEDED'),
  ('attempt', 'IN_FLIGHT', 'FAILED'),
  ('attempt', 'IN_FLIGHT', 'UNKNOWN'),
  ('attempt', 'IN_FLIGHT', 'VOIDED'),
  ('attempt', 'UNKNOWN', 'SUCCEEDED'),
  ('attempt', 'UNKNOWN', 'FAILED'),
  ('attempt', 'UNKNOWN', 'VOIDED'),
  ('attempt', 'SUCCEEDED', 'REFUNDED'),
  ('attempt', 'VOIDED', 'SUCCEEDED');

CREATE FUNCTION payments.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION payments.guard_payment() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER guard_payment BEFORE UPDATE ON payments.payments
  FOR EACH ROW EXECUTE FUNCTION payments.guard_payment();
CREATE TRIGGER payments_are_never_deleted BEFORE DELETE ON payments.payments
  FOR EACH ROW EXECUTE FUNCTION payments.refuse_change();

-- Attempts are only ever added; of a row that exists, nothing but its state may move, and only forward.
CREATE FUNCTION payments.guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER guard_attempt BEFORE UPDATE ON payments.attempts
  FOR EACH ROW EXECUTE FUNCTION payments.guard_attempt();
CREATE TRIGGER attempts_are_append_only BEFORE DELETE ON payments.attempts
  FOR EACH ROW EXECUTE FUNCTION payments.refuse_change();

CREATE FUNCTION payments.record_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO payments.attempt_history (order_id, n, src, dst, detail)
  VALUES (NEW.order_id, NEW.n, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, NEW.detail);
  RETURN NULL;
END $$;
CREATE TRIGGER record_new_attempt AFTER INSERT ON payments.attempts
  FOR EACH ROW EXECUTE FUNCTION payments.record_attempt();
CREATE TRIGGER record_moved_attempt AFTER UPDATE ON payments.attempts
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION payments.record_attempt();
CREATE TRIGGER attempt_history_is_append_only BEFORE UPDATE OR DELETE ON payments.attempt_history
  FOR EACH ROW EXECUTE FUNCTION payments.refuse_change();

-- Double entry. transfer_id is '<order>:cap' or '<order>:ref', so each is posted at most once by key.
CREATE TABLE payments.ledger (
  transfer_id  text NOT NULL,
  line         int NOT NULL,
  account      text NOT NULL,
  amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
  currency     char(3) NOT NULL,
  posted_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (transfer_id, line)
);
CREATE FUNCTION payments.balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM payments.ledger WHERE transfer_id = NEW.transfer_id
             GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
    RAISE EXCEPTION 'transfer % does not sum to zero', NEW.transfer_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON payments.ledger
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments.balanced();
CREATE TRIGGER ledger_is_immutable BEFORE UPDATE OR DELETE ON payments.ledger
  FOR EACH ROW EXECUTE FUNCTION payments.refuse_change();

-- The mock providers' own book: the world outside the shop. Only the connectors write it,
-- on connections of their own, so that it can disagree with us the way a real gateway can.
CREATE SCHEMA gateway;
CREATE TABLE gateway.charges (
  gw_key       text PRIMARY KEY,
  provider     text NOT NULL,
  order_ref    text NOT NULL,
  amount_minor bigint,
  currency     char(3),
  state        text NOT NULL CHECK (state IN ('CAPTURED', 'DECLINED', 'VOIDED', 'REFUNDED')),
  decline_code text,
  captured_at  timestamptz,
  refunded_at  timestamptz,
  created_at   timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT captured_has_an_amount CHECK (state NOT IN ('CAPTURED', 'REFUNDED') OR amount_minor > 0),
  CONSTRAINT captured_has_a_time CHECK (state NOT IN ('CAPTURED', 'REFUNDED') OR captured_at IS NOT NULL)
);
CREATE INDEX charges_by_order ON gateway.charges (order_ref);
CREATE INDEX charges_by_time ON gateway.charges (captured_at) WHERE state = 'CAPTURED';
