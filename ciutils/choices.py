"""What is chosen by name: known without torch, so that whoever only reads artifacts need not have it."""

DATASETS = ("digits", "cifar10", "cifar100", "fashion-mnist")
"""Data sets with a name; "folder:PATH" is the fifth way."""

NORMALISATIONS = ("data", "public-code")
"""By the data's own channel deviations, or by those of the public CIFAR-10 training code."""

NETWORKS = ("vgg19", "resnet18", "googlenet", "dla", "simple-dla")
"""Those of `models.NETWORKS`."""

SETUPS = ("big-lr", "small-lr", "anneal-lr")
"""Those of `train.SETUPS`."""

AUGMENTS = ("crop-flip", "crop", "none")

PRECISIONS = ("auto", "fp32", "bf16")

SCALES = ("gradient", "unit", "filter")
"""Lengths of a plane's directions; see `measure.rescaled`."""

SIGNS = ("descent", "paper")

BN = ("frozen", "recalibrated")
"""Batch-norm statistics at the points of a plane."""

OPTIONS = {"scale": "gradient", "sign": "descent", "bn": "frozen", "precision": "auto"}
"""The choices of `measure.interference_space` that change what is measured, and their defaults."""

COUNTS = ("running_counts", "end_counts", "test_counts")
"""Counts that a history may hold: of training images as the network met them during the epoch (augmented, in training
mode, weights changing); of all training images at its end; of the test images at its end."""
