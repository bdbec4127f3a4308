"""The constants of JPEG, for host and accelerator."""

import numpy as np

LUMINANCE = np.array(
    [  # ITU-T T.81, table K.1
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
CHROMINANCE = np.full((8, 8), 99, np.float32)  # ITU-T T.81, table K.2
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)  # JFIF, before the shift of chroma by 128
FROM_YCC = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32)


def dct() -> np.ndarray:
    """Returns the orthonormal 8-point DCT-II, float32 (8, 8)."""
    u, y = np.arange(8)[:, None], np.arange(8)
    basis = np.cos((2 * y + 1) * u * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)
