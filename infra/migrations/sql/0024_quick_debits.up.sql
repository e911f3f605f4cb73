-- A debit, made cheap: fewer indexes, fewer looks at what another look has already found, and a payment's
-- end that touches no index of the history.

-- ---- indexes -----------------------------------------------------------------------------------

-- What is NULL in most rows is indexed where it is not. The sequence numbers rows by itself. A hold has
-- the id of its transaction, so what a transaction moved is found by that and by pending_id.
ALTER TABLE wallets.transactions
  DROP CONSTRAINT transactions_seq_key, DROP CONSTRAINT transactions_refund_of_key,
  DROP CONSTRAINT transactions_void_id_key;
CREATE UNIQUE INDEX one_refund_a_payment ON wallets.transactions (refund_of) WHERE refund_of IS NOT NULL;
CREATE UNIQUE INDEX one_refund_a_void ON wallets.transactions (void_id) WHERE void_id IS NOT NULL;
DROP INDEX wallets.transfers_by_transaction;
ALTER TABLE wallets.transfers DROP CONSTRAINT transfers_pending_id_key;
CREATE UNIQUE INDEX one_end_a_hold ON wallets.transfers (pending_id) WHERE pending_id IS NOT NULL;
ALTER TABLE wallets.attempts DROP CONSTRAINT attempts_provider_ref_key, DROP CONSTRAINT attempts_gw_key_key;
CREATE UNIQUE INDEX one_attempt_a_name ON wallets.attempts (provider_ref) WHERE provider_ref IS NOT NULL;
ALTER TABLE wallets.entries DROP CONSTRAINT entries_transfer_id_account_id_key,
  DROP CONSTRAINT entries_account_id_version_key;
CREATE UNIQUE INDEX one_entry_a_version ON wallets.entries (account_id, version) WHERE version IS NOT NULL;
DROP INDEX wallets.entries_by_transaction;
CREATE INDEX entries_by_transaction ON wallets.entries (transaction_id)
  WHERE amount_minor > 0 AND transaction_id IS NOT NULL;

-- ---- when an attempt is looked at again ----------------------------------------------------------

-- With the attempt, and not in the history: a row of the history changes no index when it ends.
ALTER TABLE wallets.attempts ADD tries int NOT NULL DEFAULT 0, ADD next_attempt_at timestamptz NOT NULL DEFAULT now();
UPDATE wallets.attempts a SET tries = t.attempts, next_attempt_at = t.next_attempt_at
FROM wallets.transactions t WHERE t.transaction_id = a.transaction_id AND a.state IN ('IN_FLIGHT', 'UNKNOWN');
CREATE INDEX attempts_due ON wallets.attempts (next_attempt_at) WHERE state IN ('IN_FLIGHT', 'UNKNOWN');
DROP INDEX wallets.transactions_due;
ALTER TABLE wallets.transactions DROP COLUMN attempts, DROP COLUMN next_attempt_at;
ALTER TABLE wallets.transactions SET (fillfactor = 70);
ALTER TABLE wallets.attempts SET (fillfactor = 70);

-- ---- rules -------------------------------------------------------------------------------------

-- PostgreSQL reads the text of every CHECK anew in each statement: in a debit, more than its rows cost. So
-- the rules of a row that is written once are in its trigger, whose expressions are kept ready. What no
-- trigger may get around stays a CHECK: a wallet is never overdrawn.
ALTER TABLE wallets.wallet_balances DROP CONSTRAINT wallet_balances_user_id_check;
CREATE FUNCTION wallets.guard_new_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.user_id !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' OR NOT EXISTS (
       SELECT FROM wallets.accounts WHERE account_id = NEW.account_id
       AND (kind, owner, currency) = ('wallet', NEW.user_id, NEW.currency)) THEN
    RAISE EXCEPTION 'account % is not the wallet of % in %', NEW.account_id, NEW.user_id, NEW.currency
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_new_wallet BEFORE INSERT ON wallets.wallet_balances
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_new_wallet();

-- Each payment to one provider would lock that provider's row, if only to keep it there: it stays anyway.
CREATE TRIGGER providers_are_never_deleted BEFORE DELETE ON wallets.service_providers
  FOR EACH ROW EXECUTE FUNCTION wallets.refuse_change();
CREATE TRIGGER providers_keep_their_id BEFORE UPDATE OF provider_id ON wallets.service_providers
  FOR EACH ROW EXECUTE FUNCTION wallets.refuse_change();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON wallets.service_providers
  EXECUTE FUNCTION proof.refuse_truncation();

