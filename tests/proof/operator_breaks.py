"""How the promise about what operators asked for is broken."""

from tests.proof.breaks import Break

_LINE = "INSERT INTO dashboard.operations (what, action, actor, detail, process, about)"
_KILLED = f"{_LINE} VALUES ('process', 'killed', 'ada', '', 'order', NULL);"
_BACK = (
    f"{_LINE} SELECT 'process', 'back', 'ada', '', '{{of}}', max(id) FROM dashboard.operations"
    " WHERE action = 'killed';"
)

OPERATOR_BREAKS = (
    Break(
        "L1",
        "a process that is back twice",
        "ALTER TABLE dashboard.operations DROP CONSTRAINT ends_once;"
        f"{_KILLED}{_BACK.format(of='order')}{_BACK.format(of='order')}",
        ("what", "ended twice"),
    ),
    Break(
        "L1",
        "a process that is back, and nobody had it stopped",
        "ALTER TABLE dashboard.operations DROP CONSTRAINT ends_what_was_asked;"
        f"{_LINE} VALUES ('process', 'back', 'ada', '', 'order', 0)",
        ("process", "order"),
    ),
    Break(
        "L1",
        "another process is back than the one that was killed",
        f"{_KILLED}{_BACK.format(of='payment')}",
        ("process", "payment"),
    ),
    Break(
        "L1",
        "traffic that ends what was a profile",
        f"{_LINE} VALUES ('load', 'started', 'ada', 'smoke', NULL, NULL);"
        f"{_LINE} SELECT 'traffic', 'stopped', 'ada', '', NULL, max(id) FROM dashboard.operations",
        ("kind", "traffic"),
    ),
)
