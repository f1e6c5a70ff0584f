"""Finds the mutants of a module: small changes of which each should make a test fail.

A mutant is one replacement of text, at a place that the syntax tree gives, so that its diff reads like one by hand.
Left out is what no test should notice: annotations, docstrings, log lines, assertions, texts of errors, protocols.
"""

import ast
import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
SQL = re.compile(r"\b(SELECT|UPDATE|DELETE FROM|INSERT|WHERE|ORDER BY)\b")
SQL_CHANGES = {
    " < ": " <= ",
    " <= ": " < ",
    " > ": " >= ",
    " >= ": " > ",
    " != ": " = ",
    " AND ": " OR ",
    " OR ": " AND ",
    " DESC": " ASC",
    " IS NULL": " IS NOT NULL",
    " IS NOT NULL": " IS NULL",
}
LOGGING = {"debug", "info", "warning", "error", "exception", "critical"}
LEFT_OUT_FUNCTIONS = {"__repr__", "__str__", "__init_subclass__"}


@dataclass(frozen=True, slots=True)
class Mutant:
    path: Path
    function: str  # qualified name in the module, "" outside functions
    operator: str
    lines: range  # of the statement, or of its head: a test that runs none of them cannot notice
    start: int  # in bytes of the file
    end: int
    replacement: str
    source: bytes = field(repr=False)  # of the module
    on_import: bool  # it runs when the module is imported, and in no test
    id: str = ""

    @property
    def replaced(self) -> str:
        return self.source[self.start : self.end].decode()

    @property
    def changed(self) -> bytes:
        """The module with the change."""
        return self.source[: self.start] + self.replacement.encode() + self.source[self.end :]

    def diff(self) -> str:
        before, after = self.source.decode().splitlines(), self.changed.decode().splitlines()
        return "\n".join([*difflib.unified_diff(before, after, lineterm="", n=1)][2:])


def find_mutants(path: Path, source: bytes) -> list[Mutant]:
    """In the order of the file. Ids stay when other functions change, and when the module moves."""
    finder = _Finder(path, source)
    finder.visit(ast.parse(source))
    seen: Counter[str] = Counter()
    found = []
    for mutant in finder.found:
        try:
            compile(mutant.changed, str(path), "exec", dont_inherit=True)
        except SyntaxError:
            continue
        name = "\0".join([mutant.function, mutant.operator, mutant.replaced, mutant.replacement])
        seen[name] += 1
        digest = hashlib.sha256(f"{name}\0{seen[name]}".encode()).hexdigest()
        found.append(replace(mutant, id=digest[:10]))
    return found


class _Finder(ast.NodeVisitor):
    def __init__(self, path: Path, source: bytes) -> None:
        self.found: list[Mutant] = []
        self._path, self._source = path, source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._names: list[str] = []
        self._functions = 0
        self._lines = range(0)

    # Places in the text

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _add(self, operator: str, start: int, end: int, replacement: str) -> None:
        name = ".".join(self._names)
        self.found.append(
            Mutant(self._path, name, operator, self._lines, start, end, replacement, self._source, not self._functions)
        )

    def _swap(self, kind: str, left: ast.expr, right: ast.expr, word: str, other: str) -> None:
        """Replaces the operator between two operands; parentheses may stand there too."""
        start, gap = self._end(left), self._source[self._end(left) : self._start(right)].decode()
        places = [*re.finditer(rf"(?<![<>=!*/\w]){re.escape(word)}(?![<>=*/\w])", gap)]
        if len(places) == 1:
            self._add(kind, start + places[0].start(), start + places[0].end(), other)

    # Statements

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            assert node.end_lineno is not None
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            lines, self._lines = self._lines, range(node.lineno, max(last, node.lineno) + 1)
            super().visit(node)
            self._lines = lines
        else:
            super().visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases):
            return
        self._names.append(node.name)
        for each in node.body:
            self.visit(each)
        self._names.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in LEFT_OUT_FUNCTIONS:
            return
        self._names.append(node.name)
        self._functions += 1
        for each in node.body:
            self.visit(each)
        self._functions -= 1
        self._names.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_Import(self, node: ast.Import) -> None:
        pass

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Constant):
            return
        if isinstance(call, ast.Call):
            if isinstance(call.func, ast.Attribute) and call.func.attr in LOGGING:
                return
            self._remove(node)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        kept = any(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets)
        if kept and self._names[-1:] != ["__init__"]:  # without its attributes an object fails anywhere
            self._remove(node)
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._remove(node)
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        self._remove(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        if node.exc is not None:
            self._remove(node)

    def visit_Return(self, node: ast.Return) -> None:
        if isinstance(node.value, ast.Call | ast.Name | ast.Attribute | ast.Tuple | ast.Subscript | ast.Await):
            self._add("return None", self._start(node.value), self._end(node.value), "None")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._add("break for continue", self._start(node), self._end(node), "break")

    def visit_Break(self, node: ast.Break) -> None:
        self._remove(node)

    def visit_If(self, node: ast.If | ast.While | ast.IfExp) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        test = node.test
        if not isinstance(test, ast.Compare | ast.BoolOp | ast.Constant) and not _is_not(test):
            text = self._source[self._start(test) : self._end(test)].decode()
            self._add("condition", self._start(test), self._end(test), f"not ({text})")
        self.generic_visit(node)

    visit_While = visit_If
    visit_IfExp = visit_If

    def _remove(self, node: ast.stmt) -> None:
        if self._functions:
            self._add("removed", self._start(node), self._end(node), "pass")

    # Expressions

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, node.comparators, strict=False):
            self._swap("comparison", left, right, *COMPARISONS[type(operator)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._swap("and, or", left, right, word, other)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        text = any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in (node.left, node.right))
        if type(node.op) in ARITHMETIC and not text and self._functions:
            self._swap("arithmetic", node.left, node.right, *ARITHMETIC[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._add("not", self._start(node), self._start(node) + len("not"), "")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._change_sql(node)
        elif self._functions and isinstance(node.value, bool):
            self._add("boolean", self._start(node), self._end(node), str(not node.value))
        elif self._functions and isinstance(node.value, int):
            self._add("number", self._start(node), self._end(node), str(node.value + 1))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._change_sql(node)  # places of what stands in it are known from Python 3.12 on only

    def _change_sql(self, node: ast.expr) -> None:
        text = self._source[self._start(node) : self._end(node)].decode()
        if not SQL.search(text):
            return
        for old, new in SQL_CHANGES.items():
            for place in re.finditer(old if old.endswith(" ") else rf"{old}\b", text):
                start = self._start(node) + len(text[: place.start()].encode())
                self._add("SQL", start, start + len(old), new)

    def visit_arguments(self, node: ast.arguments) -> None:
        pass


def _is_not(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def module_mutants(root: Path, paths: list[Path]) -> Iterator[Mutant]:
    """Of all modules under the paths, which are relative to the root."""
    for path in paths:
        files = [path] if (root / path).is_file() else sorted(p.relative_to(root) for p in (root / path).rglob("*.py"))
        for file in files:
            yield from find_mutants(file, (root / file).read_bytes())


def sample(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """The same seed draws the same mutants, and goes on drawing those that a change elsewhere left alone."""

    def place(mutant: Mutant) -> tuple[bytes, str]:
        return hashlib.sha256(f"{seed} {mutant.id}".encode()).digest(), str(mutant.path)

    return sorted(mutants, key=place)[:count]
