"""The numbers that the paper prints (arXiv:2211.01370), to stand beside ours."""

from __future__ import annotations

import pandas as pd

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""CIFAR-10's classes by the paper's short names, in the order of the labels."""

RECALL = pd.DataFrame(
    {
        "vgg19": [96.0, 96.6, 91.9, 84.5, 94.7, 89.0, 96.0, 96.4, 95.2, 96.3],
        "resnet18": [96.9, 97.9, 94.2, 86.5, 97.0, 92.6, 96.9, 96.3, 96.5, 97.3],
        "googlenet": [96.4, 96.7, 93.8, 86.9, 97.3, 92.0, 97.2, 95.5, 96.5, 96.6],
        "dla": [95.4, 97.8, 92.6, 88.7, 96.6, 90.8, 96.1, 97.3, 97.0, 96.4],
    },
    index=pd.Index(CLASSES, name="class"),
).T
"""Table 1: test recall in percent (network, class), all trained with anneal-lr."""

ACCURACY = {
    ("vgg19", "anneal-lr"): 93.87,
    ("resnet18", "anneal-lr"): 95.15,
    ("vgg19", "small-lr"): 84.99,
    ("resnet18", "small-lr"): 86.88,
}
"""Section 3: test accuracy in percent, as the text prints it."""

INTERFERERS = {"plane": 3, "bird": 5, "car": 1, "truck": 1}
"""Table 2: how many classes take more than 0.5% of a class's test images, in GoogLeNet."""

CAR_AND_TRUCK = {"googlenet": 99.2, "dla": 99.6, "simple-dla": 99.6}
"""Section 2.1: percent of CAR that is called CAR or TRUCK; which form of DLA it is of is unclear."""

TURN = 118 / 200
"""Section 4.2: the share of training up to which CAT and DOG dance most, and after which DOG is CAT's interferer."""

SIGMA_RATIOS = {"big-lr": 1, "small-lr": 0.1, "anneal-lr": 10}
"""Half sides of the planes of Figures 2, 3 and 4: their ratios are all that is known of them."""
