"""What a UserError looks like."""

import pickle

from daflow_jax.errors import UserError


def test_a_message_is_one_line_whatever_a_name_holds():
    error = UserError("a\nb\x1b[2J\udcff\r.png", "holds\tnothing", "Copy it")
    assert str(error) == r"a\nb\x1b[2J\udcff\r.png: holds\tnothing. Copy it."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(UserError("größe ½.png", "empty")) == "größe ½.png: empty."
