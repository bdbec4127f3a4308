"""The knob of each corruption at severity 1 to 5, and its SSIM there.

Made by `python -m studies.corruptions --write`, on photographs; do not edit.
"""

TARGETS = (0.93, 0.87, 0.8, 0.7, 0.6)
KNOBS: dict[str, tuple[float, ...]] = {
    "defocus_blur": (1.26, 1.96, 2.78, 4.28, 7.02),
    "gaussian_blur": (0.822, 1.19, 1.69, 2.67, 4.51),
    "glass_blur": (0.686, 0.999, 1.79, 3.3, 5.74),
    "motion_blur": (3.65, 5.27, 7.8, 12.9, 22.9),
    "zoom_blur": (0.0117, 0.02, 0.0317, 0.0579, 0.112),
    "brightness": (0.127, 0.215, 0.304, 0.447, 0.659),
    "contrast": (0.762, 0.6, 0.463, 0.314, 0.191),
    "saturate": (1.48, 1.81, 2.25, 3.04, 4.21),
    "gaussian_noise": (3.29, 4.81, 6.48, 9.04, 12.1),
    "impulse_noise": (0.00305, 0.00591, 0.00964, 0.0162, 0.0242),
    "shot_noise": (2160.0, 970.0, 525.0, 255.0, 133.0),
    "speckle_noise": (0.0311, 0.0478, 0.0679, 0.102, 0.145),
    "elastic_transform": (0.439, 0.681, 0.997, 1.6, 2.55),
    "jpeg_compression": (73.0, 30.0, 13.0, 6.0, 3.0),
    "pixelate": (1.02, 1.21, 2.45, 4.06, 6.29),
    "spatter": (0.0754, 0.141, 0.221, 0.338, 0.461),
    "h264_compression": (27.0, 34.0, 39.0, 45.0, 51.0),
    "hevc_compression": (26.0, 33.0, 38.0, 44.0, 51.0),
    "low_light": (0.392, 0.231, 0.139, 0.0755, 0.0411),
    "down_up_scaling": (1.74, 2.53, 3.55, 5.56, 9.23),
    "true_motion_blur": (0.329, 0.561, 0.871, 1.64, 3.15),
}
STRENGTHS: dict[str, tuple[float, ...]] = {
    "realbasicvsr": (0.0, 0.0669, 0.162, 0.331, 0.576),
    "star": (0.0, 0.013, 0.122, 0.284, 0.505),
    "dit4sr": (0.0, 0.0258, 0.12, 0.253, 0.434),
    "dit4sr_online": (0.0, 0.0655, 0.194, 0.387, 0.71),
}
