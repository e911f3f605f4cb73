-- The acquirer: a payment provider of the world outside. No table here refers to one of the shop,
-- and no other process reads or writes it.
CREATE SCHEMA acquirer;

-- One row a merchant account. A test key is no secret, as with the provider it stands for.
CREATE TABLE acquirer.accounts (
  name                 text PRIMARY KEY,
  id                   text NOT NULL UNIQUE,
  api_key              text NOT NULL UNIQUE,
  fee_basis_points     int NOT NULL CHECK (fee_basis_points BETWEEN 0 AND 10000),
  fee_fixed_minor      bigint NOT NULL CHECK (fee_fixed_minor >= 0),
  minimum_minor        bigint NOT NULL CHECK (minimum_minor >= 1),
  maximum_minor        bigint NOT NULL CHECK (maximum_minor BETWEEN minimum_minor AND 99999999),
  daily_capacity_minor bigint NOT NULL CHECK (daily_capacity_minor >= 0),
  decline_rate         double precision NOT NULL CHECK (decline_rate BETWEEN 0 AND 1),
  latency_ms           int NOT NULL CHECK (latency_ms BETWEEN 0 AND 60000),
  mode                 text NOT NULL DEFAULT 'happy'
    CHECK (mode IN ('happy', 'timeout', '500', 'declined', 'latency', 'random')),
  mode_since           timestamptz NOT NULL DEFAULT now()
);
INSERT INTO acquirer.accounts (name, id, api_key, fee_basis_points, fee_fixed_minor, minimum_minor,
                               maximum_minor, daily_capacity_minor, decline_rate, latency_ms) VALUES
  ('alfa', 'acct_alfa', 'sk_test_alfa', 150, 25, 50, 99999999, 10000000000, 0, 0),
  ('bravo', 'acct_bravo', 'sk_test_bravo', 200, 10, 50, 50000000, 5000000000, 0.02, 20),
  ('charlie', 'acct_charlie', 'sk_test_charlie', 290, 0, 100, 10000000, 1000000000, 0.05, 60);

-- What was authorised on a day (UTC), against the account's daily capacity.
CREATE TABLE acquirer.volumes (
  account          text NOT NULL REFERENCES acquirer.accounts,
  day              date NOT NULL,
  authorised_minor bigint NOT NULL CHECK (authorised_minor >= 0),
  PRIMARY KEY (account, day)
);

