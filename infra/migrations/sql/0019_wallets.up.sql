-- The wallet service's own room: money that the shop keeps for its users, in double entry.
CREATE SCHEMA wallets;

CREATE FUNCTION wallets.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- Whom a user can pay.
CREATE TABLE wallets.service_providers (
  provider_id text PRIMARY KEY CHECK (provider_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  name        text NOT NULL
);
INSERT INTO wallets.service_providers (provider_id, name) VALUES
  ('demo-provider', 'Demo Provider'), ('city-power', 'City Power'), ('mobile-topup', 'Mobile Top-up');

-- Where money is: a user's wallet, what a provider is owed, where deposits come from.
CREATE TABLE wallets.accounts (
  account_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind       text NOT NULL CHECK (kind IN ('wallet', 'provider', 'funding')),
  owner      text NOT NULL,
  currency   char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (kind, owner, currency)
);
CREATE TRIGGER accounts_never_change BEFORE UPDATE OR DELETE ON wallets.accounts
  FOR EACH ROW EXECUTE FUNCTION wallets.refuse_change();

-- What a wallet holds, as far as it is sealed: `version` entries, which add up to `posted_minor` and
-- end in `head`. Who takes money locks this row; who brings money does not.
CREATE TABLE wallets.wallet_balances (
  user_id         text NOT NULL CHECK (user_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  currency        char(3) NOT NULL,
  account_id      uuid NOT NULL UNIQUE REFERENCES wallets.accounts,
  posted_minor    bigint NOT NULL DEFAULT 0,
  held_minor      bigint NOT NULL DEFAULT 0 CONSTRAINT never_holds_less_than_nothing CHECK (held_minor >= 0),
  available_minor bigint GENERATED ALWAYS AS (posted_minor - held_minor) STORED,
  version         int NOT NULL DEFAULT 0,
  head            bytea NOT NULL DEFAULT '',
  PRIMARY KEY (user_id, currency),
  CONSTRAINT never_overdrawn CHECK (available_minor >= 0)
) WITH (fillfactor = 50);

CREATE FUNCTION wallets.guard_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (NEW.user_id, NEW.currency, NEW.account_id)
       IS DISTINCT FROM (OLD.user_id, OLD.currency, OLD.account_id)
     OR NEW.version < OLD.version
     OR (NEW.version = OLD.version) <> ((NEW.posted_minor, NEW.head) = (OLD.posted_minor, OLD.head)) THEN
    RAISE EXCEPTION 'the balance of % in % moves with its entries alone', OLD.user_id, OLD.currency
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_balance BEFORE UPDATE OR DELETE ON wallets.wallet_balances
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_balance();

-- The state machines are data: services/wallet/domain.py holds the same, a test says they are equal.
CREATE TABLE wallets.transitions (machine text NOT NULL, src text NOT NULL, dst text NOT NULL,
                                  PRIMARY KEY (machine, src, dst));
INSERT INTO wallets.transitions (machine, src, dst) VALUES
  ('payment', 'PENDING', 'APPROVED'),
  ('payment', 'PENDING', 'DECLINED'),
  ('payment', 'PENDING', 'GATEWAY_ERROR'),
  ('credit', 'PENDING', 'COMPLETED'),
  ('attempt', 'IN_FLIGHT', 'CAPTURED'),
  ('attempt', 'IN_FLIGHT', 'DECLINED'),
  ('attempt', 'IN_FLIGHT', 'VOIDED'),
  ('attempt', 'IN_FLIGHT', 'UNKNOWN'),
  ('attempt', 'UNKNOWN', 'CAPTURED'),
  ('attempt', 'UNKNOWN', 'DECLINED'),
  ('attempt', 'UNKNOWN', 'VOIDED');

-- A user's history. A transfer between two users is a row for each of them; what a payment held and
-- did not take is given back by a REFUND.
CREATE TABLE wallets.transactions (
  transaction_id     uuid PRIMARY KEY,
  seq                bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  user_id            text NOT NULL,
  currency           char(3) NOT NULL,
  account_id         uuid NOT NULL REFERENCES wallets.accounts,
  kind               text NOT NULL CHECK (kind IN ('PAYMENT', 'REFUND', 'DEPOSIT', 'TRANSFER_OUT', 'TRANSFER_IN')),
  amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
  status             text NOT NULL CHECK (status IN ('PENDING', 'APPROVED', 'DECLINED', 'GATEWAY_ERROR', 'COMPLETED')),
  -- Why a payment did not go through: the gateway's decline code, or what went wrong there.
  reason             text,
  provider_id        text REFERENCES wallets.service_providers,
  external_reference text,
  -- The other user of a transfer.
  counterparty       text,
  -- The payment that a REFUND gives back, and the void that did it.
  refund_of          uuid UNIQUE REFERENCES wallets.transactions,
  void_id            uuid UNIQUE,
  traceparent        text,
  attempts           int NOT NULL DEFAULT 0,
  next_attempt_at    timestamptz NOT NULL DEFAULT now(),
  created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT a_payment_has_a_provider
    CHECK ((kind IN ('PAYMENT', 'REFUND')) = (provider_id IS NOT NULL AND external_reference IS NOT NULL)),
  CONSTRAINT a_refund_gives_back_a_payment
    CHECK ((kind = 'REFUND') = (refund_of IS NOT NULL) AND (kind = 'REFUND') = (void_id IS NOT NULL)),
  CONSTRAINT a_transfer_has_two_sides
    CHECK ((kind IN ('TRANSFER_OUT', 'TRANSFER_IN')) = (counterparty IS NOT NULL)),
  CONSTRAINT only_a_payment_is_decided
    CHECK ((kind = 'PAYMENT') OR status IN ('PENDING', 'COMPLETED')),
  CONSTRAINT not_taken_says_why CHECK ((status IN ('DECLINED', 'GATEWAY_ERROR')) = (reason IS NOT NULL))
);
CREATE INDEX transactions_newest ON wallets.transactions (user_id, seq DESC);
CREATE INDEX transactions_due ON wallets.transactions (next_attempt_at)
  WHERE kind = 'PAYMENT' AND status = 'PENDING';

CREATE FUNCTION wallets.guard_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE'
     OR (NEW.transaction_id, NEW.seq, NEW.user_id, NEW.currency, NEW.account_id, NEW.kind, NEW.amount_minor,
         NEW.provider_id, NEW.external_reference, NEW.counterparty, NEW.refund_of, NEW.void_id, NEW.created_at)
        IS DISTINCT FROM
        (OLD.transaction_id, OLD.seq, OLD.user_id, OLD.currency, OLD.account_id, OLD.kind, OLD.amount_minor,
         OLD.provider_id, OLD.external_reference, OLD.counterparty, OLD.refund_of, OLD.void_id, OLD.created_at) THEN
    RAISE EXCEPTION 'what transaction % is about never changes', OLD.transaction_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.status <> OLD.status AND NOT EXISTS (
       SELECT FROM wallets.transitions
       WHERE machine = CASE OLD.kind WHEN 'PAYMENT' THEN 'payment' ELSE 'credit' END
         AND src = OLD.status AND dst = NEW.status) THEN
    RAISE EXCEPTION 'transaction % may not go from % to %', OLD.transaction_id, OLD.status, NEW.status
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_transaction BEFORE UPDATE OR DELETE ON wallets.transactions
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_transaction();

-- The one attempt of a payment at the gateway. `provider_ref` is the intent that is asked for the
-- money, kept before it is: without one, nobody has asked.
CREATE TABLE wallets.attempts (
  transaction_id uuid PRIMARY KEY REFERENCES wallets.transactions,
  gw_key         text NOT NULL UNIQUE,
  provider_ref   text UNIQUE,
  state          text NOT NULL DEFAULT 'IN_FLIGHT'
    CHECK (state IN ('IN_FLIGHT', 'UNKNOWN', 'CAPTURED', 'DECLINED', 'VOIDED')),
  detail         text,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION wallets.guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE'
     OR (NEW.transaction_id, NEW.gw_key, NEW.created_at) IS DISTINCT FROM
        (OLD.transaction_id, OLD.gw_key, OLD.created_at)
     OR OLD.provider_ref IS NOT NULL AND NEW.provider_ref IS DISTINCT FROM OLD.provider_ref THEN
    RAISE EXCEPTION 'what the attempt of % asks for never changes', OLD.transaction_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT EXISTS (
       SELECT FROM wallets.transitions WHERE machine = 'attempt' AND src = OLD.state AND dst = NEW.state) THEN
    RAISE EXCEPTION 'the attempt of % may not go from % to %', OLD.transaction_id, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_attempt BEFORE UPDATE OR DELETE ON wallets.attempts
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_attempt();

-- ---- double entry ------------------------------------------------------------------------------

-- Each movement of money. A hold moves none; it is resolved once, by a post, which does, or a void.
CREATE TABLE wallets.transfers (
  transfer_id           uuid PRIMARY KEY,
  kind                  text NOT NULL CHECK (kind IN ('deposit', 'transfer', 'hold', 'post', 'void')),
  -- Whose history it is in: the payer's, or for a deposit the user's. Of a transfer also the payee's.
  transaction_id        uuid NOT NULL REFERENCES wallets.transactions,
  payee_transaction_id  uuid REFERENCES wallets.transactions,
  debit_account         uuid NOT NULL REFERENCES wallets.accounts,
  credit_account        uuid NOT NULL REFERENCES wallets.accounts,
  amount_minor          bigint NOT NULL CHECK (amount_minor > 0),
  currency              char(3) NOT NULL,
  pending_id            uuid UNIQUE REFERENCES wallets.transfers,
  -- What the payer could spend right after it.
  available_after_minor bigint CHECK (available_after_minor >= 0),
  at                    timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT moves_between_two CHECK (debit_account <> credit_account),
  CONSTRAINT resolves_a_hold CHECK ((kind IN ('post', 'void')) = (pending_id IS NOT NULL)),
  CONSTRAINT names_the_payee CHECK ((kind = 'transfer') = (payee_transaction_id IS NOT NULL)),
  CONSTRAINT says_what_is_left CHECK ((kind = 'deposit') = (available_after_minor IS NULL))
);
CREATE INDEX transfers_by_transaction ON wallets.transfers (transaction_id);
CREATE INDEX holds_by_wallet ON wallets.transfers (debit_account, at) WHERE kind = 'hold';
ALTER TABLE wallets.transactions ADD FOREIGN KEY (void_id) REFERENCES wallets.transfers;

-- One line of one account. Those of wallets are `chained`: a debit has its version, the balance and
-- the link in the hash chain at once, a credit when it is sealed.
CREATE TABLE wallets.entries (
  entry_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  transfer_id     uuid NOT NULL REFERENCES wallets.transfers DEFERRABLE INITIALLY DEFERRED,
  account_id      uuid NOT NULL REFERENCES wallets.accounts,
  transaction_id  uuid REFERENCES wallets.transactions DEFERRABLE INITIALLY DEFERRED,
  amount_minor    bigint NOT NULL CHECK (amount_minor <> 0),
  currency        char(3) NOT NULL,
  chained         boolean NOT NULL,
  at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  version         int CHECK (version > 0),
  balance_minor   bigint CHECK (balance_minor >= 0),
  available_minor bigint CHECK (available_minor >= 0),
  link            bytea,
  sealed_at       timestamptz,
  UNIQUE (transfer_id, account_id),
  UNIQUE (account_id, version),
  CONSTRAINT sealed_whole CHECK (num_nulls(version, balance_minor, available_minor, link, sealed_at) IN (0, 5)),
  CONSTRAINT only_wallets_are_chained CHECK (chained OR version IS NULL),
  CONSTRAINT a_debit_is_sealed_at_once CHECK (NOT chained OR amount_minor > 0 OR version IS NOT NULL)
);
CREATE INDEX entries_unsealed ON wallets.entries (account_id, entry_id) WHERE chained AND version IS NULL;
CREATE INDEX entries_by_time ON wallets.entries (account_id, sealed_at) WHERE version IS NOT NULL;
CREATE INDEX entries_by_transaction ON wallets.entries (transaction_id) WHERE transaction_id IS NOT NULL;

CREATE FUNCTION wallets.balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM wallets.entries WHERE transfer_id = NEW.transfer_id
             GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
    RAISE EXCEPTION 'transfer % does not sum to zero', NEW.transfer_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON wallets.entries
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wallets.balanced();

CREATE FUNCTION wallets.guard_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.version IS NOT NULL
     OR (NEW.entry_id, NEW.transfer_id, NEW.account_id, NEW.transaction_id, NEW.amount_minor, NEW.currency,
         NEW.chained, NEW.at)
        IS DISTINCT FROM
        (OLD.entry_id, OLD.transfer_id, OLD.account_id, OLD.transaction_id, OLD.amount_minor, OLD.currency,
         OLD.chained, OLD.at) THEN
    RAISE EXCEPTION 'entry % never changes; it is sealed once', OLD.entry_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_entry BEFORE UPDATE OR DELETE ON wallets.entries
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_entry();
CREATE TRIGGER transfers_are_append_only BEFORE UPDATE OR DELETE ON wallets.transfers
  FOR EACH ROW EXECUTE FUNCTION wallets.refuse_change();

-- A link of an account's chain: SHA-256 over the link before it and what the entry says.
CREATE FUNCTION wallets.link(before bytea, account uuid, version int, transfer uuid, amount_minor bigint,
                             balance_minor bigint, sealed_at timestamptz)
RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(before || convert_to(concat_ws('|', account, version, transfer, amount_minor, balance_minor,
                                               (extract(epoch FROM sealed_at) * 1000000)::bigint), 'UTF8'))
$$;

-- A transfer posts itself: no code can write one and forget its entries, or an entry and forget the
-- balance. Of a wallet that is debited the row is locked; time is taken under that lock, so that it
-- goes the way of the versions.
CREATE FUNCTION wallets.post_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  w       wallets.wallet_balances;
  parties text;
  takes   boolean := NEW.kind IN ('post', 'transfer');
  link    bytea;
BEGIN
  SELECT d.kind || ' to ' || c.kind INTO parties FROM wallets.accounts d, wallets.accounts c
  WHERE d.account_id = NEW.debit_account AND c.account_id = NEW.credit_account
    AND d.currency = NEW.currency AND c.currency = NEW.currency;
  IF parties IS DISTINCT FROM (CASE NEW.kind WHEN 'deposit' THEN 'funding to wallet'
                                             WHEN 'transfer' THEN 'wallet to wallet'
                                             ELSE 'wallet to provider' END) THEN
    RAISE EXCEPTION 'a % does not go from %', NEW.kind, coalesce(parties, 'one currency to another')
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.pending_id IS NOT NULL AND NOT EXISTS (
       SELECT FROM wallets.transfers h WHERE h.transfer_id = NEW.pending_id AND h.kind = 'hold'
         AND (h.transaction_id, h.debit_account, h.credit_account, h.amount_minor)
           = (NEW.transaction_id, NEW.debit_account, NEW.credit_account, NEW.amount_minor)) THEN
    RAISE EXCEPTION 'transfer % resolves no hold of its own', NEW.transfer_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.kind <> 'deposit' THEN
    SELECT * INTO STRICT w FROM wallets.wallet_balances WHERE account_id = NEW.debit_account FOR UPDATE;
    NEW.at := clock_timestamp();
    w.held_minor := w.held_minor + CASE NEW.kind WHEN 'hold' THEN NEW.amount_minor WHEN 'transfer' THEN 0
                                                 ELSE -NEW.amount_minor END;
    IF takes THEN
      w.posted_minor := w.posted_minor - NEW.amount_minor;
      w.version := w.version + 1;
      w.head := wallets.link(w.head, w.account_id, w.version, NEW.transfer_id, -NEW.amount_minor, w.posted_minor, NEW.at);
    END IF;
    UPDATE wallets.wallet_balances
    SET held_minor = w.held_minor, posted_minor = w.posted_minor, version = w.version, head = w.head
    WHERE account_id = NEW.debit_account;
    NEW.available_after_minor := w.posted_minor - w.held_minor;
  END IF;
  IF takes OR NEW.kind = 'deposit' THEN
    INSERT INTO wallets.entries (transfer_id, account_id, transaction_id, amount_minor, currency, chained, at,
                                 version, balance_minor, available_minor, link, sealed_at)
    VALUES (NEW.transfer_id, NEW.debit_account, CASE WHEN takes THEN NEW.transaction_id END, -NEW.amount_minor,
            NEW.currency, takes, NEW.at,
            CASE WHEN takes THEN w.version END, CASE WHEN takes THEN w.posted_minor END,
            CASE WHEN takes THEN NEW.available_after_minor END, CASE WHEN takes THEN w.head END,
            CASE WHEN takes THEN NEW.at END),
           (NEW.transfer_id, NEW.credit_account,
            CASE NEW.kind WHEN 'transfer' THEN NEW.payee_transaction_id WHEN 'deposit' THEN NEW.transaction_id END,
            NEW.amount_minor, NEW.currency, NEW.kind <> 'post', NEW.at, NULL, NULL, NULL, NULL, NULL);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER post_transfer BEFORE INSERT ON wallets.transfers
  FOR EACH ROW EXECUTE FUNCTION wallets.post_transfer();

-- The sealer: the credits of one wallet get their versions, in the order in which they came. How many.
CREATE FUNCTION wallets.seal(account uuid, most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  w      wallets.wallet_balances;
  e      wallets.entries;
  moment timestamptz;
  sealed int := 0;
BEGIN
  SELECT * INTO STRICT w FROM wallets.wallet_balances WHERE account_id = account FOR UPDATE;
  FOR e IN SELECT * FROM wallets.entries WHERE account_id = account AND chained AND version IS NULL
           ORDER BY entry_id LIMIT most LOOP
    moment := clock_timestamp();
    w.version := w.version + 1;
    w.posted_minor := w.posted_minor + e.amount_minor;
    w.head := wallets.link(w.head, account, w.version, e.transfer_id, e.amount_minor, w.posted_minor, moment);
    UPDATE wallets.entries
    SET version = w.version, balance_minor = w.posted_minor, available_minor = w.posted_minor - w.held_minor,
        link = w.head, sealed_at = moment
    WHERE entry_id = e.entry_id;
    UPDATE wallets.transactions SET status = 'COMPLETED', updated_at = moment
    WHERE transaction_id = e.transaction_id;
    sealed := sealed + 1;
  END LOOP;
  IF sealed > 0 THEN
    UPDATE wallets.wallet_balances SET posted_minor = w.posted_minor, version = w.version, head = w.head
    WHERE account_id = account;
  END IF;
  RETURN sealed;
END $$;

-- The account of an owner, made if there is none yet. Under READ COMMITTED the last look sees whoever
-- made it at the same time.
CREATE FUNCTION wallets.account_of(its_kind text, its_owner text, its_currency char(3)) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
  known uuid;
BEGIN
  SELECT account_id INTO known FROM wallets.accounts
  WHERE (kind, owner, currency) = (its_kind, its_owner, its_currency);
  IF known IS NULL THEN
    INSERT INTO wallets.accounts (kind, owner, currency) VALUES (its_kind, its_owner, its_currency)
    ON CONFLICT DO NOTHING;
    SELECT account_id INTO known FROM wallets.accounts
    WHERE (kind, owner, currency) = (its_kind, its_owner, its_currency);
  END IF;
  RETURN known;
END $$;

-- ---- keys --------------------------------------------------------------------------------------

-- One claimed key is one transaction; the stored answer is replayed byte for byte.
CREATE TABLE wallets.idempotency (
  scope          text NOT NULL,
  key            text NOT NULL,
  request_hash   bytea NOT NULL,
  -- NULL where the answer was that there can be no transaction (an unknown wallet, too little money).
  transaction_id uuid,
  status_code    int,
  response       bytea,
  locked_until   timestamptz NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE UNIQUE INDEX idempotency_by_transaction ON wallets.idempotency (transaction_id);
CREATE FUNCTION wallets.guard_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a key is never forgotten' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.response IS NOT NULL
     AND (NEW.scope, NEW.key, NEW.request_hash, NEW.transaction_id, NEW.status_code, NEW.response)
         IS DISTINCT FROM
         (OLD.scope, OLD.key, OLD.request_hash, OLD.transaction_id, OLD.status_code, OLD.response) THEN
    RAISE EXCEPTION 'the answer under a key never changes' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_key BEFORE UPDATE OR DELETE ON wallets.idempotency
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_key();

-- What a client application shows: 'wk_<key_id>_<secret>'. Only a digest of the whole is kept.
CREATE TABLE wallets.api_keys (
  key_id      text PRIMARY KEY CHECK (key_id ~ '^[a-z0-9]{8}$'),
  application text NOT NULL CHECK (length(application) BETWEEN 1 AND 64),
  -- The one user whose wallet it opens; NULL: every one.
  user_id     text,
  digest      bytea NOT NULL CHECK (length(digest) = 32),
  created_at  timestamptz NOT NULL DEFAULT now(),
  -- From then on it opens nothing. One that is rotated stays good for a while, so that clients can change.
  ends_at     timestamptz
);
CREATE TRIGGER api_keys_are_never_deleted BEFORE DELETE ON wallets.api_keys
  FOR EACH ROW EXECUTE FUNCTION wallets.refuse_change();

-- ---- events ------------------------------------------------------------------------------------

CREATE TABLE wallets.gremlins (LIKE inventory.gremlins INCLUDING ALL);
CREATE TABLE wallets.gremlin_audit (LIKE inventory.gremlin_audit INCLUDING ALL);
SELECT events.create_outbox('wallets', 'wallet-service');

-- An entry that is sealed is an event; its version counts the wallet's events.
CREATE FUNCTION wallets.announce_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO wallets.outbox (aggregate, aggregate_id, aggregate_seq, type, payload, traceparent)
  SELECT 'wallet', NEW.account_id, NEW.version,
         CASE WHEN NEW.amount_minor < 0 THEN 'wallet.debited' ELSE 'wallet.credited' END,
         jsonb_build_object(
           'account_id', NEW.account_id, 'user_id', t.user_id, 'transaction_id', t.transaction_id, 'kind', t.kind,
           'amount_minor', abs(NEW.amount_minor), 'currency', NEW.currency, 'balance_minor', NEW.balance_minor,
           'version', NEW.version, 'at', to_char(NEW.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
         t.traceparent
  FROM wallets.transactions t WHERE t.transaction_id = NEW.transaction_id;
  IF NOT FOUND THEN
    -- In one statement with its transaction, or with none: it could not be announced.
    RAISE EXCEPTION 'entry % belongs to no transaction', NEW.entry_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER announce_debit AFTER INSERT ON wallets.entries
  FOR EACH ROW WHEN (NEW.version IS NOT NULL) EXECUTE FUNCTION wallets.announce_entry();
CREATE TRIGGER announce_credit AFTER UPDATE ON wallets.entries
  FOR EACH ROW WHEN (NEW.version IS NOT NULL) EXECUTE FUNCTION wallets.announce_entry();

DO $$
DECLARE
  book text;
BEGIN
  FOREACH book IN ARRAY ARRAY['accounts', 'wallet_balances', 'transactions', 'attempts', 'transfers', 'entries',
                              'idempotency'] LOOP
    EXECUTE format('CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON wallets.%I'
                   ' EXECUTE FUNCTION proof.refuse_truncation()', book);
  END LOOP;
END $$;

-- ---- a first day -------------------------------------------------------------------------------

DO $$
DECLARE
  who text; unit text; units bigint; wallet uuid; id uuid;
BEGIN
  FOR who, unit, units IN VALUES
    ('alice', 'EUR', 100000), ('alice', 'USD', 50000), ('alice', 'JPY', 100000),
    ('bob', 'EUR', 25000), ('bob', 'USD', 10000), ('bob', 'JPY', 30000),
    ('carol', 'EUR', 5000)
  LOOP
    wallet := wallets.account_of('wallet', who, unit);
    INSERT INTO wallets.wallet_balances (user_id, currency, account_id) VALUES (who, unit, wallet);
    id := gen_random_uuid();
    INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind, amount_minor, status)
    VALUES (id, who, unit, wallet, 'DEPOSIT', units, 'PENDING');
    INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account, credit_account, amount_minor, currency)
    VALUES (id, 'deposit', id, wallets.account_of('funding', 'deposits', unit), wallet, units, unit);
    PERFORM wallets.seal(wallet, 1);
  END LOOP;
END $$;

-- The wallets' own account at the acquirer, in the acquirer's own table. It may be there already, from
-- before this migration was taken back.
INSERT INTO acquirer.accounts (name, id, api_key, fee_basis_points, fee_fixed_minor, minimum_minor,
                               maximum_minor, daily_capacity_minor, decline_rate, latency_ms) VALUES
  ('wallets', 'acct_wallets', 'sk_test_wallets', 100, 0, 1, 99999999, 10000000000, 0, 0)
ON CONFLICT (name) DO NOTHING;
