"""What two classes lose by sharing a network: hand-made predictions, and planted costs."""

import numpy as np
import pytest
import xarray as xr

from ciutils.analyse import sharing

NAMES = ["plane", "cat", "dog"]


def predictions(labels, probabilities, names):
    given = np.array(probabilities, float)
    dims = ("test_image", "predicted")
    return xr.Dataset(
        {
            "test_labels": ("test_image", np.array(labels)),
            "test_predictions": ("test_image", given.argmax(1)),
            "test_probabilities": (dims, given),
        },
        coords={"predicted": names},
    )


def test_rates_of_a_case_made_by_hand():
    """Four images of cats and dogs: asked for the two alone, the network of all misses the 2nd and the 4th, the pair's
    own the 2nd and the 3rd; where it prefers plane, plane does not count."""
    everybody = predictions(
        [1, 1, 0, 2, 2], [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [1, 0, 0], [0.6, 0.1, 0.3], [0.2, 0.5, 0.3]], NAMES
    )
    own = predictions([0, 0, 1, 1], [[0.9, 0.1], [0.3, 0.7], [0.8, 0.2], [0.4, 0.6]], ["cat", "dog"])
    found = sharing.shared_and_own([everybody], {("cat", "dog"): [own]}, draws=5)
    assert found.sizes == {"draw": 6, "pair": 1, "rate": 3}
    assert found[0, 0].sel(rate=["shared", "own", "both"]).values.tolist() == [0.5, 0.5, 0.25]


def planted(cost, seed):
    """1,000 cats and 1,000 dogs: the pair's own network misses one in ten of them, drawn at random, the network of all
    the same ones and `cost` more."""
    random, second = np.random.default_rng(seed), np.repeat([0, 1], 1000)
    draw = random.random(2000)
    own, shared = draw < 0.1, draw < 0.1 + cost
    alone = np.stack([second == own, second != own], 1)
    asked = np.stack([np.zeros(2000), second == shared, second != shared], 1)
    return predictions(second + 1, asked, NAMES), predictions(second, alone, ["cat", "dog"])


@pytest.mark.parametrize("cost", [0.0, 0.05])
def test_a_planted_cost_is_found_and_no_other(cost):
    networks = [planted(cost, seed) for seed in range(3)]
    everybody, own = zip(*networks, strict=True)
    found = sharing.shared_and_own(everybody, {("cat", "dog"): own})
    lost = (found.sel(rate="shared") - found.sel(rate="own"))[:, 0]
    low, high = np.quantile(lost[1:], [0.025, 0.975])
    assert low <= cost <= high
    assert high - low < 0.03
    assert (low > 0) == (cost > 0)
    np.testing.assert_allclose(found.sel(rate="both"), found.sel(rate="own"))


@pytest.mark.parametrize(("wrong", "chance"), [(90, False), (420, False), (421, True), (900, True)])
def test_a_network_is_at_chance_if_its_errors_may_be_half(wrong, chance):
    """Wilson's interval, by its formula, ends at 0.4993 for 420 wrong ones of 900, and at 0.5004 for 421."""
    labels = np.repeat([0, 1], 450)
    given = np.where(np.arange(900) < wrong, 1 - labels, labels)
    own = predictions(labels, np.eye(2)[given], ["cat", "dog"])
    assert sharing.at_chance(own) == chance


def test_what_does_not_fit_together_is_one_line():
    everybody, own = planted(0, 0)
    with pytest.raises(ValueError, match="2 networks beside 1 of all classes: give as many"):
        sharing.shared_and_own([everybody], {("cat", "dog"): [own, own]})
    with pytest.raises(ValueError, match="saw other test images: give those of one data set"):
        sharing.shared_and_own([everybody], {("dog", "cat"): [own]})
