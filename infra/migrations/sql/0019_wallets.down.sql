-- The account at the acquirer stays: what it was paid is the outside's to remember.
DROP SCHEMA wallets CASCADE;
