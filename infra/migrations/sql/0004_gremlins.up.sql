-- Faults live in the database, one table a service, so that every worker and replica agrees.

CREATE TABLE orders.gremlins (
  name        text PRIMARY KEY,
  kind        text NOT NULL CHECK (kind IN ('latency', 'late', 'error', 'lost_response', 'refuse', 'hang',
                                            'duplicate', 'slow_database')),
  routes      text[] NOT NULL,
  probability double precision NOT NULL CHECK (probability > 0 AND probability <= 1),
  delay_ms    int NOT NULL DEFAULT 0 CHECK (delay_ms BETWEEN 0 AND 60000),
  jitter_ms   int NOT NULL DEFAULT 0 CHECK (jitter_ms BETWEEN 0 AND 60000),
  status      int NOT NULL DEFAULT 503 CHECK (status IN (500, 503)),
  started_by  text NOT NULL,
  started_at  timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz NOT NULL,
  -- Every gremlin ends by itself, within the hour.
  CONSTRAINT always_expires CHECK (expires_at > started_at AND expires_at <= started_at + interval '60 minutes')
);
CREATE TABLE orders.gremlin_audit (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  action text NOT NULL CHECK (action IN ('started', 'changed', 'calmed', 'expired')),
  name   text NOT NULL,
  kind   text NOT NULL,
  actor  text NOT NULL,
  detail jsonb NOT NULL
);

CREATE TABLE inventory.gremlins (
  name        text PRIMARY KEY,
  kind        text NOT NULL CHECK (kind IN ('latency', 'late', 'error', 'lost_response', 'refuse', 'hang',
                                            'duplicate', 'slow_database')),
  routes      text[] NOT NULL,
  probability double precision NOT NULL CHECK (probability > 0 AND probability <= 1),
  delay_ms    int NOT NULL DEFAULT 0 CHECK (delay_ms BETWEEN 0 AND 60000),
  jitter_ms   int NOT NULL DEFAULT 0 CHECK (jitter_ms BETWEEN 0 AND 60000),
  status      int NOT NULL DEFAULT 503 CHECK (status IN (500, 503)),
  started_by  text NOT NULL,
  started_at  timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz NOT NULL,
  -- Every gremlin ends by itself, within the hour.
  CONSTRAINT always_expires CHECK (expires_at > started_at AND expires_at <= started_at + interval '60 minutes')
);
CREATE TABLE inventory.gremlin_audit (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  action text NOT NULL CHECK (action IN ('started', 'changed', 'calmed', 'expired')),
  name   text NOT NULL,
  kind   text NOT NULL,
  actor  text NOT NULL,
  detail jsonb NOT NULL
);

CREATE TABLE payments.gremlins (
  name        text PRIMARY KEY,
  kind        text NOT NULL CHECK (kind IN ('latency', 'late', 'error', 'lost_response', 'refuse', 'hang',
                                            'duplicate', 'slow_database')),
  routes      text[] NOT NULL,
  probability double precision NOT NULL CHECK (probability > 0 AND probability <= 1),
  delay_ms    int NOT NULL DEFAULT 0 CHECK (delay_ms BETWEEN 0 AND 60000),
  jitter_ms   int NOT NULL DEFAULT 0 CHECK (jitter_ms BETWEEN 0 AND 60000),
  status      int NOT NULL DEFAULT 503 CHECK (status IN (500, 503)),
  started_by  text NOT NULL,
  started_at  timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz NOT NULL,
  -- Every gremlin ends by itself, within the hour.
  CONSTRAINT always_expires CHECK (expires_at > started_at AND expires_at <= started_at + interval '60 minutes')
);
CREATE TABLE payments.gremlin_audit (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  action text NOT NULL CHECK (action IN ('started', 'changed', 'calmed', 'expired')),
  name   text NOT NULL,
  kind   text NOT NULL,
  actor  text NOT NULL,
  detail jsonb NOT NULL
);
