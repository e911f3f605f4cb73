-- A plan that came to nothing before anything was captured may be replaced once, under a new plan
-- number: the legs and decisions of a payment belong to one of its plans. Legs are numbered on, so
-- that attempts, transfers, refunds and keys are called as before.

ALTER TABLE payments.plans ADD CONSTRAINT at_most_two_plans CHECK (plan_n <= 2);
-- What there is belongs to the first; a payment that nobody planned has that one alone.
ALTER TABLE payments.legs ADD plan_n int NOT NULL DEFAULT 1,
  ADD CONSTRAINT at_most_two_plans CHECK (plan_n BETWEEN 1 AND 2);
ALTER TABLE payments.decisions ADD plan_n int NOT NULL DEFAULT 1,
  DROP CONSTRAINT known_kind,
  ADD CONSTRAINT known_kind CHECK (kind IN ('route', 'adopt', 'capture', 'void', 'compensate', 'replace'));
DROP INDEX payments.decided_once;
CREATE UNIQUE INDEX decided_once ON payments.decisions (payment_id, plan_n, (kind = 'capture'))
  WHERE kind IN ('capture', 'void', 'compensate');
CREATE UNIQUE INDEX replaced_once ON payments.decisions (payment_id) WHERE kind = 'replace';

CREATE OR REPLACE FUNCTION payments.legs_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  fits boolean;
BEGIN
  SELECT sum(l.amount_minor) = p.amount_minor AND bool_and(l.currency = p.currency) INTO fits
  FROM payments.payments p JOIN payments.legs l USING (payment_id)
  WHERE p.payment_id = NEW.payment_id AND l.plan_n = NEW.plan_n GROUP BY p.payment_id;
  IF fits IS NOT true THEN
    RAISE EXCEPTION 'the legs of payment % do not add up to its amount', NEW.payment_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

-- What a request was asked with that got no payment, so that it can be decided again under a draft:
-- as a plan's inputs, and no digits of a card.
ALTER TABLE payments.requests ADD inputs jsonb,
  ADD CONSTRAINT inputs_of_a_refusal CHECK (inputs IS NULL OR payment_id IS NULL);
CREATE INDEX requests_refused ON payments.requests (at) WHERE payment_id IS NULL;
CREATE OR REPLACE FUNCTION payments.guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.answer IS NOT NULL
     OR (NEW.merchant_id, NEW.request_id, NEW.request_hash, NEW.payment_id, NEW.at, NEW.inputs)
        IS DISTINCT FROM (OLD.merchant_id, OLD.request_id, OLD.request_hash, OLD.payment_id, OLD.at, OLD.inputs) THEN
    RAISE EXCEPTION 'request % of % is answered for good', OLD.request_id, OLD.merchant_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

-- Nobody is asked under a second plan while an account may hold, have or get money under the first.
CREATE FUNCTION payments.guard_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM payments.decisions
                 WHERE payment_id = NEW.payment_id AND kind = 'replace' AND plan_n = NEW.plan_n - 1)
     OR EXISTS (SELECT FROM payments.decisions
                WHERE payment_id = NEW.payment_id AND kind IN ('capture', 'compensate'))
     OR EXISTS (SELECT FROM payments.legs l JOIN payments.attempts a USING (payment_id, leg_n)
                WHERE l.payment_id = NEW.payment_id AND l.plan_n < NEW.plan_n
                  AND a.state NOT IN ('FAILED', 'VOIDED')) THEN
    RAISE EXCEPTION 'the plan before plan % of payment % has not come to nothing', NEW.plan_n, NEW.payment_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_plan BEFORE INSERT ON payments.legs
  FOR EACH ROW WHEN (NEW.plan_n > 1) EXECUTE FUNCTION payments.guard_plan();
CREATE FUNCTION payments.guard_replaced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM payments.legs l JOIN payments.legs later USING (payment_id)
             WHERE l.payment_id = NEW.payment_id AND l.leg_n = NEW.leg_n AND later.plan_n > l.plan_n) THEN
    RAISE EXCEPTION 'leg % of payment % belongs to a plan that was replaced', NEW.leg_n, NEW.payment_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_replaced BEFORE INSERT ON payments.attempts
  FOR EACH ROW WHEN (NEW.n > 1) EXECUTE FUNCTION payments.guard_replaced();
