-- Back to one plan a payment. Two of them cannot be told as one: the legs of both would count.
DO $$
DECLARE
  odd record;
BEGIN
  SELECT payment_id INTO odd FROM payments.legs WHERE plan_n > 1 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'payment % has a plan that was replaced: the older program would count both', odd.payment_id;
  END IF;
END $$;

-- The older program spells fewer columns; what was sealed in the newer spelling is gone.
ALTER TABLE proof.chain DISABLE TRIGGER USER;
DELETE FROM proof.chain WHERE format > 4;
ALTER TABLE proof.chain ENABLE ALWAYS TRIGGER chain_is_append_only, ENABLE ALWAYS TRIGGER refuse_truncation;

-- What refused requests were asked with is lost; their answers stay.
CREATE OR REPLACE FUNCTION payments.guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.answer IS NOT NULL
     OR (NEW.merchant_id, NEW.request_id, NEW.request_hash, NEW.payment_id, NEW.at)
        IS DISTINCT FROM (OLD.merchant_id, OLD.request_id, OLD.request_hash, OLD.payment_id, OLD.at) THEN
    RAISE EXCEPTION 'request % of % is answered for good', OLD.request_id, OLD.merchant_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
DROP INDEX payments.requests_refused;
ALTER TABLE payments.requests DROP inputs;

DROP TRIGGER guard_replaced ON payments.attempts;
DROP FUNCTION payments.guard_replaced();
DROP TRIGGER guard_plan ON payments.legs;
DROP FUNCTION payments.guard_plan();
CREATE OR REPLACE FUNCTION payments.legs_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
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
DROP INDEX payments.replaced_once;
DROP INDEX payments.decided_once;
ALTER TABLE payments.decisions DROP plan_n,
  DROP CONSTRAINT known_kind,
  ADD CONSTRAINT known_kind CHECK (kind IN ('route', 'adopt', 'capture', 'void', 'compensate'));
CREATE UNIQUE INDEX decided_once ON payments.decisions (payment_id, (kind = 'capture'))
  WHERE kind IN ('capture', 'void', 'compensate');
ALTER TABLE payments.legs DROP plan_n;
ALTER TABLE payments.plans DROP CONSTRAINT at_most_two_plans;
