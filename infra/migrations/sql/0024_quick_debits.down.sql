DROP TRIGGER entries_come_from_transfers ON wallets.entries;
CREATE OR REPLACE FUNCTION wallets.post_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  w       wallets.wallet_balances;
  parties text;
  takes   boolean := NEW.kind IN ('post', 'transfer');
  link    bytea;
BEGIN
  SELECT d.kind || ' to ' || c.kind INTO parties FROM wallets.accounts d, wallets.accounts c
  WHERE d.account_id = NEW.debit_account AND c.account_id = NEW.credit_account
    AND d.currency = NEW.currency AND c.currency = NEW.currency;
  IF parties IS NULL OR parties <> ALL (CASE NEW.kind
       WHEN 'deposit' THEN ARRAY['funding to wallet']
       WHEN 'transfer' THEN ARRAY['wallet to wallet']
       WHEN 'refund' THEN ARRAY['merchant to wallet']
       ELSE ARRAY['wallet to provider', 'wallet to merchant'] END) THEN
    RAISE EXCEPTION 'a % does not go from %', NEW.kind, coalesce(parties, 'one currency to another')
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.kind = 'refund' AND NOT EXISTS (
       SELECT FROM wallets.transfers p JOIN wallets.transactions r ON r.transaction_id = NEW.transaction_id
       WHERE p.transfer_id = NEW.pending_id AND p.kind = 'post' AND r.refund_of = p.transaction_id
         AND (p.credit_account, p.debit_account, p.amount_minor)
           = (NEW.debit_account, NEW.credit_account, NEW.amount_minor)) THEN
    RAISE EXCEPTION 'transfer % gives back no purchase of its own', NEW.transfer_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.kind IN ('post', 'void') AND NOT EXISTS (
       SELECT FROM wallets.transfers h WHERE h.transfer_id = NEW.pending_id AND h.kind = 'hold'
         AND (h.transaction_id, h.debit_account, h.credit_account, h.amount_minor)
           = (NEW.transaction_id, NEW.debit_account, NEW.credit_account, NEW.amount_minor)) THEN
    RAISE EXCEPTION 'transfer % resolves no hold of its own', NEW.transfer_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.kind NOT IN ('deposit', 'refund') THEN
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
  IF takes OR NEW.kind IN ('deposit', 'refund') THEN
    INSERT INTO wallets.entries (transfer_id, account_id, transaction_id, amount_minor, currency, chained, at,
                                 version, balance_minor, available_minor, link, sealed_at)
    VALUES (NEW.transfer_id, NEW.debit_account, CASE WHEN takes THEN NEW.transaction_id END, -NEW.amount_minor,
            NEW.currency, takes, NEW.at,
            CASE WHEN takes THEN w.version END, CASE WHEN takes THEN w.posted_minor END,
            CASE WHEN takes THEN NEW.available_after_minor END, CASE WHEN takes THEN w.head END,
            CASE WHEN takes THEN NEW.at END),
           (NEW.transfer_id, NEW.credit_account,
            CASE NEW.kind WHEN 'transfer' THEN NEW.payee_transaction_id WHEN 'deposit' THEN NEW.transaction_id
                          WHEN 'refund' THEN NEW.transaction_id END,
            NEW.amount_minor, NEW.currency, NEW.kind <> 'post', NEW.at, NULL, NULL, NULL, NULL, NULL);
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION wallets.announce_entry() RETURNS trigger LANGUAGE plpgsql AS $$
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
DROP FUNCTION wallets.moved(uuid, text, uuid, text, bigint, text, bigint, int, timestamptz);
CREATE OR REPLACE FUNCTION wallets.guard_entry() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION wallets.balanced() RETURNS trigger LANGUAGE plpgsql AS $$
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
ALTER TABLE wallets.entries
  ADD FOREIGN KEY (transfer_id) REFERENCES wallets.transfers DEFERRABLE INITIALLY DEFERRED,
  ADD FOREIGN KEY (account_id) REFERENCES wallets.accounts,
  ADD FOREIGN KEY (transaction_id) REFERENCES wallets.transactions DEFERRABLE INITIALLY DEFERRED,
  ADD CHECK (amount_minor <> 0), ADD CHECK (version > 0), ADD CHECK (balance_minor >= 0),
  ADD CHECK (available_minor >= 0),
  ADD UNIQUE (transfer_id, account_id), ADD UNIQUE (account_id, version),
  ADD CONSTRAINT sealed_whole CHECK (num_nulls(version, balance_minor, available_minor, link, sealed_at) IN (0, 5)),
  ADD CONSTRAINT only_wallets_are_chained CHECK (chained OR version IS NULL),
  ADD CONSTRAINT a_debit_is_sealed_at_once CHECK (NOT chained OR amount_minor > 0 OR version IS NOT NULL);
