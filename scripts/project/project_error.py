"""The one error that a user sees."""


class Refused(Exception):
    """A sentence that says what is wrong and what to do; the exit code: 2 (arguments, project), 3 (machine)."""

    def __init__(self, sentence, code=2):
        super().__init__(sentence)
        self.code = code
