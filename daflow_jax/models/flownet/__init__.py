"""FlowNetS and FlowNetC (Dosovitskiy et al., ICCV 2015)."""
