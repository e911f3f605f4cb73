"""Promises about what operators asked for, beside gremlins: who did it, and what came of it."""

from proof.invariant import Invariant

WHAT_WAS_ASKED_ENDS_ONCE = Invariant(
    id="L1",
    kind="A",
    title="What operators asked for ends once",
    promise="In the operators' audit log an end names what was asked for before, of the same kind "
    "and process, and nothing ends twice; a process is back, or lost, only after somebody had it "
    "stopped.",
    sql="""\
SELECT 'ends nothing that was asked' AS what, e.id, e.what AS kind, e.process, e.action, e.actor,
       e.about, e.at
FROM dashboard.operations e LEFT JOIN dashboard.operations asked ON asked.id = e.about
WHERE (e.about IS NOT NULL OR e.action IN ('back', 'lost'))
  AND (asked.id IS NULL OR asked.id >= e.id OR asked.about IS NOT NULL OR asked.what <> e.what
       OR asked.process IS DISTINCT FROM e.process)
UNION ALL
SELECT 'ended twice', e.id, e.what, e.process, e.action, e.actor, e.about, e.at
FROM dashboard.operations e JOIN dashboard.operations first USING (about)
WHERE first.id < e.id""",
    enforced_by="foreign key and unique index; whoever ends it takes it away first",
    reads="everything",
)

INVARIANTS = (WHAT_WAS_ASKED_ENDS_ONCE,)
