"""A run together with its results, as most tests want it."""

import functools

from ciutils.store import Store
from reproduction.results import Results
from reproduction.runs import Run


class Bound:
    """Methods of `Results` on one run: `Bound(run, own, published).space(...)`."""

    def __init__(self, run, own, published, compute=True):
        self.run, self.own, self.published = run, own, published
        self.results = Results(Store(own, published, compute), device="cpu")

    def __getattr__(self, name):
        return functools.partial(getattr(self.results, name), self.run)

    @property
    def name(self):
        return self.run.name

    @property
    def folder(self):
        return self.own / self.run.name

    @property
    def images(self):
        return self.results.data(self.run)

    def fresh(self, compute=True):
        """The same, as another process sees it: nothing is remembered."""
        return Bound(self.run, self.own, self.published, compute)

    def publish(self):
        """Move the run's folder to the published ones."""
        self.published.mkdir(exist_ok=True)
        self.folder.rename(self.published / self.name)
        return self.fresh()


def quick(folder, **changes):
    """A run that trains in a blink, in folders below `folder`."""
    settings = {
        "dataset": "digits",
        "network": "resnet18",
        "setup": "anneal-lr",
        "epochs": 1,
        "width": 0.02,
        "batch_size": 256,
    }
    return Bound(Run(**settings | changes), folder / "runs", folder / "results")
