ALTER TABLE payments.attempt_history DROP CONSTRAINT attempt_history_pkey, ADD PRIMARY KEY (id);
CREATE INDEX attempt_history_by_attempt ON payments.attempt_history (payment_id, leg_n, n, id);
DO $$
DECLARE
  room text;
BEGIN
  FOR room IN
    SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'outbox' AND c.relkind = 'r'
  LOOP
    EXECUTE format('DROP INDEX %I.outbox_position_key', room);
    EXECUTE format('ALTER TABLE %I.outbox ADD CONSTRAINT outbox_position_key UNIQUE (position)', room);
  END LOOP;
END $$;
-- Orders that were confirmed at once meanwhile keep a step in their history that is no longer listed.
DELETE FROM orders.transitions WHERE (src, dst) = ('PENDING', 'CONFIRMED');
