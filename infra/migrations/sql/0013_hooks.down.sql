-- The older program asks what became of a payment, and needs no event for that. Of the accounts' files
-- nothing is kept.
ALTER TABLE proof.chain DISABLE TRIGGER USER;
DELETE FROM proof.chain WHERE format > 3;
ALTER TABLE proof.chain ENABLE ALWAYS TRIGGER chain_is_append_only, ENABLE ALWAYS TRIGGER refuse_truncation;

DROP TABLE payments.reconciliation_breaks, payments.settlement_lines, payments.reconciliation_runs,
  payments.provider_events, payments.webhook_endpoints;
DROP FUNCTION payments.guard_event();
DROP FUNCTION payments.guard_break();
DROP FUNCTION proof.mark_provider_events();
DROP FUNCTION proof.mark_reconciliation_runs();
DROP FUNCTION proof.mark_settlement_lines();
DROP FUNCTION proof.mark_reconciliation_breaks();
DROP INDEX payments.attempts_by_ref;
DROP INDEX acquirer.events_by_object;
DELETE FROM payments.secrets WHERE name LIKE 'webhook %';
ALTER TABLE payments.secrets DROP CONSTRAINT secrets_value_check,
  ADD CONSTRAINT secrets_value_check CHECK (length(value) = 32);
