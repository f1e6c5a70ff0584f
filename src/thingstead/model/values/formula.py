"""Formulas: an expression over attributes, compiled to closures. It has no names but attributes and ten functions, no
loops, and no way to anything outside of its values.

    expression := or;  or := and {"or" and};  and := not {"and" not};  not := ["not"] comparison
    comparison := bits [("<" | "<=" | ">" | ">=" | "==" | "!=") bits];  bits := shifts {("|" | "&") shifts}
    shifts := sum {("<<" | ">>") sum};  sum := product {("+" | "-") product}
    product := sign {("*" | "/" | "//" | "%") sign};  sign := {"-" | "+"} value
    value := number | text | "true" | "false" | attribute | "{" attribute "}" | "(" expression ")"
             | function "(" expression {"," expression} ")"
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from thingstead.model.values.scaling import NUMBER_MAX, NUMBER_MIN

LENGTH = 500  # characters
DEPTH = 24  # of nested parentheses, signs and functions
SHIFT = 63  # bits
INTEGER_BITS = 1024  # of what is computed on the way; bounds the cost of a formula
_WIDEST = 1 << INTEGER_BITS

Values = Mapping[str, Any]
Node = Callable[[Values], Any]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z0-9_-]{1,64})\}"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<sign><<|>>|<=|>=|==|!=|//|[-+*/%()<>|&,]))",
    re.ASCII,
)
_SPACE = re.compile(r"\s*")


class FormulaError(Exception):
    """A formula cannot be compiled.

    Attributes:
        position: of the character, from 1.
        found: what stands there; empty: the end.
    """

    def __init__(self, position: int, found: str) -> None:
        self.position = position
        self.found = found
        super().__init__(f"at character {position}: {found!r}")


class NoResult(Exception):
    """A formula has no result for these values."""


class Formula(NamedTuple):
    """A compiled formula. ``value`` raises KeyError for an attribute without a value, and NoResult."""

    reads: frozenset[str]
    value: Node


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def compile_formula(text: str) -> Formula:
    """Compiles a formula. Raises FormulaError."""
    if len(text) > LENGTH:
        raise FormulaError(LENGTH + 1, text[LENGTH : LENGTH + 20])
    parser = _Parser(_tokens(text))
    node = parser.expression()
    parser.end()
    return Formula(frozenset(parser.reads), node)


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    offset = 0
    while (offset := _past_space(text, offset)) < len(text):
        match = _TOKEN.match(text, offset)
        if match is None or match.lastgroup is None:
            raise FormulaError(offset + 1, text[offset : offset + 20])
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        offset = match.end()
    return [*found, _Token("end", "", len(text) + 1)]


def _past_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return offset if match is None else match.end()


class _Parser:
    """Recursive descent; each method makes the node of its rule."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._depth = 0
        self.reads: set[str] = set()

    def expression(self) -> Node:
        node = self._and()
        while self._accepts("or"):
            node = _or(node, self._and())
        return node

    def end(self) -> None:
        """Raises FormulaError unless everything was read."""
        if self._token.kind != "end":
            self._fail()

    @property
    def _token(self) -> _Token:
        return self._tokens[self._index]

    def _fail(self) -> None:
        raise FormulaError(self._token.position, self._token.text[:20])

    def _accepts(self, *texts: str) -> str:
        """Takes a sign or word, if it is the next one."""
        token = self._token
        if token.text in texts and token.kind in ("sign", "name"):
            self._index += 1
            return token.text
        return ""

    def _needs(self, text: str) -> None:
        if not self._accepts(text):
            self._fail()

    def _and(self) -> Node:
        node = self._not()
        while self._accepts("and"):
            node = _and(node, self._not())
        return node

    def _not(self) -> Node:
        if not self._accepts("not"):
            return self._comparison()
        with_not = self._deeper(self._not)
        return lambda values: not _truth(with_not(values))

    def _comparison(self) -> Node:
        node = self._level(0)
        sign = self._accepts(*_COMPARISONS)
        if not sign:
            return node
        return _compared(_COMPARISONS[sign], sign in ("==", "!="), node, self._level(0))

    def _level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._sign()
        node = self._level(level + 1)
        while sign := self._accepts(*_LEVELS[level]):
            node = _binary(_LEVELS[level][sign], node, self._level(level + 1))
        return node

    def _sign(self) -> Node:
        if self._accepts("+"):
            return self._deeper(self._sign)
        if not self._accepts("-"):
            return self._value()
        node = self._deeper(self._sign)
        return lambda values: -_number(node(values))

    def _deeper(self, rule: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > DEPTH:
            self._fail()
        node = rule()
        self._depth -= 1
        return node

    def _value(self) -> Node:
        token = self._token
        if self._accepts("("):
            node = self._deeper(self.expression)
            self._needs(")")
            return node
        self._index += 1
        if token.kind == "number":
            return _constant(_read_number(token))
        if token.kind == "text":
            return _constant(token.text[1:-1])
        if token.kind == "braced":
            return self._attribute(token.text)
        if token.kind == "name" and token.text not in _WORDS:
            if self._token.text == "(" and self._token.kind == "sign":
                return self._function(token)
            return self._attribute(token.text)
        if token.text in ("true", "false") and token.kind == "name":
            return _constant(token.text == "true")
        self._index -= 1
        self._fail()
        raise AssertionError

    def _attribute(self, name: str) -> Node:
        self.reads.add(name)
        return _value_of(name)

    def _function(self, token: _Token) -> Node:
        least, most, function = _FUNCTIONS.get(token.text, (0, 0, None))
        if function is None:
            raise FormulaError(token.position, token.text[:20])
        self._needs("(")
        arguments = [self._deeper(self.expression)]
        while self._accepts(","):
            arguments.append(self._deeper(self.expression))
        self._needs(")")
        if not least <= len(arguments) <= most:
            raise FormulaError(token.position, token.text[:20])
        if token.text == "if":
            return _if(*arguments)
        return lambda values: _safe(function, [_number(argument(values)) for argument in arguments])


def _read_number(token: _Token) -> int | float:
    if token.text.isdecimal():
        return int(token.text)
    value = float(token.text)
    if not math.isfinite(value):
        raise FormulaError(token.position, token.text[:20])
    return value


def _value_of(name: str) -> Node:
    def node(values: Values) -> Any:
        value = values[name]
        if type(value) is int and not NUMBER_MIN <= value <= NUMBER_MAX:
            raise NoResult  # a report is not checked yet
        return value

    return node


def _constant(value: Any) -> Node:
    return lambda values: value


def _number(value: Any) -> int | float:
    if type(value) is int or type(value) is float:
        return value
    if value is True or value is False:
        return int(value)
    raise NoResult


def _truth(value: Any) -> bool:
    if isinstance(value, bool | int | float):
        return bool(value)
    raise NoResult


def _safe(function: Callable[..., Any], arguments: list[int | float]) -> Any:
    try:
        return function(*arguments)
    except (ArithmeticError, ValueError, TypeError):
        raise NoResult from None


def _binary(function: Callable[..., Any], left: Node, right: Node) -> Node:
    def node(values: Values) -> Any:
        first, second = left(values), right(values)
        if type(first) is not float and type(first) is not int:
            first = _number(first)
        if type(second) is not float and type(second) is not int:
            second = _number(second)
        try:
            result = function(first, second)
        except (ArithmeticError, ValueError, TypeError):
            raise NoResult from None
        if type(result) is int and not -_WIDEST < result < _WIDEST:
            raise NoResult
        return result

    return node


def _compared(function: Callable[..., bool], equality: bool, left: Node, right: Node) -> Node:
    def node(values: Values) -> bool:
        first, second = left(values), right(values)
        if equality:
            return function(first, second)
        if isinstance(first, str) and isinstance(second, str):
            return function(first, second)
        return function(_number(first), _number(second))

    return node


def _or(left: Node, right: Node) -> Node:
    return lambda values: _truth(left(values)) or _truth(right(values))


def _and(left: Node, right: Node) -> Node:
    return lambda values: _truth(left(values)) and _truth(right(values))


def _if(condition: Node, met: Node, unmet: Node) -> Node:
    return lambda values: met(values) if _truth(condition(values)) else unmet(values)


def _shift_left(value: int, bits: int) -> int:
    if not 0 <= bits <= SHIFT:
        raise ValueError
    return value << bits


def _round(value: float, decimals: float = 0) -> int | float:
    if decimals != int(decimals) or not -10 <= decimals <= 10:
        raise ValueError
    return round(value) if decimals == 0 else round(value, int(decimals))


_COMPARISONS: dict[str, Callable[..., bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_LEVELS: tuple[dict[str, Callable[..., Any]], ...] = (
    {"|": operator.or_, "&": operator.and_},
    {"<<": _shift_left, ">>": operator.rshift},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod},
)
_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Any] | None]] = {
    "abs": (1, 1, abs), "ceil": (1, 1, math.ceil), "floor": (1, 1, math.floor),
    "if": (3, 3, abs), "log": (1, 1, math.log),
    "max": (1, 20, lambda *given: max(given)), "min": (1, 20, lambda *given: min(given)), "pow": (2, 2, math.pow),
    "round": (1, 2, _round), "sqrt": (1, 1, math.sqrt),
}  # fmt: skip
FUNCTIONS = tuple(_FUNCTIONS)
_WORDS = frozenset({"and", "or", "not", "true", "false"})
