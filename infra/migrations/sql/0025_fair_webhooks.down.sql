DROP INDEX webhooks.deliveries_of_endpoint;
DROP INDEX webhooks.deliveries_due;
CREATE INDEX deliveries_due ON webhooks.deliveries (next_attempt_at) WHERE state = 'WAITING';
