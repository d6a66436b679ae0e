"""The one error that a component raises on purpose: a stable code and a sentence that names the mend.

Everything else that escapes is a bug and is reported under the code `unexpected`.
"""

import re

_CODE = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')


class ComponentError(Exception):
    """A failure with a kebab-case `code` for gates and alerts, and a `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        if not _CODE.fullmatch(code):
            raise ValueError(f'error code {code!r} is not kebab-case')
        super().__init__(message)
        self.code = code
        self.message = message
