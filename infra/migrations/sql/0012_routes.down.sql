-- Back to payments in one leg. What the older program could not work with is refused.
DO $$
DECLARE
  odd record;
BEGIN
  SELECT payment_id INTO odd FROM payments.legs WHERE leg_n > 1 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'payment % has several legs: the older program cannot finish it', odd.payment_id;
  END IF;
  SELECT payment_id INTO odd FROM payments.attempts WHERE state = 'AUTHORISED' OR provider_ref IS NOT NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'payment % has an attempt that the older program does not understand', odd.payment_id;
  END IF;
  SELECT payment_id INTO odd FROM payments.requests WHERE payment_id IS NOT NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'payment % answers a merchant''s request: the older schema has no place for it', odd.payment_id;
  END IF;
  SELECT gw_key INTO odd FROM gateway.charges WHERE state = 'AUTHORISED' LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'charge % is authorised: the older gateway has no such state', odd.gw_key;
  END IF;
END $$;

-- The older program spells fewer tables; what was sealed in the newer spelling is gone.
ALTER TABLE proof.chain DISABLE TRIGGER USER;
DELETE FROM proof.chain WHERE format > 2;
ALTER TABLE proof.chain ENABLE ALWAYS TRIGGER chain_is_append_only, ENABLE ALWAYS TRIGGER refuse_truncation;

ALTER TABLE gateway.charges DROP CONSTRAINT charges_state_check,
  ADD CONSTRAINT charges_state_check CHECK (state IN ('CAPTURED', 'DECLINED', 'VOIDED', 'REFUNDED'));
DROP TABLE payments.breakers, payments.breaker_transitions, payments.secrets, payments.requests, payments.plans, payments.merchants, payments.policies, payments.provider_terms,
  payments.provider_accounts, payments.refunds;
DROP FUNCTION payments.guard_request();
DROP FUNCTION payments.record_breaker();
DROP FUNCTION proof.mark_refunds();
DROP FUNCTION proof.mark_plans();
DROP FUNCTION proof.mark_policies();
DROP FUNCTION proof.mark_provider_terms();
DROP INDEX payments.attempts_by_account;
DROP INDEX payments.decided_once;
ALTER TABLE payments.decisions DROP CONSTRAINT known_kind,
  ADD CONSTRAINT known_kind CHECK (kind IN ('route', 'adopt'));
ALTER TABLE payments.legs DROP fallbacks, DROP begin_until;
DROP INDEX payments.one_live_attempt;
CREATE UNIQUE INDEX one_live_attempt ON payments.attempts (payment_id, leg_n)
  WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'SUCCEEDED');
DROP INDEX payments.attempts_in_doubt;
CREATE INDEX attempts_in_doubt ON payments.attempts (payment_id) WHERE state IN ('IN_FLIGHT', 'UNKNOWN');
ALTER TABLE payments.attempts DROP method, DROP provider_ref, DROP authorised_at, DROP asks,
  DROP CONSTRAINT attempts_state_check,
  ADD CONSTRAINT attempts_state_check CHECK (state IN
    ('IN_FLIGHT', 'UNKNOWN', 'SUCCEEDED', 'FAILED', 'VOIDED', 'REFUNDED'));
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
DELETE FROM payments.transitions WHERE (machine, src, dst) IN (
  ('attempt', 'IN_FLIGHT', 'AUTHORISED'), ('attempt', 'UNKNOWN', 'AUTHORISED'),
  ('attempt', 'AUTHORISED', 'SUCCEEDED'), ('attempt', 'AUTHORISED', 'VOIDED'), ('attempt', 'AUTHORISED', 'FAILED'),
  ('payment', 'PROCESSING', 'REFUND_PENDING'), ('payment', 'REFUND_PENDING', 'FAILED'),
  ('payment', 'FAILED', 'REFUND_PENDING'), ('payment', 'REFUNDED', 'REFUND_PENDING'));
