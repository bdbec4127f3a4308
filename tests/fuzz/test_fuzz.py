"""Sixty cases by default; as many as are asked for with `-m fuzz`."""

import random

import pytest

from tests.fuzz import campaign, cases, mutate


def test_sixty_cases_end_in_order():
    report = campaign.run(seed=7, numbers=range(60))
    assert not report.violations, report.text(7)
    assert report.codes[0] and report.codes[2]  # neither all sound nor all refused


@pytest.mark.fuzz
def test_many_cases_end_in_order(request):
    seed = request.config.getoption("--seed", 1)
    report = campaign.run(seed, range(request.config.getoption("--cases", 2000)))
    print(report.text(seed))
    assert not report.violations, report.text(seed)


def test_a_case_is_a_function_of_its_number(tmp_path):
    made = [cases.make(7, 3, tmp_path / name) for name in ("a", "b")]
    assert made[0]["name"] == made[1]["name"] and len(made[0]["argv"]) == len(made[1]["argv"])
    rngs = [random.Random("x") for _ in range(2)]
    assert len({mutate.damaged(rng, bytes(range(256))) for rng in rngs}) == 1
