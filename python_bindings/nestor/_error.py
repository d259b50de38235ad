# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""The exception that everything in the package raises."""


class NestorError(RuntimeError):
    """What went wrong, in one sentence that names the file, the field and the cure.

    `code` is one of "invalid_argument", "not_found", "io_error", "corrupt", "incompatible", "unsupported_cpu",
    "exec_refused", "out_of_memory" and "data_loss" (from the runtime, as in C++), and from `compile` also
    "check_failed", "unsupported_model" and "internal_error".
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)  # Both, so that it can be pickled.
        self.code = code

    def __str__(self) -> str:
        return str(self.args[1])
