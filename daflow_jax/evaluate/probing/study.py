"""All measurements of a network's features on the samples of one degradation."""

from collections.abc import Collection, Sequence
from typing import Any

from daflow_jax import errors, models
from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.evaluate.probing import averages, probe, whole
from daflow_jax.evaluate.probing.samples import Maker, Sample
from daflow_jax.evaluate.probing.subject import Subject


def run(
    subject: Subject,
    makers: Sequence[Maker],
    degradation: Degradation,
    *,
    seed: int = 0,
    exclude: Collection[str] = (),
    exchange: bool = False,
) -> dict[str, Any]:
    """Returns the averages at one degradation, as an entry of "degradation" in results.json.

    "rows" are those of the trained network and of the same network before training, "references"
    those of zero flow and raw patches, "restoration" is PSNR before and after, "exchange" the EPE
    with own and foreign features.

    Args:
        makers: of `samples`, one for each sample.
        exclude: data sets that averages leave out.
        exchange: also measure flow with the features of another sample.

    Raises:
        UserError: `exchange` without a flow network around the features, or without two samples of
            one size.
    """
    kept = [make(degradation) for make in makers]  # as bytes: they are read several times
    multiple = subject.loaded.config.multiple

    def samples():
        return (sample.padded(multiple) for sample in kept)

    found = _features(subject, samples, seed, exclude)
    patch_size = subject.source.patch_size(subject.config)
    references = [(sample, probe.references(sample, patch_size)) for sample in samples()]
    # "level" is the name of the severity in every results.json
    out = {"recipe": degradation.recipe, "level": degradation.severity, "rows": found}
    out["references"] = averages.by_name(references, exclude)
    if subject.is_whole:
        restore = whole.restoration(subject.config, subject.variables, seed)
        values = [(sample, restore(sample)) for sample in samples()]
        out["restoration"] = averages.average(values, exclude)
    if exchange:
        out["exchange"] = _exchanged(subject, list(samples()), seed, exclude)
    return out


def _features(subject: Subject, samples, seed, exclude):
    networks = {
        "trained": (subject.config, subject.variables),
        "random": subject.source.untrained(subject.config, seed),
    }
    return [
        {"network": name, "steps": steps, **row}
        for name, network in networks.items()
        for steps in subject.steps
        for row in averages.rows(
            probe.Probe(subject.source, *network, subject.blocks, steps, seed).scores(samples),
            exclude,
        )
    ]


def check_exchange(subject: Subject) -> None:
    """Raises UserError unless the features are read by a flow network."""
    if models.entry_of(subject.loaded.config).kind != "flow":
        name = subject.loaded.meta.get("name")
        rule = f"{name} is a restorer, which gives no flow"
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
