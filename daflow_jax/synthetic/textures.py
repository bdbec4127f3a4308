"""The texture atlas: crops of photographs and procedural patterns, made once on the host."""

import functools
import importlib.util
import pathlib

import numpy as np

from daflow_jax.errors import UserError
from daflow_jax.io import image, listing
from daflow_jax.synthetic import scene

# Pictures inside the scikit-image package (no download); camera to text are grey.
_PACKAGED = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "motorcycle_left.png",
    "ihc.png",
    "camera.png",
    "coins.png",
    "brick.png",
    "grass.png",
    "gravel.png",
    "moon.png",
    "text.png",
)
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def atlas(config: scene.SceneConfig, seed: int) -> np.ndarray:
    """Returns uint8 (n, size, size, 3), a function of the texture fields and the seed alone."""
    return _atlas(
        config.textures, config.folder, config.num_textures, config.texture_size, int(seed)
    )


@functools.lru_cache(maxsize=2)
def _atlas(textures: str, folder: str, count: int, size: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 0x7E47])
    paths = [] if textures == "procedural" else _photographs(folder)
    share = {"mixed": 0.7, "photographs": 1.0, "procedural": 0.0}[textures]
    read = functools.lru_cache(maxsize=64)(_read)
    made = []
    for place in range(count):
        if place < round(share * count):
            made.append(_crop(read(paths[rng.integers(len(paths))]), size, rng))
        else:
            made.append(pattern(size, rng))
    result = np.stack([made[i] for i in rng.permutation(count)])
    result.setflags(write=False)
    return result


def _photographs(folder: str) -> list[pathlib.Path]:
    """Returns the paths of the photographs of the user's folder, or of scikit-image."""
    if folder:
        root = pathlib.Path(folder)
        found = sorted(p for p in listing.walk(root) if p.suffix.lower() in _SUFFIXES)
        if not found:
            raise UserError(
                folder, "the folder holds no image", "Images end in " + ", ".join(_SUFFIXES)
            )
        return found
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            "scene.textures",
            "photographs need scikit-image, which is not installed",
            "pip install scikit-image, name a folder of images in scene.folder, or set "
            'scene.textures="procedural"',
            code=3,
        )
    root = pathlib.Path(spec.submodule_search_locations[0]) / "data"
    found = [root / name for name in _PACKAGED if (root / name).is_file()]
    if not found:
        raise UserError(
            root,
            "this scikit-image carries no photographs",
            'pip install -U scikit-image, or set scene.textures="procedural"',
            code=3,
        )
    return found


def _read(path: pathlib.Path) -> np.ndarray:
    pixels = image.read_image(path)
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)


def _crop(picture: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a crop (size, size, 3) at a random scale; small pictures are mirrored at edges."""
    import cv2

    short = min(picture.shape[:2])
    scale = np.exp(rng.uniform(np.log(min(1.0, 0.6 * size / short)), np.log(1.0)))
    scale = max(scale, 24 / short)
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows, columns = (_window(length, size, rng) for length in picture.shape[:2])
    crop = picture[rows][:, columns]
    crop = crop.astype(np.float32) / 255
    if rng.random() < 0.3:
        crop = crop[..., rng.permutation(3)]
    return _to_uint8(crop ** np.exp(rng.uniform(-0.4, 0.4)))


def _window(length: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns `size` indices into an axis, reflected at the ends, from a random start."""
    start = rng.integers(max(length - size, 0) + 1)
    wave = (np.arange(size) + start) % max(2 * length - 2, 1)
    return np.where(wave < length, wave, 2 * length - 2 - wave)


def pattern(size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns one procedural texture, uint8 (size, size, 3)."""
    kinds = (_spectrum, _spectrum, _octaves, _stripes, _checker, _gradient, _spots)
    weight = kinds[rng.integers(len(kinds))](size, rng)  # (size, size, 1..3) about [0, 1]
    low, high = rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
    # Equal ends would give a texture without contrast.
    high = low + (high - low) * max(1.0, 0.6 / max(np.abs(high - low).max(), 1e-3))
    grain = _noise(size, rng, 0.8) * rng.uniform(0, 0.08)
    shade = _noise(size, rng, 2.2) * rng.uniform(0, 0.15)
    return _to_uint8(low + (high - low) * weight + (grain + shade)[..., None])


def _noise(size: int, rng: np.random.Generator, power: float) -> np.ndarray:
    """Returns noise (size, size), mean 0, deviation 1, with amplitudes frequency^-power."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    amplitude = np.maximum(np.hypot(fx, fy), 1 / size) ** -power
    white = np.fft.rfft2(rng.standard_normal((size, size)))
    noise = np.fft.irfft2(white * amplitude, (size, size))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _spectrum(size: int, rng: np.random.Generator) -> np.ndarray:
    """Three channels with the spectrum of photographs (amplitude about 1 / frequency)."""
    power = rng.uniform(0.8, 1.5)
    shared = _noise(size, rng, power)
    own = np.stack([_noise(size, rng, power) for _ in range(3)], -1)
    return 0.5 + 0.22 * (0.8 * shared[..., None] + 0.5 * own)


def _octaves(size: int, rng: np.random.Generator) -> np.ndarray:
    """Marble: noise bent by a contour function, with sharp bands."""
    field = _noise(size, rng, rng.uniform(1.5, 2.2)) * rng.uniform(1, 4)
    return (0.5 + 0.5 * np.sin(field * np.pi))[..., None]


def _stripes(size: int, rng: np.random.Generator) -> np.ndarray:
    period, angle = np.exp(rng.uniform(np.log(8), np.log(80))), rng.uniform(0, np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    wave = np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / period)
    return (0.5 + 0.5 * np.clip(wave * rng.uniform(1, period / 3), -1, 1))[..., None]


def _checker(size: int, rng: np.random.Generator) -> np.ndarray:
    period = np.exp(rng.uniform(np.log(10), np.log(80)))
    y, x = np.mgrid[:size, :size].astype(np.float32) * (2 * np.pi / period)
    wave = np.sin(x) * np.sin(y * rng.uniform(0.6, 1.6))
    return (0.5 + 0.5 * np.clip(wave * period / 4, -1, 1))[..., None]


def _gradient(size: int, rng: np.random.Generator) -> np.ndarray:
    """Nearly untextured: a ramp, which the grain of `pattern` makes barely trackable."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    angle = rng.uniform(0, 2 * np.pi)
    return (0.5 + 0.5 * (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)))[..., None]


def _spots(size: int, rng: np.random.Generator) -> np.ndarray:
    import cv2

    canvas = np.zeros((size, size, 1), np.float32)
    for _ in range(int(rng.integers(60, 300))):
        center = tuple(int(c) for c in rng.integers(0, size, 2))
        radius = int(np.exp(rng.uniform(np.log(2), np.log(28))))
        cv2.circle(canvas, center, radius, float(rng.uniform(0.2, 1)), -1, cv2.LINE_AA)
    return canvas


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
