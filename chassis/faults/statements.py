"""The gremlin statements, the same for every service but for its schema."""

from sqlalchemy import text

from chassis.database.pool import Statement, statement

_COLUMNS = (
    "name, kind, routes, probability, delay_ms, jitter_ms, status, started_by, started_at,"
    " expires_at, extract(epoch FROM expires_at - now())::float8 AS remaining_s"
)
# What has expired ends in the statement that reads the rest.
_ACTIVE = """
    WITH gone AS (DELETE FROM {gremlins} WHERE expires_at <= now() RETURNING *),
    noted AS (
      INSERT INTO {audit} (action, name, kind, actor, detail)
      SELECT 'expired', name, kind, 'clock', to_jsonb(gone) FROM gone)
    SELECT {columns} FROM {gremlins} WHERE expires_at > now() ORDER BY name
"""
_LOCK = "LOCK TABLE {gremlins} IN SHARE ROW EXCLUSIVE MODE"
_COUNT_OTHERS = "SELECT count(*) FROM {gremlins} WHERE expires_at > now() AND name <> :name"
_PUT = """
    INSERT INTO {gremlins} AS g (name, kind, routes, probability, delay_ms, jitter_ms, status,
                                 started_by, expires_at)
    VALUES (:name, :kind, :routes, :probability, :delay_ms, :jitter_ms, :status, :actor,
            now() + make_interval(secs => :ttl_s))
    ON CONFLICT (name) DO UPDATE SET
      kind = excluded.kind, routes = excluded.routes, probability = excluded.probability,
      delay_ms = excluded.delay_ms, jitter_ms = excluded.jitter_ms, status = excluded.status,
      started_by = excluded.started_by, started_at = now(), expires_at = excluded.expires_at
    RETURNING {columns}, (xmax = 0) AS is_new
"""
_REMOVE = """
    WITH gone AS (DELETE FROM {gremlins} WHERE :name = '*' OR name = :name RETURNING *)
    INSERT INTO {audit} (action, name, kind, actor, detail)
    SELECT 'calmed', name, kind, :actor, to_jsonb(gone) FROM gone
"""
_NOTE = """
    INSERT INTO {audit} (action, name, kind, actor, detail)
    VALUES (:action, :name, :kind, :actor, :detail)
"""
_AUDIT = "SELECT at, action, name, kind, actor, detail FROM {audit} ORDER BY id DESC LIMIT 100"


class Statements:
    """The gremlin statements of one schema; the schema's name is a constant of ours."""

    def __init__(self, schema: str) -> None:
        gremlins, audit = f"{schema}.gremlins", f"{schema}.gremlin_audit"

        def compiled(sql: str, name: str) -> Statement:
            filled = sql.format(columns=_COLUMNS, gremlins=gremlins, audit=audit)
            return statement(text(filled), name)

        self.active = compiled(_ACTIVE, f"SELECT {gremlins}")
        self.lock = compiled(_LOCK, f"LOCK {gremlins}")
        self.count_others = compiled(_COUNT_OTHERS, f"SELECT {gremlins}")
        self.put = compiled(_PUT, f"UPSERT {gremlins}")
        self.remove = compiled(_REMOVE, f"DELETE {gremlins}")
        self.note = compiled(_NOTE, f"INSERT {audit}")
        self.audit = compiled(_AUDIT, f"SELECT {audit}")
