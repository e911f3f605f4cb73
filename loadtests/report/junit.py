"""The verdict as JUnit XML, which every build machine can show."""

from xml.sax.saxutils import escape, quoteattr

from loadtests.judge import Judgement


def junit(judgement: Judgement) -> str:
    """One test case a part of the verdict: broken is a failure, unknown an error."""
    parts, ran = judgement.verdict.parts, judgement.ran
    broken = sum(part.answer == "broken" for part in parts)
    unknown = sum(part.answer == "unknown" for part in parts)
    name = quoteattr(f"load {judgement.plan.profile}")
    counts = f'tests="{len(parts)}" failures="{broken}" errors="{unknown}"'
    head = f'<testsuite name={name} time="{ran.ended_s - ran.began_s:.3f}" {counts}>'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head]
    for part in parts:
        case = f"  <testcase classname={name} name={quoteattr(part.name)}"
        if part.answer == "kept":
            lines.append(f"{case}/>")
        else:
            tag = "failure" if part.answer == "broken" else "error"
            lines.append(f"{case}><{tag} message={quoteattr(part.detail)}/></testcase>")
    notes = escape("\n".join(judgement.verdict.notes))
    return "\n".join([*lines, f"  <system-out>{notes}</system-out>", "</testsuite>", ""])
