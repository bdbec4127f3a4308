"""Scores of other methods as the JFFRA paper prints them (arXiv 2505.16434): PSNR/SSIM.

They are the paper's, not measured here. Several of its SSIM values do not fit their PSNR, which
suggests another definition (docs/video_restoration.md): compare PSNR.
"""

from typing import NamedTuple

# a column is PROTOCOL:CONDITION; "-" where the paper has none
_TABLES = (
    """
method davis:sigma_10 davis:sigma_20 davis:sigma_30 davis:sigma_40 davis:sigma_50
VBM4D 37.58 33.88 31.65 30.05 28.80
VNLB 38.85 35.68 33.73 32.32 31.13
DVDnet 38.13/.9657 35.70/.9422 34.08/.9188 32.86/.8962 31.85/.8745
FastDVDnet 38.71/.9672 35.77/.9405 34.04/.9167 32.82/.8949 31.86/.8747
VNLNet 39.56/.9707 36.53/.9464 - 33.32/.8996 -
PaCNet 39.97/.9713 37.10/.9470 35.07/.9211 33.57/.8969 32.39/.8743
BasicVSR++ 40.13/.9754 37.41/.9598 35.74/.9456 34.49/.9319 33.45/.9179
RVRT 40.57 38.05 36.57 35.47 34.57
Tempformer 40.17 37.36 35.66 34.42 33.44
ShiftNet 40.91 38.34 36.83 35.71 34.82
VRT 40.82/.9776 38.15/.9625 36.52/.9483 35.32/.9345 34.36/.9211
JFFRA 41.13/.9781 38.54/.9652 37.04/.9569 35.67/.9362 34.65/.9321
""",
    """
method set8:sigma_10 set8:sigma_20 set8:sigma_30 set8:sigma_40 set8:sigma_50
VBM4D 36.05 32.18 30.00 28.48 27.33
VNLB 37.26 33.72 31.74 30.39 29.24
DVDnet 36.08/.9510 33.49/.9182 31.68/.8862 30.46/.8564 29.53/.8289
FastDVDnet 36.44/.9540 33.43/.9196 31.68/.8889 30.46/.8608 29.53/.8351
VNLNet 37.28/.9606 34.02/.9273 - 30.72/.8622 -
PaCNet 37.06/.9590 33.94/.9247 32.05/.8921 30.70/.8623 29.66/.8349
BasicVSR++ 36.83/.9574 34.15/.9319 32.57/.9095 30.42/.8589 30.49/.8690
RVRT 37.53 34.83 33.30 32.21 31.33
Tempformer 37.15 34.74 33.20 32.06 31.16
ShiftNet 37.48 34.85 33.29 32.18 31.33
VRT 37.88/.9630 35.02/.9373 33.35/.9141 32.15/.8928 31.22/.8733
JFFRA 38.17/.9642 35.22/.9386 33.30/.9118 32.06/.8842 31.24/.8726
""",
    """
method reds4:bi vimeo-bi:bi vid4-bi:bi udm10:bd vimeo-bd:bd vid4-bd:bd
Bicubic 26.14/.7292 31.32/.8684 23.78/.6347 28.47/.8253 31.30/.8687 21.80/.5246
SwinIR 29.05/.8269 35.67/.9287 25.68/.7491 35.42/.9380 34.12/.9167 25.25/.7262
TOFlow 27.98/.7990 33.08/.9054 25.89/.7651 36.26/.9438 34.62/.9212 25.85/.7659
DUF 28.63/.8251 - 27.33/.8319 38.48/.9605 36.87/.9447 27.38/.8329
PFNL 29.63/.8502 36.14/.9363 26.73/.8029 38.74/.9627 - 27.16/.8355
RBPN 30.09/.8590 37.07/.9435 27.12/.8180 38.66/.9596 37.20/.9458 27.17/.8205
EDVR 31.09/.8800 37.61/.9489 27.35/.8264 39.89/.9686 37.81/.9523 27.85/.8503
BasicVSR 31.42/.8909 37.18/.9450 27.24/.8251 39.96/.9694 37.53/.9498 27.96/.8553
IconVSR 31.67/.8948 37.47/.9476 27.39/.8279 40.03/.9694 37.84/.9524 28.04/.8570
BasicVSR++ 32.39/.9069 37.79/.9500 27.79/.8400 40.72/.9722 38.21/.9550 29.04/.8753
RVRT 32.75/.9113 38.15/.9527 27.99/.8462 40.90/.9729 38.59/.9576 29.54/.8810
VRT 32.19/.9006 38.20/.9530 27.9/.8425 41.05/.9737 38.72/.9584 29.42/.8795
JFFRA 32.45/.9136 39.32/.9561 28.54/.8725 42.15/.9848 39.62/.9786 30.52/.8896
""",
    """
method dvd:given
DBN 30.01/.8877
DBLRNet 30.08/.8845
STFAN 31.24/.9340
STTN 31.61/.9160
SFE 31.71/.9160
EDVR 31.82/.9160
TSP 32.13/.9268
PVDNet 32.31/.9260
GSTA 32.53/.9468
ARVo 32.80/.9352
RVRT 34.30/.9655
VRT 34.27/.9651
ShiftNet 34.69/.969
BSSTNet 34.95/.97
JFFRA 35.15/.976
""",
)


class Score(NamedTuple):
    """psnr in dB; ssim is None where the table has none."""

    psnr: float
    ssim: float | None


def scores(protocol: str) -> dict[str, dict[str, Score]]:
    """Returns {condition: {method: its score}}; {} for a protocol without a table."""
    found: dict[str, dict[str, Score]] = {}
    for table in _TABLES:
        head, *rows = (line.split() for line in table.strip().splitlines())
        for place, column in enumerate(head[1:], 1):
            name, _, condition = column.partition(":")
            if name == protocol:
                known = {row[0]: _score(row[place]) for row in rows if row[place] != "-"}
                found[condition.replace("_", " ")] = known
    return found


def _score(text: str) -> Score:
    psnr, _, ssim = text.partition("/")
    return Score(float(psnr), float(ssim) if ssim else None)