ALTER TABLE wallets.transactions
  DROP CONSTRAINT transactions_account_id_fkey, DROP CONSTRAINT transactions_provider_id_fkey,
  DROP CONSTRAINT transactions_kind_check,
  DROP CONSTRAINT transactions_amount_minor_check, DROP CONSTRAINT transactions_status_check,
  DROP CONSTRAINT a_payment_has_a_provider, DROP CONSTRAINT a_refund_gives_back_a_payment,
  DROP CONSTRAINT a_transfer_has_two_sides, DROP CONSTRAINT only_a_payment_is_decided,
  DROP CONSTRAINT not_taken_says_why;
CREATE FUNCTION wallets.guard_new_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.amount_minor > 0
      AND NEW.reason IS NULL
      AND (NEW.kind = 'REFUND') = (NEW.refund_of IS NOT NULL)
      AND (NEW.kind = 'REFUND') = (NEW.void_id IS NOT NULL)
      AND CASE NEW.kind
        WHEN 'PAYMENT' THEN NEW.status = 'PENDING' AND NEW.provider_id IS NOT NULL
          AND NEW.external_reference IS NOT NULL AND NEW.counterparty IS NULL
        WHEN 'PURCHASE' THEN NEW.status = 'PENDING' AND NEW.provider_id IS NULL
          AND NEW.external_reference IS NOT NULL AND NEW.counterparty IS NULL
        WHEN 'REFUND' THEN NEW.status IN ('PENDING', 'COMPLETED') AND NEW.external_reference IS NOT NULL
          AND NEW.counterparty IS NULL
        WHEN 'DEPOSIT' THEN NEW.status = 'PENDING' AND num_nonnulls(NEW.provider_id, NEW.external_reference,
          NEW.counterparty) = 0
        ELSE NEW.kind IN ('TRANSFER_OUT', 'TRANSFER_IN') AND NEW.status IN ('PENDING', 'COMPLETED')
          AND NEW.counterparty IS NOT NULL AND num_nonnulls(NEW.provider_id, NEW.external_reference) = 0
      END) IS NOT TRUE
     OR NEW.provider_id IS NOT NULL AND NOT EXISTS (
       SELECT FROM wallets.service_providers WHERE provider_id = NEW.provider_id) THEN
    RAISE EXCEPTION 'transaction % is no % as there can be', NEW.transaction_id, NEW.kind
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_new_transaction BEFORE INSERT ON wallets.transactions
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_new_transaction();
CREATE OR REPLACE FUNCTION wallets.guard_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
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
       WHERE machine = CASE OLD.kind WHEN 'PAYMENT' THEN 'payment' WHEN 'PURCHASE' THEN 'purchase' ELSE 'credit' END
         AND src = OLD.status AND dst = NEW.status) THEN
    RAISE EXCEPTION 'transaction % may not go from % to %', OLD.transaction_id, OLD.status, NEW.status
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.status IN ('DECLINED', 'GATEWAY_ERROR')) <> (NEW.reason IS NOT NULL) THEN
    RAISE EXCEPTION 'transaction % says why it was not taken, or nothing', OLD.transaction_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

ALTER TABLE wallets.attempts
  DROP CONSTRAINT attempts_transaction_id_fkey, DROP CONSTRAINT attempts_state_check;
CREATE OR REPLACE FUNCTION wallets.guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    -- So a key is as unique as its payment.
    IF NEW.state <> 'IN_FLIGHT' OR NEW.gw_key <> 'wal_' || NEW.transaction_id THEN
      RAISE EXCEPTION 'the attempt of % begins in flight, under its own key', NEW.transaction_id
        USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
  END IF;
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
DROP TRIGGER guard_attempt ON wallets.attempts;
CREATE TRIGGER guard_attempt BEFORE INSERT OR UPDATE OR DELETE ON wallets.attempts
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_attempt();

-- ---- double entry ------------------------------------------------------------------------------

-- Accounts, transfers and transactions are never deleted, and a transfer's trigger reads those it names.
ALTER TABLE wallets.transfers
  DROP CONSTRAINT transfers_transaction_id_fkey, DROP CONSTRAINT transfers_payee_transaction_id_fkey,
  DROP CONSTRAINT transfers_debit_account_fkey, DROP CONSTRAINT transfers_credit_account_fkey,
  DROP CONSTRAINT transfers_pending_id_fkey,
  DROP CONSTRAINT transfers_kind_check, DROP CONSTRAINT transfers_amount_minor_check,
  DROP CONSTRAINT transfers_available_after_minor_check, DROP CONSTRAINT moves_between_two,
  DROP CONSTRAINT resolves_a_hold, DROP CONSTRAINT names_the_payee, DROP CONSTRAINT says_what_is_left;