-- The key of the cards' fingerprints, made here once: nothing but this database has it.
CREATE TABLE acquirer.secrets (
  name  text PRIMARY KEY,
  value bytea NOT NULL CHECK (length(value) = 32)
);
INSERT INTO acquirer.secrets (name, value) VALUES
  ('fingerprint', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- Of a card's number only what may be kept. `behaviour` is what the test number does when it pays:
-- 'approve', 'authenticate', or the decline code.
CREATE TABLE acquirer.payment_methods (
  seq         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id          text PRIMARY KEY,
  account     text NOT NULL REFERENCES acquirer.accounts,
  brand       text NOT NULL,
  last4       text NOT NULL CHECK (last4 ~ '^[0-9]{4}$'),
  exp_month   int NOT NULL CHECK (exp_month BETWEEN 1 AND 12),
  exp_year    int NOT NULL,
  fingerprint text NOT NULL,
  behaviour   text NOT NULL,
  metadata    jsonb NOT NULL DEFAULT '{}',
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE acquirer.intents (
  seq                 bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id                  text PRIMARY KEY,
  account             text NOT NULL REFERENCES acquirer.accounts,
  amount_minor        bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 99999999),
  currency            text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
  capture_method      text NOT NULL CHECK (capture_method IN ('automatic', 'manual')),
  status              text NOT NULL CHECK (status IN (
    'requires_payment_method', 'requires_confirmation', 'requires_action', 'requires_capture',
    'canceled', 'succeeded')),
  received_minor      bigint NOT NULL DEFAULT 0 CHECK (received_minor BETWEEN 0 AND amount_minor),
  payment_method      text REFERENCES acquirer.payment_methods,
  latest_charge       text,
  client_secret       text NOT NULL,
  description         text,
  metadata            jsonb NOT NULL DEFAULT '{}',
  last_error          jsonb,
  cancellation_reason text,
  canceled_at         timestamptz,
  created_at          timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT received_only_when_captured CHECK ((received_minor > 0) = (status = 'succeeded'))
);
CREATE INDEX intents_by_account ON acquirer.intents (account, seq);

CREATE TABLE acquirer.intent_history (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  intent text NOT NULL,
  src    text,
  dst    text NOT NULL,
  at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX intent_history_by_intent ON acquirer.intent_history (intent, id);

CREATE TABLE acquirer.transitions (src text NOT NULL, dst text NOT NULL, PRIMARY KEY (src, dst));
INSERT INTO acquirer.transitions (src, dst) VALUES
  ('requires_payment_method', 'requires_action'),
  ('requires_payment_method', 'requires_capture'),
  ('requires_payment_method', 'succeeded'),
  ('requires_payment_method', 'canceled'),
  ('requires_confirmation', 'requires_payment_method'),
  ('requires_confirmation', 'requires_action'),
  ('requires_confirmation', 'requires_capture'),
  ('requires_confirmation', 'succeeded'),
  ('requires_confirmation', 'canceled'),
  ('requires_action', 'requires_payment_method'),
  ('requires_action', 'requires_capture'),
  ('requires_action', 'succeeded'),
  ('requires_action', 'canceled'),
  ('requires_capture', 'succeeded'),
  ('requires_capture', 'canceled');

CREATE TABLE acquirer.charges (
  seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id             text PRIMARY KEY,
  account        text NOT NULL REFERENCES acquirer.accounts,
  intent         text NOT NULL REFERENCES acquirer.intents,
  payment_method text NOT NULL REFERENCES acquirer.payment_methods,
  amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
  currency       text NOT NULL,
  status         text NOT NULL CHECK (status IN ('succeeded', 'failed')),
  decline_code   text,
  card           jsonb NOT NULL,
  captured_minor bigint NOT NULL DEFAULT 0 CHECK (captured_minor BETWEEN 0 AND amount_minor),
  refunded_minor bigint NOT NULL DEFAULT 0 CHECK (refunded_minor BETWEEN 0 AND captured_minor),
  released       boolean NOT NULL DEFAULT false,
  balance_transaction text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT failed_says_why CHECK ((status = 'failed') = (decline_code IS NOT NULL)),
  CONSTRAINT failed_takes_nothing CHECK (status = 'succeeded' OR captured_minor = 0)
);
CREATE INDEX charges_by_intent ON acquirer.charges (intent, seq);
CREATE INDEX charges_by_account ON acquirer.charges (account, seq);
-- An intent is paid once, whatever is confirmed at the same time.
CREATE UNIQUE INDEX one_charge_an_intent ON acquirer.charges (intent) WHERE status = 'succeeded';

CREATE TABLE acquirer.refunds (
  seq          bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id           text PRIMARY KEY,
  account      text NOT NULL REFERENCES acquirer.accounts,
  charge       text NOT NULL REFERENCES acquirer.charges,
  intent       text NOT NULL REFERENCES acquirer.intents,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  currency     text NOT NULL,
  reason       text,
  metadata     jsonb NOT NULL DEFAULT '{}',
  balance_transaction text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refunds_by_charge ON acquirer.refunds (charge, seq);
CREATE INDEX refunds_by_account ON acquirer.refunds (account, seq);

-- Every movement of an account's money: a capture (positive) or a refund (negative), with its fee.
CREATE TABLE acquirer.balance_transactions (
  seq          bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id           text PRIMARY KEY,
  account      text NOT NULL REFERENCES acquirer.accounts,
  type         text NOT NULL CHECK (type IN ('charge', 'refund')),
  source       text NOT NULL UNIQUE,
  intent       text NOT NULL REFERENCES acquirer.intents,
  amount_minor bigint NOT NULL CHECK ((amount_minor > 0) = (type = 'charge') AND amount_minor <> 0),
  fee_minor    bigint NOT NULL CHECK (fee_minor >= 0),
  currency     text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX balance_by_account ON acquirer.balance_transactions (account, created_at, seq);

CREATE TABLE acquirer.events (
  seq             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id              text PRIMARY KEY,
  account         text NOT NULL REFERENCES acquirer.accounts,
  type            text NOT NULL,
  object          jsonb NOT NULL,
  api_version     text NOT NULL,
  request_id      text NOT NULL,
  idempotency_key text,
  created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_by_account ON acquirer.events (account, seq);

-- A key and what it did come to be in one transaction. The hash is keyed: a card number may be
-- among what was asked for.
CREATE TABLE acquirer.idempotency_keys (
  account      text NOT NULL REFERENCES acquirer.accounts,
  key          text NOT NULL,
  request_hash bytea NOT NULL,
  status_code  int NOT NULL,
  response     bytea NOT NULL,
  request_id   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, key)
);
CREATE INDEX idempotency_keys_by_age ON acquirer.idempotency_keys (created_at);

CREATE TABLE acquirer.webhook_endpoints (
  seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id             text PRIMARY KEY,
  account        text NOT NULL REFERENCES acquirer.accounts,
  url            text NOT NULL,
  enabled_events text[] NOT NULL,
  secret         text NOT NULL,
  description    text,
  metadata       jsonb NOT NULL DEFAULT '{}',
  created_at     timestamptz NOT NULL DEFAULT now()
);

-- One row for each event that an endpoint wants, until it has been accepted there.
CREATE TABLE acquirer.deliveries (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  endpoint        text NOT NULL REFERENCES acquirer.webhook_endpoints (id) ON DELETE CASCADE,
  event           text NOT NULL REFERENCES acquirer.events (id),
  state           text NOT NULL DEFAULT 'PENDING'
    CHECK (state IN ('PENDING', 'DELIVERED', 'LOST', 'GIVEN_UP')),
  attempts        int NOT NULL DEFAULT 0,
  last_result     text,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (endpoint, event)
);
CREATE INDEX deliveries_due ON acquirer.deliveries (next_attempt_at) WHERE state = 'PENDING';

-- How badly webhooks travel, for every account alike: one row.
CREATE TABLE acquirer.webhook_faults (
  is_row    boolean PRIMARY KEY DEFAULT true CHECK (is_row),
  duplicate double precision NOT NULL DEFAULT 0 CHECK (duplicate BETWEEN 0 AND 1),
  delay_s   double precision NOT NULL DEFAULT 0 CHECK (delay_s BETWEEN 0 AND 3600),
  reorder   double precision NOT NULL DEFAULT 0 CHECK (reorder BETWEEN 0 AND 1),
  forge     double precision NOT NULL DEFAULT 0 CHECK (forge BETWEEN 0 AND 1),
  lose      double precision NOT NULL DEFAULT 0 CHECK (lose BETWEEN 0 AND 1)
);
INSERT INTO acquirer.webhook_faults DEFAULT VALUES;

CREATE FUNCTION acquirer.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION acquirer.guard_intent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.account, NEW.amount_minor, NEW.currency, NEW.capture_method) IS DISTINCT FROM
     (OLD.id, OLD.account, OLD.amount_minor, OLD.currency, OLD.capture_method) THEN
    RAISE EXCEPTION 'what an intent asks for never changes (%)', OLD.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.status <> OLD.status AND NOT EXISTS (
       SELECT 1 FROM acquirer.transitions WHERE src = OLD.status AND dst = NEW.status) THEN
    RAISE EXCEPTION 'intent % may not go from % to %', OLD.id, OLD.status, NEW.status
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_intent BEFORE UPDATE ON acquirer.intents
  FOR EACH ROW EXECUTE FUNCTION acquirer.guard_intent();

CREATE FUNCTION acquirer.record_intent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO acquirer.intent_history (intent, src, dst)
  VALUES (NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status);
  RETURN NULL;
END $$;
CREATE TRIGGER record_new_intent AFTER INSERT ON acquirer.intents
  FOR EACH ROW EXECUTE FUNCTION acquirer.record_intent();
CREATE TRIGGER record_moved_intent AFTER UPDATE ON acquirer.intents
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION acquirer.record_intent();

CREATE TRIGGER intents_are_never_deleted BEFORE DELETE ON acquirer.intents
  FOR EACH ROW EXECUTE FUNCTION acquirer.refuse_change();
CREATE TRIGGER charges_are_never_deleted BEFORE DELETE ON acquirer.charges
  FOR EACH ROW EXECUTE FUNCTION acquirer.refuse_change();
CREATE TRIGGER intent_history_is_append_only BEFORE UPDATE OR DELETE ON acquirer.intent_history
  FOR EACH ROW EXECUTE FUNCTION acquirer.refuse_change();
CREATE TRIGGER refunds_are_append_only BEFORE UPDATE OR DELETE ON acquirer.refunds
  FOR EACH ROW EXECUTE FUNCTION acquirer.refuse_change();
CREATE TRIGGER balance_is_append_only BEFORE UPDATE OR DELETE ON acquirer.balance_transactions
  FOR EACH ROW EXECUTE FUNCTION acquirer.refuse_change();
CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE ON acquirer.events
  FOR EACH ROW EXECUTE FUNCTION acquirer.refuse_change();

CREATE TABLE acquirer.gremlins (LIKE inventory.gremlins INCLUDING ALL);
CREATE TABLE acquirer.gremlin_audit (LIKE inventory.gremlin_audit INCLUDING ALL);
