DROP INDEX payments.payments_newest, payments.requests_by_name, payments.plans_newest;
