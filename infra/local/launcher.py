"""Start the local AWS emulator (ministack) with what it lacks for Eclair made up for.

Run by the interpreter of the emulator's own environment. It replaces inner functions of the version that
requirements.txt pins; each says what AWS does and the emulator does not.
"""

from typing import Any

from ministack.app import main  # type: ignore[import-not-found]  # it lives in an environment of its own
from ministack.services import lambda_svc  # type: ignore[import-not-found]

concurrency_of_numbers = lambda_svc._sqs_esm_concurrency  # noqa: SLF001


def concurrency(mapping: dict[str, Any], *rest: Any) -> int:
    """Read a mapping's MaximumConcurrency as a number, though a template's parameter arrives as text.

    The emulator compares the text with a number, which ends the polling of every queue.
    """
    scaling = mapping.get("ScalingConfig") or {}
    if "MaximumConcurrency" in scaling:
        scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
    return int(concurrency_of_numbers(mapping, *rest))


def forget_positions(*_: Any) -> None:
    """Let stream mappings begin at the oldest record after a restart.

    The emulator stores how many records a mapping has read, but not the records, whose count begins anew: the first
    changes after a restart would be passed over.
    """


def patch() -> None:
    """Replace what differs from AWS."""
    lambda_svc._sqs_esm_concurrency = concurrency  # noqa: SLF001
    lambda_svc._restore_esm_positions = forget_positions  # noqa: SLF001


if __name__ == "__main__":
    patch()
    main()
