"""What the features of a network are worth without any training on top: `daflow analyze`.

`subject.of` names the network and the blocks that are looked at, `samples` makes the clips,
`study.run` measures, `report` shows the averages. A network lends features if its entry has `taps`
(`daflow_jax.models.entry.TapSource`).
"""
