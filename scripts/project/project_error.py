"""The one error that a user sees."""


class Refused(Exception):
    """One sentence that says what is wrong and what to do, and the exit code: 2 (the arguments, the project), 3 (the machine)."""

    def __init__(self, sentence, code=2):
        super().__init__(sentence)
        self.code = code
