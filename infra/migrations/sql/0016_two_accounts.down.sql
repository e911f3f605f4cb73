-- What was paid stays on record, and so does whom it was paid to.
DELETE FROM payments.merchants m WHERE merchant_id = 'm2'
  AND NOT EXISTS (SELECT FROM payments.requests r WHERE r.merchant_id = m.merchant_id)
  AND NOT EXISTS (SELECT FROM payments.plans p WHERE p.merchant_id = m.merchant_id);