-- Entries are written by that trigger alone, both at once and of one amount: what they point at is there,
-- and they sum to zero.
ALTER TABLE wallets.entries
  DROP CONSTRAINT entries_transfer_id_fkey, DROP CONSTRAINT entries_account_id_fkey,
  DROP CONSTRAINT entries_transaction_id_fkey, DROP CONSTRAINT entries_amount_minor_check,
  DROP CONSTRAINT entries_version_check, DROP CONSTRAINT entries_balance_minor_check,
  DROP CONSTRAINT entries_available_minor_check, DROP CONSTRAINT sealed_whole,
  DROP CONSTRAINT only_wallets_are_chained, DROP CONSTRAINT a_debit_is_sealed_at_once;
DROP TRIGGER balanced ON wallets.entries;
DROP FUNCTION wallets.balanced();
CREATE TRIGGER entries_come_from_transfers BEFORE INSERT ON wallets.entries
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION wallets.refuse_change();
CREATE OR REPLACE FUNCTION wallets.guard_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.version IS NOT NULL OR NOT OLD.chained
     OR num_nulls(NEW.version, NEW.balance_minor, NEW.available_minor, NEW.link, NEW.sealed_at) > 0
     OR NEW.available_minor < 0
     OR (NEW.entry_id, NEW.transfer_id, NEW.account_id, NEW.transaction_id, NEW.amount_minor, NEW.currency,
         NEW.chained, NEW.at)
        IS DISTINCT FROM
        (OLD.entry_id, OLD.transfer_id, OLD.account_id, OLD.transaction_id, OLD.amount_minor, OLD.currency,
         OLD.chained, OLD.at) THEN
    RAISE EXCEPTION 'entry % never changes; a wallet''s is sealed once', OLD.entry_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

-- The payload of an event, of a sealed entry.
CREATE FUNCTION wallets.moved(account uuid, owner text, transaction uuid, kind text, amount_minor bigint,
                              currency text, balance_minor bigint, version int, sealed_at timestamptz)
RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'account_id', account, 'user_id', owner, 'transaction_id', transaction, 'kind', kind,
    'amount_minor', amount_minor, 'currency', currency, 'balance_minor', balance_minor, 'version', version,
    'at', to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
$$;
DROP TRIGGER announce_debit ON wallets.entries;
CREATE OR REPLACE FUNCTION wallets.announce_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO wallets.outbox (aggregate, aggregate_id, aggregate_seq, type, payload, traceparent)
  SELECT 'wallet', NEW.account_id, NEW.version, 'wallet.credited',
         wallets.moved(NEW.account_id, t.user_id, t.transaction_id, t.kind, NEW.amount_minor, NEW.currency,
                       NEW.balance_minor, NEW.version, NEW.sealed_at),
         t.traceparent
  FROM wallets.transactions t WHERE t.transaction_id = NEW.transaction_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'entry % belongs to no transaction', NEW.entry_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

