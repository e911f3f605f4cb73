-- A merchant with two accounts: its payments can be divided between them. It may be there already, from
-- before this migration was taken back.
INSERT INTO payments.merchants (merchant_id, method, chain, budget_ms, policy_version)
SELECT 'm2', method, '{alfa,bravo}', budget_ms, policy_version FROM payments.merchants WHERE merchant_id = 'm1'
ON CONFLICT (merchant_id) DO NOTHING;
