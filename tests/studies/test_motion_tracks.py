import numpy as np

from daflow_jax.fitting.tracks import pair_flow
from studies import motion_tracks


def test_points_that_were_hidden_are_lost_by_chained_flow_and_kept_by_direct_flow():
    found = motion_tracks.scene(0)
    known = motion_tracks.truth(found)
    assert known.again.any(1).sum() > 30
    ways = motion_tracks.chained(found, known.points), motion_tracks.direct(found, known.points)
    chained, direct = (motion_tracks.measured(places, None, known) for places in ways)
    assert chained["found"] < 0.2 and direct["found"] == 1
    row = motion_tracks.measured(known.places, known.visible, known)
    assert row["occlusion"] == row["jaccard"] == 1


def test_flow_of_all_pairs_is_known_where_both_frames_show_the_point():
    found = motion_tracks.scene(1)
    flow = motion_tracks.exact_flow(found)
    place = int(np.flatnonzero((flow.pairs == (0, 4)).all(1))[0])
    square, bar = found.layer[0] == 1, found.layer[0] == 2
    assert not (flow.known[place][square] & pair_flow.SEEN).all()  # part of it is behind the bar
    assert (flow.known[place][bar] & pair_flow.SEEN).all() and not flow.flow[place][bar].any()
