-- A payment in several legs is authorised, decided upon, and captured or given up as a whole; a
-- merchant's request is planned over provider accounts, and where its legs went is on record.

-- ---- attempts in two phases --------------------------------------------------------------------

INSERT INTO payments.transitions (machine, src, dst) VALUES
  ('attempt', 'IN_FLIGHT', 'AUTHORISED'),
  ('attempt', 'UNKNOWN', 'AUTHORISED'),
  ('attempt', 'AUTHORISED', 'SUCCEEDED'),
  ('attempt', 'AUTHORISED', 'VOIDED'),
  ('attempt', 'AUTHORISED', 'FAILED'),
  ('payment', 'PROCESSING', 'REFUND_PENDING'),
  ('payment', 'REFUND_PENDING', 'FAILED'),
  ('payment', 'FAILED', 'REFUND_PENDING'),
  ('payment', 'REFUNDED', 'REFUND_PENDING');

-- `method` is what the customer pays with at this account, `provider_ref` the account's own name for
-- the attempt, kept before the account is asked for money.
ALTER TABLE payments.attempts
  ADD method text, ADD provider_ref text, ADD authorised_at timestamptz,
  DROP CONSTRAINT attempts_state_check,
  ADD CONSTRAINT attempts_state_check CHECK (state IN
    ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED', 'SUCCEEDED', 'FAILED', 'VOIDED', 'REFUNDED'));
DROP INDEX payments.one_live_attempt;
CREATE UNIQUE INDEX one_live_attempt ON payments.attempts (payment_id, leg_n)
  WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED', 'SUCCEEDED');
CREATE OR REPLACE FUNCTION payments.guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.payment_id, NEW.leg_n, NEW.n, NEW.provider, NEW.gw_key, NEW.amount_minor, NEW.currency, NEW.method,
      NEW.created_at)
     IS DISTINCT FROM
     (OLD.payment_id, OLD.leg_n, OLD.n, OLD.provider, OLD.gw_key, OLD.amount_minor, OLD.currency, OLD.method,
      OLD.created_at)
     OR OLD.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at
     OR OLD.provider_ref IS NOT NULL AND NEW.provider_ref IS DISTINCT FROM OLD.provider_ref
     OR OLD.authorised_at IS NOT NULL AND NEW.authorised_at IS DISTINCT FROM OLD.authorised_at THEN
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

-- Accounts that may take a leg after its first one declined, in their order.
ALTER TABLE payments.legs ADD fallbacks text[] NOT NULL DEFAULT '{}';

-- One decision to capture a payment's legs, and one to give them up, which may follow it.
ALTER TABLE payments.decisions DROP CONSTRAINT known_kind,
  ADD CONSTRAINT known_kind CHECK (kind IN ('route', 'adopt', 'capture', 'void', 'compensate'));
CREATE UNIQUE INDEX decided_once ON payments.decisions (payment_id, (kind = 'capture'))
  WHERE kind IN ('capture', 'void', 'compensate');

-- Of a payment in several legs: a row for each refund, written before anybody is asked for it, in the
-- transaction that decides it.
CREATE TABLE payments.refunds (
  payment_id   uuid NOT NULL,
  leg_n        int NOT NULL,
  n            int NOT NULL,
  refund_key   text NOT NULL UNIQUE,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  currency     char(3) NOT NULL,
  at           timestamptz NOT NULL DEFAULT now(),
  changed_in   xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (payment_id, leg_n, n),
  FOREIGN KEY (payment_id, leg_n, n) REFERENCES payments.attempts
);

-- ---- the mock providers' own record ------------------------------------------------------------

ALTER TABLE gateway.charges DROP CONSTRAINT charges_state_check,
  ADD CONSTRAINT charges_state_check CHECK (state IN ('AUTHORISED', 'CAPTURED', 'DECLINED', 'VOIDED', 'REFUNDED'));

-- ---- append-only, and watched by the proof ------------------------------------------------------

CREATE INDEX refunds_changed ON payments.refunds (changed_in);
DO $$
DECLARE
  book text;
  name text;
BEGIN
  FOREACH book IN ARRAY '{payments.refunds}'::text[] LOOP
    name := split_part(book, '.', 2);
    EXECUTE format($function$
CREATE FUNCTION proof.mark_%1$s() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  INSERT INTO proof.removals (book, order_ref, was) VALUES (%2$L, OLD.payment_id::text, to_jsonb(OLD));
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  NEW.changed_in := pg_current_xact_id();
  RETURN NEW;
END $body$
    $function$, name, book);
    EXECUTE format('CREATE TRIGGER %s_are_append_only BEFORE UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION payments.refuse_change()', name, book);
    EXECUTE format('CREATE TRIGGER mark_change BEFORE UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION proof.mark_%s()', book, name);
    EXECUTE format('CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON %s'
                   ' EXECUTE FUNCTION proof.refuse_truncation()', book);
    EXECUTE format('CREATE TRIGGER note_truncation AFTER TRUNCATE ON %s'
                   ' EXECUTE FUNCTION proof.note_truncation()', book);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER mark_change,'
                   ' ENABLE ALWAYS TRIGGER note_truncation', book);
  END LOOP;
END $$;
