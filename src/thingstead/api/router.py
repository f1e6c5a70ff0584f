"""Finds what a path names: a tree of path segments."""

from typing import Generic, TypeVar

PARAMETER_LENGTH_LIMIT = 128

T = TypeVar("T")


class _PathNode(Generic[T]):
    __slots__ = ("children", "parameter", "resource")

    def __init__(self) -> None:
        self.children: dict[str, _PathNode[T]] = {}
        self.parameter: _PathNode[T] | None = None
        self.resource: Resource[T] | None = None


class Resource(Generic[T]):
    """The handlers of one path, by method."""

    __slots__ = ("methods", "names", "path")

    def __init__(self, path: str, names: tuple[str, ...]) -> None:
        self.path = path  # template
        self.names = names  # names of the path parameters, in order
        self.methods: dict[str, T] = {}


class Router(Generic[T]):
    """Maps paths to resources. A literal segment takes precedence over a parameter."""

    def __init__(self) -> None:
        self._root: _PathNode[T] = _PathNode()
        self._literal: dict[str, Resource[T]] = {}

    def add(self, method: str, path: str, thing: T) -> None:
        """Adds a handler for a path template (``/device/{device_id}``). Raises ValueError if it is declared twice."""
        node = self._root
        names = []
        for segment in path.split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _PathNode()
                node = node.parameter
            else:
                node = node.children.setdefault(segment, _PathNode())
        if node.resource is None:
            node.resource = Resource(path, tuple(names))
        if node.resource.names != tuple(names) or method in node.resource.methods:
            raise ValueError(f"{method} {path} is declared twice, or with other parameter names")
        node.resource.methods[method] = thing
        if not names:
            self._literal[path] = node.resource

    def find(self, path: str) -> tuple[Resource[T] | None, dict[str, str]]:
        """The resource of a path, and the values of its parameters; (None, {}) if there is none. A trailing slash is
        ignored."""
        literal = self._literal.get(path)
        if literal is not None:
            return literal, {}
        if len(path) > 1 and path.endswith("/"):
            return self.find(path[:-1]) if not path.endswith("//") else (None, {})
        node = self._root
        values: list[str] = []
        for segment in path.split("/"):
            child = node.children.get(segment)
            if child is None:
                child = node.parameter
                if child is None or not 0 < len(segment) <= PARAMETER_LENGTH_LIMIT or not segment.isprintable():
                    return None, {}
                values.append(segment)
            node = child
        if node.resource is None:
            return None, {}
        return node.resource, dict(zip(node.resource.names, values, strict=False))
