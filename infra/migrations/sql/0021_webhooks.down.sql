-- Merchants ask again; what was brought to them stays brought. Events name no merchant any more.
DROP SCHEMA webhooks CASCADE;
DROP TRIGGER emit_merchants_payment ON payments.payments;
DROP TRIGGER emit_new_payment ON payments.payments;
CREATE OR REPLACE FUNCTION payments.emit_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  fact jsonb := jsonb_build_object(
    'payment_id', NEW.payment_id, 'order_id', NEW.order_id, 'amount_minor', NEW.amount_minor,
    'currency', NEW.currency);
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO payments.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, payload)
    VALUES ('payment', NEW.payment_id, 1, 'payment.created', NEW.traceparent, fact);
  END IF;
  IF NEW.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') THEN
    INSERT INTO payments.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, payload)
    SELECT 'payment', NEW.payment_id, coalesce(max(aggregate_seq), 0) + 1,
           CASE NEW.state WHEN 'SUCCEEDED' THEN 'payment.completed' ELSE 'payment.failed' END, NEW.traceparent,
           CASE NEW.state WHEN 'SUCCEEDED' THEN fact
                ELSE fact || jsonb_build_object('state', NEW.state, 'decline_code', NEW.decline_code) END
    FROM payments.outbox WHERE aggregate = 'payment' AND aggregate_id = NEW.payment_id::text;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER emit_new_payment AFTER INSERT ON payments.payments
  FOR EACH ROW WHEN (NEW.amount_minor IS NOT NULL) EXECUTE FUNCTION payments.emit_payment();
CREATE OR REPLACE FUNCTION payments.emit_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Whoever orders a refund has moved the payment before, and so holds its row; the number must not
  -- hang on that.
  PERFORM FROM payments.payments WHERE payment_id = NEW.payment_id FOR UPDATE;
  INSERT INTO payments.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, payload)
  SELECT 'payment', p.payment_id,
         1 + (SELECT coalesce(max(aggregate_seq), 0) FROM payments.outbox
              WHERE aggregate = 'payment' AND aggregate_id = p.payment_id::text),
         'refund.created', p.traceparent,
         jsonb_build_object('payment_id', p.payment_id, 'order_id', p.order_id, 'leg_n', NEW.leg_n,
                            'attempt_n', NEW.n, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency)
  FROM payments.payments p WHERE p.payment_id = NEW.payment_id;
  RETURN NULL;
END $$;
