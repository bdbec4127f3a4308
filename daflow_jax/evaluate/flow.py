"""Flow methods on pairs with true flow: one call from folders to `Results`."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from daflow_jax.evaluate import collect, scores
from daflow_jax.evaluate import degradations as degraded
from daflow_jax.evaluate import methods as methods_
from daflow_jax.evaluate import pairs as pairs_
from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.evaluate.methods import Method
from daflow_jax.evaluate.results import Data, Results


def run(
    pairs: str | Path | Iterable[Any],
    methods: Any,
    degradations: Iterable[str | Degradation] = ("clean",),
    *,
    layout: str = "pairs",
    limit: int | None = None,
    name: str = "",
    exclude: Collection[str] = (),
    seed: int = 0,
    progress: collect.Progress | None = None,
    on_failure: collect.Failure | None = None,
) -> Results:
    """Returns the errors of every method on every pair, clean and degraded.

    Args:
        pairs: one or several folders of pairs, or entries (`evaluate.pairs.read`).
        methods: see `evaluate.methods.resolve`: names, loaded models, functions of uint8 frames
            (2, h, w, 3) to flow (h, w, 2), or `Method`s. The first is the reference of differences.
        degradations: "clean" or "NAME:SEVERITY", severity 1 to 5; all methods see the same frames.
        layout, limit: how folders are packed, and how many pairs are read at most.
        name: of the data in results.json; the folders' unless given.
        exclude: data sets that are measured but do not count in averages. Those whose meta.json
            says `"in_averages": false` never count.
        seed: of the degradations and of the bootstrap intervals.
        progress: called with (pairs done, pairs in all) after each pair.
        on_failure: called with (name of the pair, error) for a damaged pair, which is left out and
            listed in `Results.failures`. None: the first error is raised.

    Raises:
        UserError: an unknown name, a folder without pairs, or no usable pair.
    """
    entries, given = _entries(pairs, layout, limit)
    chosen, shown = methods_.resolve(methods), degraded.resolve(degradations)
    left_out = pairs_.excluded(entries, exclude)
    digest = hashlib.sha256()
    rows, failures = collect.rows(
        entries,
        lambda pair: pairs_.measure(pair, chosen, shown, seed, digest),
        progress,
        on_failure,
    )
    return Results(
        rows=rows,
        scores=summaries(rows, chosen, shown, seed, left_out),
        methods=chosen,
        degradations=shown,
        data=Data(name or given, entries, digest.hexdigest()),
        failures=failures,
    )


def _entries(pairs, layout, limit):
    """Returns the entries and a name for all of them."""
    given: list[Any] = [pairs] if isinstance(pairs, str | Path) else list(pairs)
    if all(isinstance(each, str | Path) for each in given):
        return pairs_.read(given, layout, limit), ", ".join(map(str, given))
    entries = given[:limit]
    return entries, ", ".join(dict.fromkeys(pair.dataset for pair in entries))


def summaries(
    rows: Sequence[collect.Row],
    methods: Sequence[Method],
    degradations: Sequence[Degradation],
    seed: int,
    exclude: Collection[str],
) -> Mapping[str, Mapping[str, dict[str, Any]]]:
    """Returns `scores.summary` by degradation and method; methods after the first also say by how
    much their EPE is above its ("epe_above_first")."""

    def select(degradation, method):
        wanted = (str(degradation), method.name)
        return [row for row in rows if (row["degradation"], row["method"]) == wanted]

    def score(degradation, method):
        own = select(degradation, method)
        found = scores.summary(own, seed, exclude)
        if method is methods[0]:
            return found
        above = scores.difference(own, select(degradation, methods[0]), seed, exclude)
        return {**found, "epe_above_first": above}

    return {str(d): {method.name: score(d, method) for method in methods} for d in degradations}
