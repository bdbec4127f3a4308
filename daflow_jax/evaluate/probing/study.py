"""All measurements of networks' features on the samples of one degradation."""

import functools
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.evaluate.probing import averages, cache, probe, whole
from daflow_jax.evaluate.probing.samples import Maker, Sample
from daflow_jax.evaluate.probing.subject import Subject

CONTROLS = ("random", "shuffled")


def run(
    subjects: Sequence[Subject],
    makers: Sequence[Maker],
    degradation: Degradation,
    token: int,
    *,
    seed: int = 0,
    exclude: Collection[str] = (),
    exchange: bool = False,
    controls: Collection[str] = CONTROLS,
    kept: Path | None = None,
) -> dict[str, Any]:
    """Returns the averages at one degradation, as an entry of "degradation" in results.json.

    "rows" are those of each trained network and of its controls, "references" those of zero flow,
    raw patches and averaged windows; "restoration" is PSNR before and after, "exchange" the EPE
    with own and foreign features, both of the first subject.

    Args:
        makers: of `samples`, one for each sample.
        token: see `subject.token`.
        exclude: data sets that averages leave out.
        exchange: also measure flow with the features of another sample.
        controls: "random", the network before training, and "shuffled", its weights in disorder.
        kept: a folder of features that were computed before; new ones are added.

    Raises:
        UserError: `exchange` without a flow network around the features, or without two samples of
            one size.
    """
    clips = [make(degradation) for make in makers]  # as bytes: they are read several times
    multiple = math.lcm(token, *(subject.multiple for subject in subjects))

    def samples():
        return (sample.padded(multiple) for sample in clips)

    def places(subject):
        if kept is None:
            return None
        own = (subject.loaded.meta.get("sha256"), subject.shrink, subject.blocks, token, seed)
        return functools.partial(cache.Cache, kept, str(degradation), *own)

    found = [
        row
        for subject in subjects
        for row in _features(subject, samples, seed, exclude, token, controls, places(subject))
    ]
    references = [(sample, probe.references(sample, token)) for sample in samples()]
    # "level" is the name of the severity in every results.json
    out = {"recipe": degradation.recipe, "level": degradation.severity, "rows": found}
    out["references"] = averages.by_name(references, exclude)
    first = subjects[0]
    if first.restores:
        restore = whole.restoration(first.config, first.variables, seed)
        values = [(sample, restore(sample)) for sample in samples()]
        out["restoration"] = averages.average(values, exclude)
    if exchange:
        out["exchange"] = _exchanged(first, list(samples()), seed, exclude)
    return out


def _features(subject: Subject, samples, seed, exclude, token, controls, place):
    networks = {"trained": (subject.config, subject.variables)}
    if "random" in controls:
        networks["random"] = subject.source.untrained(subject.config, seed)
    if "shuffled" in controls:
        networks["shuffled"] = subject.config, probe.shuffled(subject.variables, seed)
    grid, rows = probe.Grid(token, subject.shrink), []
    for name, network in networks.items():
        for steps in subject.steps:
            kept = None if place is None else place(name, steps)
            chosen = (subject.blocks, steps, seed, grid, kept)
            scores = probe.Probe(subject.source, *network, *chosen).scores(samples)
            head = {"model": subject.name, "network": name, "steps": steps}
            rows += [{**head, **row} for row in averages.rows(scores, exclude)]
    return rows


def check_exchange(subject: Subject) -> None:
    """Raises UserError unless the features are read by a flow network."""
    if not subject.takes_foreign_frames:
        from daflow_jax import models

        kind = models.entry_of(subject.loaded.config).kind
        what = "a restorer, which gives no flow" if kind == "restoration" else "read by no other"
        rule = f"{subject.name} is {what}"
        raise errors.UserError("exchange", rule, "Name a DA-Flow model")


def _exchanged(subject: Subject, samples: Sequence[Sample], seed, exclude):
    """Returns the EPE with own and foreign features, over samples that have a partner: the next
    one of their size."""
    check_exchange(subject)
    loaded = subject.loaded
    iters = loaded.meta.get("defaults", {}).get("iters", loaded.config.iters)
    measure = whole.exchange(loaded.config, loaded.variables, iters, seed)
    pairs = []
    for place, sample in enumerate(samples):
        others = [*samples[place + 1 :], *samples[:place]]
        other = next((x for x in others if x.lq.shape == sample.lq.shape), None)
        if other is not None:
            pairs.append((sample, measure(sample, other)))
    if not pairs:
        rule = "no two samples have the same size"
        raise errors.UserError("exchange", rule, "Add pairs of one data set")
    return {"samples": len(pairs), **averages.average(pairs, exclude)}
