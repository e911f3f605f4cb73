"""The guards of the database: the triggers, functions, constraints, indexes and transitions that
refuse what a service must never do.

`guards.json` has those that the migrations make, as {guard: how it was made}; `make render` writes
it from a fresh database. It says the same on every version of PostgreSQL, so of an expression it
has the columns and not the text, and of a function the digest of its source.
"""

from pathlib import Path

from topology import SHOP

FILE = Path(__file__).with_name("guards.json")
MADE = FILE.read_text(encoding="utf-8")

# Of the shop's own processes, and those that several of them share; the acquirer is the world
# outside. Of `public` only one table is ours.
_SCHEMAS = (*(each.schema for each in SHOP if each.schema), "gateway", "proof", "dashboard")
_OURS = f"""\
SELECT c.oid, n.nspname || '.' || c.relname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND (n.nspname = ANY ('{{{",".join(_SCHEMAS)}}}')
       OR (n.nspname, c.relname) = ('public', 'shop'))"""  # noqa: S608 - constants
# A foreign key is as good as the triggers that keep it.
FOUND = f"""\
WITH ours AS (
{_OURS}
), triggers AS (
SELECT t.oid, t.tgname, t.tgenabled, t.tgtype, t.tgdeferrable, t.tginitdeferred,
       t.tgqual IS NOT NULL AS has_condition, ours.name AS place, p.oid AS function,
       n.nspname || '.' || p.proname AS calls,
       encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex') AS source, l.lanname
FROM ours JOIN pg_trigger t ON t.tgrelid = ours.oid AND NOT t.tgisinternal
JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
), read_columns AS (
SELECT d.classid, d.objid, string_agg(DISTINCT a.attname, ',' ORDER BY a.attname) AS names
FROM pg_depend d JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.refobjid, d.refobjsubid)
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
  AND (d.classid = 'pg_trigger'::regclass AND d.objid IN (SELECT oid FROM triggers)
       OR d.classid = 'pg_class'::regclass AND d.objid IN (
         SELECT indexrelid FROM pg_index JOIN ours ON ours.oid = indrelid))
GROUP BY d.classid, d.objid
)
SELECT 'trigger ' || tgname || ' on ' || place AS guard,
       concat_ws(' ', calls, 'type', tgtype, 'enabled', tgenabled,
         CASE WHEN has_condition THEN 'when ' || coalesce(r.names, 'nothing') END,
         CASE WHEN tgdeferrable THEN 'deferrable' END,
         CASE WHEN tginitdeferred THEN 'deferred' END) AS found
FROM triggers t LEFT JOIN read_columns r ON (r.classid, r.objid) = ('pg_trigger'::regclass, t.oid)
UNION
SELECT 'function ' || calls, lanname || ' ' || source FROM triggers
UNION ALL
SELECT 'constraint ' || k.conname || ' on ' || ours.name,
       concat_ws(' ', CASE k.contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' ELSE
         'exclude' END,
         (SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute
          WHERE attrelid = k.conrelid AND attnum = ANY (k.conkey)),
         (SELECT to_.name FROM ours to_ WHERE to_.oid = k.confrelid),
         CASE WHEN NOT k.convalidated THEN 'not validated' END,
         (SELECT 'off' WHERE EXISTS (SELECT FROM pg_trigger t WHERE t.tgconstraint = k.oid
                                     AND t.tgenabled <> 'O')))
FROM ours JOIN pg_constraint k ON k.conrelid = ours.oid AND k.contype IN ('c', 'f', 'x')
UNION ALL
SELECT 'index ' || c.relname || ' on ' || ours.name,
       concat_ws(' ', CASE WHEN i.indisunique THEN 'unique' END,
         (SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute
          WHERE attrelid = i.indrelid AND attnum = ANY (i.indkey)),
         CASE WHEN i.indpred IS NOT NULL THEN 'where ' || r.names END,
         CASE WHEN NOT i.indisvalid THEN 'not valid' END,
         CASE WHEN NOT i.indimmediate THEN 'deferrable' END)
FROM ours JOIN pg_index i ON i.indrelid = ours.oid AND (i.indisunique OR i.indpred IS NOT NULL)
JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN read_columns r ON (r.classid, r.objid) = ('pg_class'::regclass, i.indexrelid)
UNION ALL
SELECT 'mark on ' || ours.name, pg_get_expr(d.adbin, d.adrelid)
FROM ours JOIN pg_attribute a ON a.attrelid = ours.oid AND a.attname = 'changed_in'
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
UNION ALL
SELECT 'rule ' || w.rulename || ' on ' || ours.name, 'enabled ' || w.ev_enabled::text
FROM ours JOIN pg_rewrite w ON w.ev_class = ours.oid
UNION ALL
SELECT 'order from ' || src || ' to ' || dst, 'transition' FROM orders.transitions
UNION ALL
SELECT 'reservation from ' || src || ' to ' || dst, 'transition' FROM inventory.transitions
UNION ALL
SELECT machine || ' from ' || src || ' to ' || dst, 'transition' FROM payments.transitions
UNION ALL
SELECT 'wallet ' || machine || ' from ' || src || ' to ' || dst, 'transition'
FROM wallets.transitions"""  # noqa: S608 - constants
