"""What docs/kubernetes.md tells operators to write, as it stands there."""

import re

from support.cluster import TOP

PAGE = TOP / "docs/kubernetes.md"
_BLOCK = re.compile(r"^```([a-z]+ [a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(*kinds):
    """(kind, text) of the blocks of these kinds, in the page's order; a kind is what stands after the
    opening mark: `sh run`."""
    return [(kind, text) for kind, text in _BLOCK.findall(PAGE.read_text()) if kind in kinds]


def block(kind):
    """The text of the only block of a kind."""
    [(_, text)] = blocks(kind)
    return text
