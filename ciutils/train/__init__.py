"""Training, and a recorder for other people's loops."""

from ciutils.choices import AUGMENTS
from ciutils.train.augment import augmented
from ciutils.train.loop import EGO_EPOCHS, check_batches, train
from ciutils.train.recorder import Recorder
from ciutils.train.setups import SETUPS, Setup

__all__ = ["AUGMENTS", "EGO_EPOCHS", "SETUPS", "Recorder", "Setup", "augmented", "check_batches", "train"]
