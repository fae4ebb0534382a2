"""Plants faults into a template, by the path to what is wrong with it."""

from collections.abc import Callable

from tests.deployment.template_reading import Node

type Fault = Callable[[Node], object]


def put(path: str, value: object) -> Fault:
    """Return a fault that puts a value where the path, with slashes between its keys, leads."""

    def plant(template: Node) -> None:
        *way, last = path.split("/")
        node: Node = template
        for key in way:
            node = node[int(key) if isinstance(node, list) else key]
        node[int(last) if isinstance(node, list) else last] = value

    return plant


def drop(path: str) -> Fault:
    """Return a fault that removes what the path leads to."""

    def plant(template: Node) -> None:
        *way, last = path.split("/")
        node: Node = template
        for key in way:
            node = node[int(key) if isinstance(node, list) else key]
        del node[int(last) if isinstance(node, list) else last]

    return plant


def write(path: str, old: str, new: str) -> Fault:
    """Return a fault that replaces a part of the text that the path leads to."""

    def plant(template: Node) -> None:
        node: Node = template
        for key in path.split("/"):
            node = node[int(key) if isinstance(node, list) else key]
        text = str(node)
        assert old in text
        put(path, text.replace(old, new))(template)

    return plant
