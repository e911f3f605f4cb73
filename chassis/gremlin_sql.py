"""The gremlin statements, the same for every service but for its schema."""

from sqlalchemy import text

from chassis.database import statement


class Statements:
    """The gremlin statements of one schema."""

    def __init__(self, schema: str) -> None:
        columns = (
            "name, kind, routes, probability, delay_ms, jitter_ms, status, started_by, started_at,"
            " expires_at, extract(epoch FROM expires_at - now())::float8 AS remaining_s"
        )
        gremlins, audit = f"{schema}.gremlins", f"{schema}.gremlin_audit"
        self.active = statement(
            text(f"SELECT {columns} FROM {gremlins} WHERE expires_at > now() ORDER BY name"),
            f"SELECT {gremlins}",
        )
        self.expire = statement(
            text(
                f"WITH gone AS (DELETE FROM {gremlins} WHERE expires_at <= now() RETURNING *)"
                f" INSERT INTO {audit} (action, name, kind, actor, detail)"
                " SELECT 'expired', name, kind, 'clock', to_jsonb(gone) FROM gone"
            ),
            f"DELETE {gremlins}",
        )
        self.put = statement(
            text(
                f"INSERT INTO {gremlins} AS g (name, kind, routes, probability, delay_ms,"
                " jitter_ms, status, started_by, expires_at)"
                " VALUES (:name, :kind, :routes, :probability,"
                " :delay_ms, :jitter_ms, :status, :actor, now() + make_interval(secs => :ttl_s))"
                " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, routes = excluded.routes,"
                " probability = excluded.probability, delay_ms = excluded.delay_ms,"
                " jitter_ms = excluded.jitter_ms, status = excluded.status,"
                " started_by = excluded.started_by, started_at = now(),"
                " expires_at = excluded.expires_at"
                f" RETURNING {columns}, (xmax = 0) AS is_new"
            ),
            f"UPSERT {gremlins}",
        )
        self.remove = statement(
            text(
                f"WITH gone AS (DELETE FROM {gremlins}"
                " WHERE :name = '*' OR name = :name RETURNING *)"
                f" INSERT INTO {audit} (action, name, kind, actor, detail)"
                " SELECT 'calmed', name, kind, :actor, to_jsonb(gone) FROM gone"
            ),
            f"DELETE {gremlins}",
        )
        self.note = statement(
            text(
                f"INSERT INTO {audit} (action, name, kind, actor, detail)"
                " VALUES (:action, :name, :kind, :actor, :detail)"
            ),
            f"INSERT {audit}",
        )
        self.audit = statement(
            text(
                "SELECT at, action, name, kind, actor, detail"
                f" FROM {audit} ORDER BY id DESC LIMIT 100"
            ),
            f"SELECT {audit}",
        )
