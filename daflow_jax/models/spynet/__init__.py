"""SPyNet: flow from a pyramid of small networks; it aligns the frames of BasicVSR."""
