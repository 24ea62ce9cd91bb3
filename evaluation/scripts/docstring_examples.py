"""A griffe extension for the documentation site: a docstring's ``Example:`` is shown as code.

griffe knows the plural of Google's style guide only; the section would otherwise be read as Markdown.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_HEAD = re.compile(r"^(\s*)Example:[ \t]*$", re.MULTILINE)


class DocstringExamples(griffe.Extension):
    """Renames the section in every docstring, when an object has been loaded."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = _HEAD.sub(r"\1Examples:", obj.docstring.value)
