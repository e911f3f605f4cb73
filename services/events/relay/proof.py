"""The gapless proof: of each aggregate, what was committed, numbered, confirmed and consumed."""

from sqlalchemy import text

from chassis.database.pool import Connection, statement
from services.events.relay.contract import Gap, GaplessProof
from services.events.relay.store import Outboxes

_MOST_GAPS = 50
_PROOF = """
WITH listed AS MATERIALIZED ({every}),
own AS (
  SELECT aggregate, aggregate_id, max(aggregate_seq) AS last, count(*) AS committed,
         count(position) AS positioned, count(confirmed_at) AS confirmed,
         coalesce(max(aggregate_seq) FILTER (WHERE confirmed_at IS NOT NULL), 0) AS last_confirmed,
         coalesce(max(position), 0) AS last_position
  FROM listed GROUP BY aggregate, aggregate_id),
wanted AS (
  SELECT c.consumer, t.aggregate, t.aggregate_id, count(*) AS events FROM listed t
  JOIN events.consumers c
    ON t.type = ANY(c.types) OR split_part(t.type, '.', 1) || '.*' = ANY(c.types)
  GROUP BY 1, 2, 3),
taken AS (
  SELECT consumer, aggregate, aggregate_id, count(*) AS events FROM events.inbox
  WHERE (:aggregate ::text IS NULL OR aggregate = :aggregate)
    AND (:aggregate_id ::text IS NULL OR aggregate_id = :aggregate_id)
  GROUP BY 1, 2, 3),
compared AS (
  SELECT consumer, aggregate, aggregate_id, coalesce(t.events, 0) AS events,
         coalesce(w.events, 0) AS wanted, coalesce(t.events, 0) = coalesce(w.events, 0) AS is_whole
  FROM wanted w FULL JOIN taken t USING (consumer, aggregate, aggregate_id)),
each_one AS (
  SELECT aggregate, aggregate_id, jsonb_object_agg(consumer, events) AS consumed,
         jsonb_object_agg(consumer, wanted) AS wanted, bool_and(is_whole) AS is_whole,
         min(consumer) FILTER (WHERE events > wanted) AS took_more
  FROM compared GROUP BY 1, 2),
judged AS (
  SELECT own.*, each_one.consumed, each_one.wanted,
         last = committed AND committed = positioned AND positioned = confirmed
         AND last_confirmed = confirmed AND coalesce(is_whole, true) AS holds,
         CASE WHEN last <> committed THEN 'an event is missing: the last is number ' || last
              WHEN last_confirmed <> confirmed THEN 'published out of order'
              WHEN took_more IS NOT NULL THEN took_more || ' took more than was committed'
              ELSE '' END AS fault
  FROM own LEFT JOIN each_one USING (aggregate, aggregate_id)),
shown AS (
  SELECT * FROM judged WHERE NOT holds
  ORDER BY fault = '', aggregate, aggregate_id LIMIT {most})
SELECT count(*) AS aggregates, count(*) FILTER (WHERE NOT holds) AS gaps,
       count(*) FILTER (WHERE fault <> '') AS faults,
       coalesce(sum(committed), 0)::bigint AS committed,
       coalesce(sum(positioned), 0)::bigint AS positioned,
       coalesce(sum(confirmed), 0)::bigint AS confirmed,
       coalesce(max(last_position), 0)::bigint AS last_position,
       :aggregate ::text IS NOT NULL OR :aggregate_id ::text IS NOT NULL AS is_part,
       (SELECT jsonb_object_agg(consumer, events) FROM
          (SELECT consumer, sum(events) AS events FROM compared GROUP BY 1) c) AS consumed,
       (SELECT jsonb_object_agg(consumer, events) FROM
          (SELECT consumer, sum(wanted) AS events FROM compared GROUP BY 1) c) AS wanted,
       (SELECT jsonb_agg(jsonb_build_object(
          'aggregate', aggregate, 'aggregate_id', aggregate_id, 'last', last,
          'committed', committed, 'positioned', positioned, 'confirmed', confirmed,
          'consumed', coalesce(consumed, '{{}}'), 'wanted', coalesce(wanted, '{{}}'),
          'fault', fault)) FROM shown) AS shown
FROM judged"""


async def prove(
    c: Connection, outboxes: Outboxes, aggregate: str | None, aggregate_id: str | None
) -> GaplessProof:
    """Of all aggregates, or of those asked for."""
    query = statement(text(_query(outboxes.rooms)), "SELECT the gapless proof")
    row = await c.row(query, aggregate=aggregate, aggregate_id=aggregate_id)
    if row is None:
        raise LookupError("the proof has no row")
    consumed, wanted = (
        {name: int(count) for name, count in (row[each] or {}).items()}
        for each in ("consumed", "wanted")
    )
    are_positioned = row["is_part"] or row["positioned"] == row["last_position"]
    return GaplessProof(
        is_gapless=row["gaps"] == 0 and are_positioned,
        is_at_fault=row["faults"] > 0 or not are_positioned,
        aggregates=row["aggregates"],
        aggregates_with_gaps=row["gaps"],
        aggregates_at_fault=row["faults"],
        committed=row["committed"],
        positioned=row["positioned"],
        confirmed=row["confirmed"],
        consumed=consumed,
        wanted=wanted,
        gaps=[Gap(**each) for each in row["shown"] or []],
    )


def _query(rooms: tuple[str, ...]) -> str:
    every = " UNION ALL ".join(
        "SELECT aggregate, aggregate_id, aggregate_seq, type, position, confirmed_at"
        f" FROM {room}.outbox WHERE (:aggregate ::text IS NULL OR aggregate = :aggregate)"
        " AND (:aggregate_id ::text IS NULL OR aggregate_id = :aggregate_id)"
        for room in rooms
    )
    return _PROOF.format(every=every, most=_MOST_GAPS)