DROP INDEX wallets.one_entry_a_version;
DROP INDEX wallets.entries_by_transaction;
CREATE INDEX entries_by_transaction ON wallets.entries (transaction_id) WHERE transaction_id IS NOT NULL;
ALTER TABLE wallets.transfers
  ADD FOREIGN KEY (transaction_id) REFERENCES wallets.transactions,
  ADD FOREIGN KEY (payee_transaction_id) REFERENCES wallets.transactions,
  ADD FOREIGN KEY (debit_account) REFERENCES wallets.accounts,
  ADD FOREIGN KEY (credit_account) REFERENCES wallets.accounts,
  ADD UNIQUE (pending_id), ADD FOREIGN KEY (pending_id) REFERENCES wallets.transfers,
  ADD CONSTRAINT transfers_kind_check
    CHECK (kind IN ('deposit', 'transfer', 'hold', 'post', 'void', 'refund')),
  ADD CHECK (amount_minor > 0), ADD CHECK (available_after_minor >= 0),
  ADD CONSTRAINT moves_between_two CHECK (debit_account <> credit_account),
  ADD CONSTRAINT resolves_a_hold CHECK ((kind IN ('post', 'void', 'refund')) = (pending_id IS NOT NULL)),
  ADD CONSTRAINT names_the_payee CHECK ((kind = 'transfer') = (payee_transaction_id IS NOT NULL)),
  ADD CONSTRAINT says_what_is_left CHECK ((kind IN ('deposit', 'refund')) = (available_after_minor IS NULL));
DROP INDEX wallets.one_end_a_hold;
CREATE INDEX transfers_by_transaction ON wallets.transfers (transaction_id);

CREATE OR REPLACE FUNCTION wallets.guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
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

DROP TRIGGER guard_attempt ON wallets.attempts;
CREATE TRIGGER guard_attempt BEFORE UPDATE OR DELETE ON wallets.attempts
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_attempt();
DROP INDEX wallets.one_attempt_a_name;
ALTER TABLE wallets.attempts
  ADD UNIQUE (provider_ref), ADD UNIQUE (gw_key), ADD FOREIGN KEY (transaction_id) REFERENCES wallets.transactions,
  ADD CHECK (state IN ('IN_FLIGHT', 'UNKNOWN', 'CAPTURED', 'DECLINED', 'VOIDED'));
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
  RETURN NEW;
END $$;

DROP TRIGGER guard_new_transaction ON wallets.transactions;
DROP FUNCTION wallets.guard_new_transaction();
DROP INDEX wallets.one_refund_a_payment;
DROP INDEX wallets.one_refund_a_void;
ALTER TABLE wallets.transactions
  ADD attempts int NOT NULL DEFAULT 0, ADD next_attempt_at timestamptz NOT NULL DEFAULT now(),
  ADD UNIQUE (seq), ADD UNIQUE (refund_of), ADD UNIQUE (void_id),
  ADD FOREIGN KEY (account_id) REFERENCES wallets.accounts,
  ADD FOREIGN KEY (provider_id) REFERENCES wallets.service_providers,
  ADD CONSTRAINT transactions_kind_check
    CHECK (kind IN ('PAYMENT', 'PURCHASE', 'REFUND', 'DEPOSIT', 'TRANSFER_OUT', 'TRANSFER_IN')),
  ADD CHECK (amount_minor > 0),
  ADD CONSTRAINT transactions_status_check
    CHECK (status IN ('PENDING', 'APPROVED', 'DECLINED', 'GATEWAY_ERROR', 'VOIDED', 'COMPLETED')),
  ADD CONSTRAINT a_payment_has_a_provider
    CHECK ((kind IN ('PAYMENT', 'PURCHASE', 'REFUND')) = (external_reference IS NOT NULL)
           AND CASE kind WHEN 'PAYMENT' THEN provider_id IS NOT NULL WHEN 'REFUND' THEN true
                         ELSE provider_id IS NULL END),
  ADD CONSTRAINT a_refund_gives_back_a_payment
    CHECK ((kind = 'REFUND') = (refund_of IS NOT NULL) AND (kind = 'REFUND') = (void_id IS NOT NULL)),
  ADD CONSTRAINT a_transfer_has_two_sides
    CHECK ((kind IN ('TRANSFER_OUT', 'TRANSFER_IN')) = (counterparty IS NOT NULL)),
  ADD CONSTRAINT only_a_payment_is_decided
    CHECK (kind IN ('PAYMENT', 'PURCHASE') OR status IN ('PENDING', 'COMPLETED')),
  ADD CONSTRAINT not_taken_says_why CHECK ((status IN ('DECLINED', 'GATEWAY_ERROR')) = (reason IS NOT NULL));
DROP TRIGGER providers_are_never_deleted ON wallets.service_providers;
DROP TRIGGER providers_keep_their_id ON wallets.service_providers;
DROP TRIGGER refuse_truncation ON wallets.service_providers;
DROP TRIGGER guard_new_wallet ON wallets.wallet_balances;
DROP FUNCTION wallets.guard_new_wallet();
ALTER TABLE wallets.wallet_balances ADD CHECK (user_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$');

UPDATE wallets.transactions t SET attempts = a.tries, next_attempt_at = a.next_attempt_at
FROM wallets.attempts a WHERE a.transaction_id = t.transaction_id AND t.status = 'PENDING';
CREATE INDEX transactions_due ON wallets.transactions (next_attempt_at)
  WHERE kind = 'PAYMENT' AND status = 'PENDING';
DROP INDEX wallets.attempts_due;
ALTER TABLE wallets.attempts DROP COLUMN tries, DROP COLUMN next_attempt_at, RESET (fillfactor);
ALTER TABLE wallets.transactions RESET (fillfactor);
