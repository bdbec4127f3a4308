"""How frames are cut up before a flow network sees them."""

from typing import NamedTuple

from daflow_jax import errors
from daflow_jax.ops.coarse_to_fine import Grid

TILES = ((512, 768), (256, 384))  # [choice] tried in this order when one pair does not fit


class Layout(NamedTuple):
    """How frames are cut up before the network sees them.

    batch: pairs at once, None = by size and device. bucket: frames are padded to multiples of so
    many pixels first, so that frames of many sizes share few programs, which changes flow a little;
    None = no further than the network needs. tile: "auto" (only when memory is short), "off" or
    (height, width). max_size: longer frames are estimated at this longest side, in pixels. scales:
    smaller sizes that are estimated first, None = what the weights came with.
    """

    batch: int | None = None
    bucket: int | None = None
    tile: str | tuple[int, int] = "auto"
    max_size: int | None = None
    scales: tuple[float, ...] | None = None

    def check(self, grid: Grid) -> None:
        """Raises UserError for tiles that the network does not take."""
        if not isinstance(self.tile, tuple):
            return
        size = f"{self.tile[0]}x{self.tile[1]}"
        if any(side % grid.multiple for side in self.tile):
            raise errors.UserError(
                "--tile", f"{size} is not in steps of {grid.multiple}", "Round it"
            )
        if min(self.tile) < grid.minimum:
            rule = f"{size} is below {grid.minimum}, the smallest side that this model takes"
            raise errors.UserError("--tile", rule, "Use larger tiles")

    def estimated(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns the (height, width) at which frames of `size` are estimated, before padding."""
        height, width = size
        if self.max_size is not None and max(size) > self.max_size:
            height, width = (max(round(x * self.max_size / max(size)), 2) for x in size)
        return height, width

    def smaller_tiles(
        self, size: tuple[int, int], now: tuple[int, int] | None, grid: Grid
    ) -> list[tuple[int, int]]:
        """Returns the tiles, smaller than `now`, that cut padded frames of `size`."""
        if self.tile == "off":
            return []
        return [
            tile
            for tile in TILES
            if min(tile) >= grid.minimum
            and not any(side % grid.multiple for side in tile)
            and (now is None or tile[0] < now[0])
            and (tile[0] < size[0] or tile[1] < size[1])
        ]
