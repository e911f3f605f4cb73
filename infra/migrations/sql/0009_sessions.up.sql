-- What the dashboard's processes must agree on, and no other process reads.
CREATE SCHEMA dashboard;

-- Random keys, made by the first dashboard that needs one.
CREATE TABLE dashboard.secrets (
  name    text PRIMARY KEY,
  value   bytea NOT NULL CHECK (length(value) = 32),
  made_at timestamptz NOT NULL DEFAULT now()
);

-- Operators who are signed in. Neither their cookie nor the token can be worked out from a row: it
-- has the cookie's SHA-256, and the token's HMAC under the cookie.
CREATE TABLE dashboard.sessions (
  id        bytea PRIMARY KEY CHECK (length(id) = 32),
  visitor   text NOT NULL,
  token     bytea NOT NULL CHECK (length(token) = 32),
  opened_at timestamptz NOT NULL DEFAULT now(),
  seen_at   timestamptz NOT NULL DEFAULT now()
);
