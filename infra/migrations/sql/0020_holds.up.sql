-- A wallet is a payment method as well: other services of the shop hold money in it under a key of their
-- own, take what is held, or give it back. What is taken is a merchant's, and can be refunded.
ALTER TABLE wallets.accounts DROP CONSTRAINT accounts_kind_check,
  -- A merchant's money is in one account for each currency: whose it is, the payment service's ledger says.
  ADD CONSTRAINT accounts_kind_check CHECK (kind IN ('wallet', 'provider', 'funding', 'merchant')),
  ADD CONSTRAINT one_owner_for_merchants CHECK (kind <> 'merchant' OR owner = 'payments');

INSERT INTO wallets.transitions (machine, src, dst) VALUES
  ('purchase', 'PENDING', 'APPROVED'),
  ('purchase', 'PENDING', 'VOIDED'),
  ('hold', 'HELD', 'POSTED'),
  ('hold', 'HELD', 'VOIDED'),
  ('hold', 'POSTED', 'REFUNDED');

-- What another service takes is a PURCHASE, without a provider: its reference says what it pays for.
ALTER TABLE wallets.transactions
  DROP CONSTRAINT transactions_kind_check, DROP CONSTRAINT transactions_status_check,
  DROP CONSTRAINT a_payment_has_a_provider, DROP CONSTRAINT only_a_payment_is_decided,
  ADD CONSTRAINT transactions_kind_check
    CHECK (kind IN ('PAYMENT', 'PURCHASE', 'REFUND', 'DEPOSIT', 'TRANSFER_OUT', 'TRANSFER_IN')),
  ADD CONSTRAINT transactions_status_check
    CHECK (status IN ('PENDING', 'APPROVED', 'DECLINED', 'GATEWAY_ERROR', 'VOIDED', 'COMPLETED')),
  ADD CONSTRAINT a_payment_has_a_provider
    CHECK ((kind IN ('PAYMENT', 'PURCHASE', 'REFUND')) = (external_reference IS NOT NULL)
           AND CASE kind WHEN 'PAYMENT' THEN provider_id IS NOT NULL WHEN 'REFUND' THEN true
                         ELSE provider_id IS NULL END),
  ADD CONSTRAINT only_a_payment_is_decided
    CHECK (kind IN ('PAYMENT', 'PURCHASE') OR status IN ('PENDING', 'COMPLETED'));
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

-- A refund gives a purchase back: its money goes the other way, and is sealed as any credit.
ALTER TABLE wallets.transfers
  DROP CONSTRAINT transfers_kind_check, DROP CONSTRAINT resolves_a_hold, DROP CONSTRAINT says_what_is_left,
  ADD CONSTRAINT transfers_kind_check
    CHECK (kind IN ('deposit', 'transfer', 'hold', 'post', 'void', 'refund')),
  -- A post and a void resolve a hold, a refund gives back a post; each of them once.
  ADD CONSTRAINT resolves_a_hold CHECK ((kind IN ('post', 'void', 'refund')) = (pending_id IS NOT NULL)),
  ADD CONSTRAINT says_what_is_left CHECK ((kind IN ('deposit', 'refund')) = (available_after_minor IS NULL));
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

-- What another service was answered under its key: the first request decides for all that come later.
-- A VOIDED row without an amount is a tombstone: its void came before the request to hold.
CREATE TABLE wallets.holds (
  hold_key       text PRIMARY KEY CHECK (hold_key ~ '^[!-~]{16,255}$'),
  state          text NOT NULL CHECK (state IN ('HELD', 'POSTED', 'VOIDED', 'REFUNDED', 'REFUSED')),
  user_id        text,
  currency       char(3),
  amount_minor   bigint CHECK (amount_minor > 0),
  reference      text,
  -- The purchase in the user's history; NULL where nothing was ever held.
  transaction_id uuid UNIQUE REFERENCES wallets.transactions,
  -- Why it was refused, as a problem's code.
  reason         text,
  placed_by      text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT a_hold_or_a_tombstone
    CHECK (num_nulls(user_id, currency, amount_minor, reference) = 0
           OR num_nonnulls(user_id, currency, amount_minor, reference) = 0 AND state = 'VOIDED'),
  CONSTRAINT a_refusal_says_why CHECK ((state = 'REFUSED') = (reason IS NOT NULL)),
  CONSTRAINT held_has_a_purchase
    CHECK ((transaction_id IS NOT NULL) = (state <> 'REFUSED' AND amount_minor IS NOT NULL))
);
CREATE INDEX holds_by_reference ON wallets.holds (reference);
-- The proof compares these with the holds (W8), at every look.
CREATE INDEX attempts_of_wallets ON payments.attempts (payment_id) WHERE provider = 'wallet';
CREATE FUNCTION wallets.guard_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE'
     OR (NEW.hold_key, NEW.user_id, NEW.currency, NEW.amount_minor, NEW.reference, NEW.transaction_id, NEW.reason,
         NEW.placed_by, NEW.created_at)
        IS DISTINCT FROM
        (OLD.hold_key, OLD.user_id, OLD.currency, OLD.amount_minor, OLD.reference, OLD.transaction_id, OLD.reason,
         OLD.placed_by, OLD.created_at) THEN
    RAISE EXCEPTION 'what hold % is about never changes', OLD.hold_key
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.state <> OLD.state AND (OLD.transaction_id IS NULL OR NOT EXISTS (
       SELECT FROM wallets.transitions WHERE machine = 'hold' AND src = OLD.state AND dst = NEW.state)) THEN
    RAISE EXCEPTION 'hold % may not go from % to %', OLD.hold_key, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_hold BEFORE UPDATE OR DELETE ON wallets.holds
  FOR EACH ROW EXECUTE FUNCTION wallets.guard_hold();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON wallets.holds
  EXECUTE FUNCTION proof.refuse_truncation();

-- The account of the payment service: a wallet charges nothing. They may be there already, from before
-- this migration was taken back.
INSERT INTO payments.provider_accounts (account, connector) VALUES ('wallet', 'wallet')
ON CONFLICT (account) DO NOTHING;
INSERT INTO payments.provider_terms (account, since, currencies, fee_basis_points, fee_fixed_minor, minimum_minor,
                                     maximum_minor) VALUES
  ('wallet', '-infinity', '{AUD,CHF,EUR,GBP,JPY,USD}', 0, 0, 1, 99999999)
ON CONFLICT (account, since) DO NOTHING;

-- Whose wallet pays for an order; NULL: the shop's own method, as before.
ALTER TABLE orders.orders ADD wallet_id text CHECK (wallet_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$');
CREATE FUNCTION orders.guard_payer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'who pays for order % never changes', OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_payer BEFORE UPDATE ON orders.orders
  FOR EACH ROW WHEN (OLD.wallet_id IS DISTINCT FROM NEW.wallet_id) EXECUTE FUNCTION orders.guard_payer();
