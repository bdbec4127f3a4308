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
    found, failures, first = [], [], None
    for number, item in enumerate(items, 1):
        try:
            found += work(item)
        except errors.UserError as error:
            if on_failure is None or error.code == 3:
                raise
            on_failure(item.name, error)
            failures.append({kind: item.name, "error": str(error)})
            first = first or error
        if progress is not None:
            progress(number, len(items))
    if not found:
        if first is not None:
            raise errors.UserError(first.where, first.rule, f"No {kind} was usable", first.code)
        raise errors.UserError(f"{kind}s", "none is given", "Name some")
    return found, failures
