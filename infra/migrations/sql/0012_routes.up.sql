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
  -- How many drivers have begun to ask for the money: only the first may say that nothing was sent.
  ADD asks int NOT NULL DEFAULT 1,
  DROP CONSTRAINT attempts_state_check,
  ADD CONSTRAINT attempts_state_check CHECK (state IN
    ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED', 'SUCCEEDED', 'FAILED', 'VOIDED', 'REFUNDED'));
DROP INDEX payments.one_live_attempt;
CREATE UNIQUE INDEX one_live_attempt ON payments.attempts (payment_id, leg_n)
  WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED', 'SUCCEEDED');
DROP INDEX payments.attempts_in_doubt;
CREATE INDEX attempts_in_doubt ON payments.attempts (payment_id)
  WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED');
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
ALTER TABLE payments.legs ADD fallbacks text[] NOT NULL DEFAULT '{}',
  -- Until when an attempt may be begun: the merchant's time is up then.
  ADD begin_until timestamptz;
-- What an account was asked to take today; only what was planned is counted against its capacity.
CREATE INDEX attempts_by_account ON payments.attempts (provider, created_at) WHERE method IS NOT NULL;

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

-- ---- merchants and what their payments are planned from -------------------------------------------

-- A policy is never changed: its version is the SHA-256 of its text.
CREATE TABLE payments.policies (
  version    text PRIMARY KEY CHECK (version ~ '^[0-9a-f]{64}$' AND version = encode(sha256(convert_to(text, 'UTF8')), 'hex')),
  text       text NOT NULL,
  at         timestamptz NOT NULL DEFAULT now(),
  changed_in xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE payments.merchants (
  merchant_id    text PRIMARY KEY CHECK (merchant_id ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
  -- What a request without a payment method pays with.
  method         text NOT NULL,
  -- The accounts that it may use, in its order.
  chain          text[] NOT NULL CHECK (cardinality(chain) BETWEEN 1 AND 20),
  budget_ms      int NOT NULL CHECK (budget_ms BETWEEN 100 AND 30000),
  policy_version text REFERENCES payments.policies,
  -- Its own values of the policy's variables.
  attributes          jsonb NOT NULL DEFAULT '{}'
);

-- What an account charges and accepts from a time on; nothing is overwritten.
CREATE TABLE payments.provider_accounts (
  account   text PRIMARY KEY CHECK (account ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
  connector text NOT NULL
);
CREATE TABLE payments.provider_terms (
  account              text NOT NULL REFERENCES payments.provider_accounts,
  since                timestamptz NOT NULL DEFAULT now(),
  currencies           text[] NOT NULL,
  fee_basis_points     int NOT NULL CHECK (fee_basis_points BETWEEN 0 AND 10000),
  fee_fixed_minor      bigint NOT NULL CHECK (fee_fixed_minor >= 0),
  minimum_minor        bigint NOT NULL CHECK (minimum_minor >= 1),
  maximum_minor        bigint NOT NULL CHECK (maximum_minor >= minimum_minor),
  daily_capacity_minor bigint CHECK (daily_capacity_minor >= 0),
  changed_in           xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (account, since)
);
INSERT INTO payments.provider_accounts (account, connector) VALUES
  ('mock', 'mock'), ('alfa', 'stripe'), ('bravo', 'stripe'), ('charlie', 'stripe');
INSERT INTO payments.provider_terms (account, since, currencies, fee_basis_points, fee_fixed_minor, minimum_minor,
                                     maximum_minor, daily_capacity_minor)
SELECT account, '-infinity', currencies ::text[], points, fixed, least, most, capacity FROM (VALUES
  ('mock', '{AUD,BHD,CHF,EUR,GBP,JPY,USD}', 300, 0, 1, 9007199254740992, NULL ::bigint),
  ('alfa', '{AUD,CHF,EUR,GBP,JPY,USD}', 150, 25, 50, 99999999, 10000000000),
  ('bravo', '{AUD,CHF,EUR,GBP,JPY,USD}', 200, 10, 50, 50000000, 5000000000),
  ('charlie', '{AUD,CHF,EUR,GBP,JPY,USD}', 290, 0, 100, 10000000, 1000000000)
) t (account, currencies, points, fixed, least, most, capacity);
-- The text is services/payment/policy/demo.py, in its one spelling.
INSERT INTO payments.policies (version, text)
SELECT encode(sha256(convert_to(text, 'UTF8')), 'hex'), text FROM (VALUES ($policy$# Amounts under 1 000 units of the currency are allowed; larger ones need a merchant's tier.
if amount >= 1000 * unit && merchantTier == '' then deny
# A suspicious payment gets one provider only, and a large one in the EU one attempt only.
if fraudScore > 0.8 then skipFallback
if region == 'EU' && amount > 100000 then allowRetry = false
if true then allow
$policy$)) t (text);
-- Accounts without a connector are passed over, so without an acquirer this is the mock alone.
INSERT INTO payments.merchants (merchant_id, method, chain, budget_ms, policy_version)
SELECT 'm1', 'pm_card_visa', '{alfa,bravo,charlie,mock}', 4000, version FROM payments.policies;

-- The key of the cards' fingerprints, made here once: nothing but this database has it.
CREATE TABLE payments.secrets (name text PRIMARY KEY, value bytea NOT NULL CHECK (length(value) = 32));
INSERT INTO payments.secrets VALUES
  ('card fingerprints', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- How a payment was divided, what that was worked out from, and the planner's claim about it.
CREATE TABLE payments.plans (
  payment_id     uuid NOT NULL REFERENCES payments.payments,
  plan_n         int NOT NULL CHECK (plan_n > 0),
  merchant_id    text NOT NULL REFERENCES payments.merchants,
  policy_version text REFERENCES payments.policies,
  inputs         jsonb NOT NULL,
  legs           jsonb NOT NULL,
  certificate    jsonb,
  -- What the customer pays with at each account: no number of a card.
  methods        jsonb NOT NULL,
  at             timestamptz NOT NULL DEFAULT now(),
  changed_in     xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (payment_id, plan_n)
);

-- A merchant's request, once; its answer is kept when it is final, and stays the answer.
CREATE TABLE payments.requests (
  merchant_id  text NOT NULL REFERENCES payments.merchants,
  request_id   text NOT NULL CHECK (length(request_id) BETWEEN 1 AND 255),
  request_hash bytea NOT NULL,
  -- NULL where the answer is that there is none.
  payment_id   uuid UNIQUE REFERENCES payments.payments,
  status_code  int,
  answer       bytea,
  at           timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (merchant_id, request_id),
  CONSTRAINT a_payment_or_an_answer CHECK (payment_id IS NOT NULL OR answer IS NOT NULL),
  CONSTRAINT answered_whole CHECK ((status_code IS NULL) = (answer IS NULL))
);
CREATE FUNCTION payments.guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.answer IS NOT NULL
     OR (NEW.merchant_id, NEW.request_id, NEW.request_hash, NEW.payment_id, NEW.at)
        IS DISTINCT FROM (OLD.merchant_id, OLD.request_id, OLD.request_hash, OLD.payment_id, OLD.at) THEN
    RAISE EXCEPTION 'request % of % is answered for good', OLD.request_id, OLD.merchant_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_request BEFORE UPDATE ON payments.requests
  FOR EACH ROW EXECUTE FUNCTION payments.guard_request();
CREATE TRIGGER requests_are_never_deleted BEFORE DELETE ON payments.requests
  FOR EACH ROW EXECUTE FUNCTION payments.refuse_change();

-- ---- breakers -----------------------------------------------------------------------------------

-- Whether an account is asked for new money; for the whole fleet.
CREATE TABLE payments.breakers (
  account     text PRIMARY KEY,
  state       text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open')),
  failures    int NOT NULL DEFAULT 0 CHECK (failures >= 0),
  reason      text,
  open_until  timestamptz,
  -- One asks, in the whole fleet, until then.
  probe_until timestamptz,
  CONSTRAINT open_until_a_time CHECK ((state = 'open') = (open_until IS NOT NULL)),
  CONSTRAINT only_an_open_one_is_probed CHECK (state = 'open' OR probe_until IS NULL)
);
CREATE TABLE payments.breaker_transitions (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account text NOT NULL,
  src     text,
  dst     text NOT NULL,
  reason  text,
  at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION payments.record_breaker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO payments.breaker_transitions (account, src, dst, reason)
  VALUES (NEW.account, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, NEW.reason);
  RETURN NULL;
END $$;
CREATE TRIGGER record_new_breaker AFTER INSERT ON payments.breakers
  FOR EACH ROW EXECUTE FUNCTION payments.record_breaker();
CREATE TRIGGER record_moved_breaker AFTER UPDATE ON payments.breakers
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION payments.record_breaker();
CREATE TRIGGER breaker_transitions_are_append_only BEFORE UPDATE OR DELETE ON payments.breaker_transitions
  FOR EACH ROW EXECUTE FUNCTION payments.refuse_change();

-- ---- the mock providers' own record ------------------------------------------------------------

ALTER TABLE gateway.charges DROP CONSTRAINT charges_state_check,
  ADD CONSTRAINT charges_state_check CHECK (state IN ('AUTHORISED', 'CAPTURED', 'DECLINED', 'VOIDED', 'REFUNDED'));

-- ---- append-only, and watched by the proof ------------------------------------------------------

DO $$
DECLARE
  book text;
  name text;
BEGIN
  FOREACH book IN ARRAY '{payments.refunds,payments.plans,payments.policies,payments.provider_terms}'::text[] LOOP
    name := split_part(book, '.', 2);
    EXECUTE format('CREATE INDEX %s_changed ON %s (changed_in)', name, book);
    EXECUTE format($function$
CREATE FUNCTION proof.mark_%1$s() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  INSERT INTO proof.removals (book, order_ref, was) VALUES (%2$L, coalesce(to_jsonb(OLD) ->> 'payment_id', to_jsonb(OLD) ->> 'account', to_jsonb(OLD) ->> 'version'),
          to_jsonb(OLD));
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
