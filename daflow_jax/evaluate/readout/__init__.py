"""What frozen features know of classes: a linear layer and nearest neighbours on labelled frames.

`run.readout(model, "shapes")` trains one linear layer on the features of some labelled frames and
measures it on others; `sets` has the frames by name.
"""
