"""What the configuration of a network around a flow network takes from that of the inner one."""

from typing import Any


class FlowSizes:
    """Sizes and forms of the configuration in the field `flow`."""

    flow: Any

    @property
    def minimum(self) -> int:
        """Smallest height and width of frames."""
        return self.flow.minimum

    @property
    def multiple(self) -> int:
        """Height and width of frames must be multiples of this."""
        return self.flow.multiple

    @property
    def stride(self) -> int:
        """Pixels per step of the grid that the refinement runs on."""
        return self.flow.stride

    @property
    def uncertainty(self) -> bool:
        """Whether the flow comes with a mixture of Laplace distributions."""
        return self.flow.uncertainty

    @property
    def var_min(self) -> float:
        """Lowest log scale of the narrow distribution."""
        return self.flow.var_min

    @property
    def var_max(self) -> float:
        """Highest log scale of the wide distribution."""
        return self.flow.var_max