-- A transfer posts itself, as before. A hold names both accounts and has its transaction's id; what resolves
-- it names the hold, and has the rest from there. Time is taken under the wallet's lock.
CREATE OR REPLACE FUNCTION wallets.post_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  w record;
BEGIN
  IF NEW.kind = 'hold' THEN
    UPDATE wallets.wallet_balances b SET held_minor = b.held_minor + NEW.amount_minor
    FROM wallets.accounts c
    WHERE b.account_id = NEW.debit_account AND b.currency = NEW.currency
      AND c.account_id = NEW.credit_account AND c.currency = NEW.currency AND c.kind IN ('provider', 'merchant')
      AND NEW.amount_minor > 0 AND NEW.transfer_id = NEW.transaction_id
      AND num_nonnulls(NEW.pending_id, NEW.payee_transaction_id) = 0
    RETURNING b.available_minor INTO NEW.available_after_minor;
  ELSIF NEW.kind IN ('post', 'void') THEN
    SELECT h.transaction_id, h.debit_account, h.credit_account, h.amount_minor, h.currency,
           t.user_id, t.kind, t.traceparent, b.posted_minor, b.held_minor - h.amount_minor AS held_minor, b.version, b.head
    INTO w
    FROM wallets.transfers h
    JOIN wallets.transactions t ON t.transaction_id = h.transaction_id
    JOIN wallets.wallet_balances b ON b.account_id = h.debit_account
    WHERE h.transfer_id = NEW.pending_id AND h.kind = 'hold' AND NEW.payee_transaction_id IS NULL
      AND coalesce(NEW.transaction_id, h.transaction_id) = h.transaction_id
      AND coalesce(NEW.debit_account, h.debit_account) = h.debit_account
      AND coalesce(NEW.credit_account, h.credit_account) = h.credit_account
      AND coalesce(NEW.amount_minor, h.amount_minor) = h.amount_minor
      AND coalesce(NEW.currency, h.currency) = h.currency
    FOR UPDATE OF b;
    NEW.transaction_id := w.transaction_id;
    NEW.debit_account := w.debit_account;
    NEW.credit_account := w.credit_account;
    NEW.amount_minor := w.amount_minor;
    NEW.currency := w.currency;
  ELSIF NEW.kind = 'transfer' THEN
    SELECT t.user_id, t.kind, t.traceparent, b.posted_minor, b.held_minor, b.version, b.head INTO w
    FROM wallets.wallet_balances b, wallets.wallet_balances c, wallets.transactions t, wallets.transactions p
    WHERE b.account_id = NEW.debit_account AND b.currency = NEW.currency
      AND c.account_id = NEW.credit_account AND c.currency = NEW.currency AND c.account_id <> b.account_id
      AND (t.transaction_id, t.account_id) = (NEW.transaction_id, NEW.debit_account)
      AND (p.transaction_id, p.account_id) = (NEW.payee_transaction_id, NEW.credit_account)
      AND NEW.amount_minor > 0 AND NEW.pending_id IS NULL
    FOR UPDATE OF b;
  ELSE
    PERFORM FROM wallets.accounts d, wallets.accounts c
    WHERE d.account_id = NEW.debit_account AND c.account_id = NEW.credit_account
      AND d.currency = NEW.currency AND c.currency = NEW.currency AND c.kind = 'wallet' AND NEW.amount_minor > 0
      AND NEW.payee_transaction_id IS NULL AND NEW.available_after_minor IS NULL
      AND CASE NEW.kind
        WHEN 'deposit' THEN d.kind = 'funding' AND NEW.pending_id IS NULL
        WHEN 'refund' THEN d.kind = 'merchant' AND EXISTS (
          SELECT FROM wallets.transfers p JOIN wallets.transactions r ON r.transaction_id = NEW.transaction_id
          WHERE p.transfer_id = NEW.pending_id AND p.kind = 'post' AND r.refund_of = p.transaction_id
            AND (p.credit_account, p.debit_account, p.amount_minor)
              = (NEW.debit_account, NEW.credit_account, NEW.amount_minor)) END;
  END IF;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'transfer % is no % as there can be: of these accounts, of a hold or purchase of its own',
      NEW.transfer_id, NEW.kind USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  NEW.at := clock_timestamp();
  IF NEW.kind = 'void' THEN
    UPDATE wallets.wallet_balances SET held_minor = w.held_minor WHERE account_id = NEW.debit_account;
    NEW.available_after_minor := w.posted_minor - w.held_minor;
  ELSIF NEW.kind IN ('post', 'transfer') THEN
    w.posted_minor := w.posted_minor - NEW.amount_minor;
    w.version := w.version + 1;
    w.head := wallets.link(w.head, NEW.debit_account, w.version, NEW.transfer_id, -NEW.amount_minor, w.posted_minor, NEW.at);
    NEW.available_after_minor := w.posted_minor - w.held_minor;
    UPDATE wallets.wallet_balances
    SET held_minor = w.held_minor, posted_minor = w.posted_minor, version = w.version, head = w.head
    WHERE account_id = NEW.debit_account;
    INSERT INTO wallets.entries (transfer_id, account_id, transaction_id, amount_minor, currency, chained, at,
                                 version, balance_minor, available_minor, link, sealed_at)
    VALUES (NEW.transfer_id, NEW.debit_account, NEW.transaction_id, -NEW.amount_minor, NEW.currency, true, NEW.at,
            w.version, w.posted_minor, NEW.available_after_minor, w.head, NEW.at),
           (NEW.transfer_id, NEW.credit_account, NEW.payee_transaction_id, NEW.amount_minor, NEW.currency,
            NEW.kind = 'transfer', NEW.at, NULL, NULL, NULL, NULL, NULL);
    INSERT INTO wallets.outbox (aggregate, aggregate_id, aggregate_seq, type, payload, traceparent)
    VALUES ('wallet', NEW.debit_account, w.version, 'wallet.debited',
            wallets.moved(NEW.debit_account, w.user_id, NEW.transaction_id, w.kind, NEW.amount_minor, NEW.currency,
                          w.posted_minor, w.version, NEW.at), w.traceparent);
  ELSIF NEW.kind IN ('deposit', 'refund') THEN
    INSERT INTO wallets.entries (transfer_id, account_id, transaction_id, amount_minor, currency, chained, at)
    VALUES (NEW.transfer_id, NEW.debit_account, NULL, -NEW.amount_minor, NEW.currency, false, NEW.at),
           (NEW.transfer_id, NEW.credit_account, NEW.transaction_id, NEW.amount_minor, NEW.currency, true, NEW.at);
  END IF;
  RETURN NEW;
END $$;
