"""The wallet service: money that the shop keeps for its users, and pays to providers for them.

Owns      the schema `wallets`: wallets and their balances, every user's history, the ledger in
          double entry with a hash chain for each wallet, holds, API keys, idempotency keys, events.
Calls     the acquirer, at the account `sk_test_wallets`, through `gateways/`.
Promises  that a wallet never spends what it does not have, whoever pays from it at the same time;
          that a payment is taken once or given back once; that an outcome that is not known keeps
          its hold until it is found out; that every balance there ever was can be read again.
Start at  `paying.py` (a payment in two transactions with the gateway between them), then
          `sealer.py`. Money moves in the database: a row of `wallets.transfers` posts itself
          (infra/migrations/sql/0019_wallets.up.sql, `post_transfer`).
"""
