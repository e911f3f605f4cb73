-- Payments are listed newest first, found by the name of their request, and asked what another policy
-- would have done with the last of them.
CREATE INDEX payments_newest ON payments.payments (created_at DESC, payment_id DESC);
CREATE INDEX requests_by_name ON payments.requests (request_id);
CREATE INDEX plans_newest ON payments.plans (at DESC);
