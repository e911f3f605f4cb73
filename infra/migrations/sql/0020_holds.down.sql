-- What was held, taken or refused under a key is somebody's money, so it is not forgotten; nor is whose
-- wallet an order named.
DO $$
BEGIN
  IF EXISTS (SELECT FROM wallets.holds) OR EXISTS (SELECT FROM orders.orders WHERE wallet_id IS NOT NULL) THEN
    RAISE EXCEPTION 'wallets have paid for purchases, which cannot be taken back';
  END IF;
END $$;
DROP INDEX payments.attempts_of_wallets;
DROP TRIGGER guard_payer ON orders.orders;
DROP FUNCTION orders.guard_payer();
ALTER TABLE orders.orders DROP COLUMN wallet_id;
DROP TABLE wallets.holds;
DROP FUNCTION wallets.guard_hold();
DELETE FROM wallets.transitions WHERE machine IN ('purchase', 'hold');
ALTER TABLE wallets.transfers
  DROP CONSTRAINT transfers_kind_check, DROP CONSTRAINT resolves_a_hold, DROP CONSTRAINT says_what_is_left,
  ADD CONSTRAINT transfers_kind_check CHECK (kind IN ('deposit', 'transfer', 'hold', 'post', 'void')),
  ADD CONSTRAINT resolves_a_hold CHECK ((kind IN ('post', 'void')) = (pending_id IS NOT NULL)),
  ADD CONSTRAINT says_what_is_left CHECK ((kind = 'deposit') = (available_after_minor IS NULL));
ALTER TABLE wallets.transactions
  DROP CONSTRAINT transactions_kind_check, DROP CONSTRAINT transactions_status_check,
  DROP CONSTRAINT a_payment_has_a_provider, DROP CONSTRAINT only_a_payment_is_decided,
  ADD CONSTRAINT transactions_kind_check
    CHECK (kind IN ('PAYMENT', 'REFUND', 'DEPOSIT', 'TRANSFER_OUT', 'TRANSFER_IN')),
  ADD CONSTRAINT transactions_status_check
    CHECK (status IN ('PENDING', 'APPROVED', 'DECLINED', 'GATEWAY_ERROR', 'COMPLETED')),
  ADD CONSTRAINT a_payment_has_a_provider
    CHECK ((kind IN ('PAYMENT', 'REFUND')) = (provider_id IS NOT NULL AND external_reference IS NOT NULL)),
  ADD CONSTRAINT only_a_payment_is_decided
    CHECK ((kind = 'PAYMENT') OR status IN ('PENDING', 'COMPLETED'));
ALTER TABLE wallets.accounts DROP CONSTRAINT one_owner_for_merchants, DROP CONSTRAINT accounts_kind_check,
  ADD CONSTRAINT accounts_kind_check CHECK (kind IN ('wallet', 'provider', 'funding'));
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
       WHERE machine = CASE OLD.kind WHEN 'PAYMENT' THEN 'payment' ELSE 'credit' END
         AND src = OLD.status AND dst = NEW.status) THEN
    RAISE EXCEPTION 'transaction % may not go from % to %', OLD.transaction_id, OLD.status, NEW.status
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
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
