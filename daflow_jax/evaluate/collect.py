"""One loop over what is evaluated: progress, and what happens to damaged items."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from daflow_jax import errors

Row = dict[str, Any]
Progress = Callable[[int, int], Any]  # called with (items done, items in all)
Failure = Callable[[str, errors.UserError], Any]  # called with (name of an item, what is wrong)


def rows(
    items: Sequence[Any],
    work: Callable[[Any], list[Row]],
    progress: Progress | None,
    on_failure: Failure | None,
    kind: str = "pair",
) -> tuple[list[Row], list[Mapping[str, str]]]:
    """Returns the rows of all items, and {kind: name, "error": text} of those that failed.

    Raises:
        UserError: the first error, without `on_failure`; one of the machine (code 3); or that of
            the first item, if none was usable.
    """
    found: list[Row] = []
    failures: list[tuple[str, errors.UserError]] = []
    told = 0  # failures wait for the first item that is usable: without one, one error says it all
    for number, item in enumerate(items, 1):
        try:
            found += work(item)
        except errors.UserError as error:
            if on_failure is None or error.code == 3:
                raise
            failures.append((item.name, error))
        if found and on_failure is not None:
            for name, error in failures[told:]:
                on_failure(name, error)
            told = len(failures)
        if progress is not None:
            progress(number, len(items))
    if not found:
        if failures:
            first = failures[0][1]
            raise errors.UserError(first.where, first.rule, f"No {kind} was usable", first.code)
        raise errors.UserError(f"{kind}s", "none is given", "Name some")
    return found, [{kind: name, "error": str(error)} for name, error in failures]
