-- Each endpoint has places of its own, so what is due is looked for endpoint by endpoint.
-- services/events/webhook_sender/store.py claims with the same words.
DROP INDEX webhooks.deliveries_due;
CREATE INDEX deliveries_due ON webhooks.deliveries (endpoint_id, next_attempt_at) WHERE state = 'WAITING';
-- How many deliveries of an endpoint are in a state is counted here.
CREATE INDEX deliveries_of_endpoint ON webhooks.deliveries (endpoint_id, state);
