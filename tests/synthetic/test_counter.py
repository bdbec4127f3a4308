import jax.numpy as jnp
import numpy as np

from daflow_jax.synthetic import counter


def test_threefry_gives_the_published_known_answers():
    # Known-answer vectors of the Random123 library (threefry2x32, 20 rounds).
    ones = 0xFFFFFFFF
    cases = [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((ones, ones), (ones, ones), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ]
    for key, count, expected in cases:
        words = [tuple(np.full(1, v, np.uint32) for v in pair) for pair in (key, count)]
        assert tuple(int(x[0]) for x in counter.threefry2x32(*words)) == expected


def test_uniform_is_the_same_bits_in_numpy_and_jax():
    host = counter.uniform(-3, 2**31 + 5, 101)
    device = counter.uniform(-3, jnp.uint32(2**31 + 5), 101, jnp)
    np.testing.assert_array_equal(host, np.asarray(device))
    assert host.dtype == np.float32 and 0 <= host.min() and host.max() < 1


def test_uniform_differs_between_indices_and_is_flat():
    draws = np.stack([counter.uniform(1, index, 64) for index in range(200)])
    assert np.unique(draws).size > 0.99 * draws.size
    assert abs(draws.mean() - 0.5) < 0.01 and abs(draws.var() - 1 / 12) < 0.003
