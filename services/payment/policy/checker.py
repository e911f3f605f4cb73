"""CEL's own checker over a condition: its grammar, its types, and the program that is run."""

import functools
import re
from collections.abc import Mapping

from cel_expr_python import cel

from services.payment.policy.condition import FUNCTIONS, USES
from services.payment.policy.rules import MistakeCode
from services.payment.policy.variables import VARIABLES

# Everything that CEL's own environment then knows; the names are the checker's.
_ENVIRONMENT = """
stdlib:
  include_macros: []
  include_functions:
    - {name: "_&&_"}
    - {name: "_||_"}
    - {name: "!_"}
    - {name: "_==_"}
    - {name: "_!=_"}
    - {name: "_<_", overloads: [{id: less_int64}, {id: less_double}, {id: less_string}]}
    - {name: "_<=_", overloads: [
        {id: less_equals_int64}, {id: less_equals_double}, {id: less_equals_string}]}
    - {name: "_>_", overloads: [
        {id: greater_int64}, {id: greater_double}, {id: greater_string}]}
    - {name: "_>=_", overloads: [
        {id: greater_equals_int64}, {id: greater_equals_double}, {id: greater_equals_string}]}
    - {name: "_+_", overloads: [{id: add_int64}, {id: add_double}]}
    - {name: "_-_", overloads: [{id: subtract_int64}, {id: subtract_double}]}
    - {name: "_*_", overloads: [{id: multiply_int64}, {id: multiply_double}]}
    - {name: "_/_", overloads: [{id: divide_int64}]}
    - {name: "_%_", overloads: [{id: modulo_int64}]}
    - {name: "@in"}
    - {name: startsWith}
    - {name: endsWith}
    - {name: contains}
    - {name: double, overloads: [{id: int64_to_double}]}
"""
_TYPES = {"int": cel.Type.INT, "double": cel.Type.DOUBLE, "string": cel.Type.STRING}

_ERROR = re.compile(r"<input>:(-?\d+):(-?\d+): (.*)")
_OVERLOAD = re.compile(r"overload for '(.*)' applied to '(.*)'")
_UNDECLARED = re.compile(r"undeclared reference to '(\w+)'")
_UNEXPECTED = re.compile(r"(?:input|at:) '(.*?)'(?: expecting .*)?$")


class NotCel(Exception):
    """The condition is not CEL, or not a question of yes and no: `column` counts from 1."""

    def __init__(self, column: int, code: MistakeCode, message: str) -> None:
        super().__init__(message)
        self.column, self.code, self.message = column, code, message


@functools.cache
def _environment() -> cel.Env:
    """Made once, when the first condition is read: it takes some 50 ms."""
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(_ENVIRONMENT),
        variables={each.name: _TYPES[each.type] for each in VARIABLES},
    )


def program(condition: str) -> cel.Expression:
    """The condition compiled, or `NotCel`. Its type is boolean; a run may still end in an error."""
    try:
        expression = _environment().compile(condition)
    except RuntimeError as failure:
        raise _explained(str(failure)) from None
    if expression.return_type() != cel.Type.BOOL:
        kind = expression.return_type().name().lower()
        raise NotCel(1, "type", f"a condition is true or false, and this is of type {kind}")
    return expression


def _explained(message: str) -> NotCel:
    """CEL's first complaint, in plainer words."""
    if "recursion" in message:
        return NotCel(1, "too-deep", "the condition is nested too deeply: make two rules of it")
    found = _ERROR.search(message)
    if found is None:
        return NotCel(1, "syntax", message.splitlines()[0])
    column, complaint = int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    if complaint.startswith("Syntax error"):
        named = _UNEXPECTED.search(complaint)
        unexpected = named[1] if named else ""
        if unexpected in ("", "<EOF>"):
            return NotCel(column, "syntax", "something is missing here")
        return NotCel(column, "syntax", f"did not expect {unexpected} here")
    if complaint == "invalid int literal":
        return NotCel(column, "type", "a whole number is less than 9223372036854775808")
    undeclared = _UNDECLARED.search(complaint)
    if undeclared and undeclared[1] in FUNCTIONS:
        return NotCel(column, "type", f"{undeclared[1]} is used like this: {USES[undeclared[1]]}")
    overload = _OVERLOAD.search(complaint)
    if overload:
        types = overload[2]
        message = f"{overload[1].strip('_@')} cannot be applied to {types}"
        if {"int", "double"} <= set(re.findall(r"\w+", types)):
            message += ": write 1.0 beside a double, and double(amount) for a whole number"
        return NotCel(column, "type", message)
    return NotCel(column, "type", complaint)


def activation(inputs: Mapping[str, int | float | str]) -> cel.Activation:
    """The values of the variables, for every condition that is asked about them."""
    return _environment().Activation(data=inputs)
