import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from ciutils.analyse import agreement

IMAGES = 2000


def on_images(*networks):
    names = [f"n{place}" for place in range(len(networks))]
    return xr.DataArray(np.array(networks), dims=("network", "test_image"), coords={"network": names})


def of_images(labels):
    return xr.DataArray(np.array(labels), dims="test_image")


def independent(rates, seed=0, images=IMAGES, names=4):
    """Networks that miss images of class c with probability `rates[network][c]`, each image by itself, and give one of
    the other `names` at random."""
    random = np.random.default_rng(seed)
    labels = np.arange(images) % len(rates[0])
    wrong = random.random((len(rates), images)) < np.array(rates)[:, labels]
    other = (labels + random.integers(1, names, (len(rates), images))) % names
    return on_images(*np.where(wrong, other, labels)), of_images(labels)


# --- error consistency


def test_kappa_of_a_hand_made_table():
    """Of ten images both miss 2, the first alone 1, the second alone 2: observed 0.7, p = 0.7, q = 0.6, expected
    0.42 + 0.12 = 0.54."""
    labels = of_images([0] * 10)
    found = agreement.error_consistency(on_images([1, 1, 1] + [0] * 7, [1, 1, 0, 1, 1] + [0] * 5), labels)
    (row,) = found.pairs.itertuples()
    assert (row.first, row.second) == ("n0", "n1")
    assert [row.observed, row.expected, row.value] == pytest.approx([0.7, 0.54, 0.16 / 0.46])
    assert found.mean.value == row.value


def test_kappa_is_cohens_of_being_right():
    predictions, labels = independent([[0.2, 0.4], [0.3, 0.1], [0.25, 0.5]])
    found = agreement.error_consistency(predictions, labels).pairs
    right = (predictions == labels).values
    assert list(found["value"]) == pytest.approx(
        [cohen_kappa_score(right[i], right[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    )


def test_independent_errors_give_kappa_near_zero_and_classes_alone_none_within():
    """Both networks find class 1 hard: that is agreement, and none within classes."""
    predictions, labels = independent([[0.05, 0.5], [0.05, 0.5]])
    over_all = agreement.error_consistency(predictions, labels).mean
    within = agreement.error_consistency(predictions, labels, within_classes=True).mean
    assert over_all.low > 0.2
    assert within.low < 0 < within.high
    assert abs(within.value) < 0.05


def test_identical_networks_agree_wholly_and_opposed_ones_less_than_chance():
    predictions, labels = independent([[0.3, 0.2]])
    twice = xr.concat([predictions, predictions], "network")
    for within_classes in (False, True):
        same = agreement.error_consistency(twice, labels, within_classes)
        assert same.mean == agreement.Estimate(1, 1, 1)
    half = on_images([1] * 5 + [0] * 5, [0] * 5 + [1] * 5)
    assert agreement.error_consistency(half, of_images([0] * 10)).mean.value == -1


@pytest.mark.parametrize("within_classes", [False, True])
def test_networks_that_never_err_have_no_kappa(within_classes):
    labels = of_images(np.arange(30) % 10)
    found = agreement.error_consistency(on_images(labels.values, labels.values), labels, within_classes)
    assert np.isnan(found.pairs["value"]).all()
    assert np.isnan(found.mean.low)


def test_an_interval_covers_the_truth_as_often_as_it_says():
    """Independent networks have kappa 0. Of 100 intervals, 88 or fewer would cover it with a probability of 0.4%."""
    covered = 0
    for seed in range(100):
        found = agreement.error_consistency(
            *independent([[0.2, 0.4], [0.3, 0.3]], seed, 400), True, draws=200, seed=seed
        )
        covered += found.mean.low <= 0 <= found.mean.high
    assert covered > 88


# --- how many miss an image


def test_independent_networks_miss_together_as_expected():
    rates = [[0.1, 0.4], [0.2, 0.3], [0.5, 0.1]]
    predictions, labels = independent(rates, images=20_000)
    table = agreement.missed_by(predictions, labels)
    assert table["images"].sum() == 20_000
    assert table["independent"].sum() == pytest.approx(20_000)
    assert (abs(table["images"] - table["independent"]) < 4 * np.sqrt(table["independent"])).all()


def test_the_expected_number_is_that_of_a_binomial_where_rates_are_equal():
    """Four networks that each miss 3 of 10 images: binomial(4, 0.3)."""
    missing = [np.roll([1, 1, 1] + [0] * 7, shift) for shift in (0, 2, 5, 7)]
    table = agreement.missed_by(on_images(*missing), of_images([0] * 10))
    assert list(table["independent"]) == pytest.approx(list(10 * stats.binom.pmf(range(5), 4, 0.3)))
    assert list(table["images"]) == list(np.bincount(np.sum(missing, 0), minlength=5))


def test_what_all_miss_for_a_reason_is_beyond_independence():
    predictions, labels = independent([[0.1, 0.1]] * 4, names=3)
    predictions[:, :50] = (labels[:50] + 1) % 3
    last = agreement.missed_by(predictions, labels).loc[4]
    assert last["images"] >= 50
    assert last["low"] > 20 * last["independent"]


def test_shared_errors_are_counted_by_hand():
    """Errors on images missed by 3, 2, 1 networks: 3 + 2 + 1; on those that two or more miss: 5 of 6."""
    missed = on_images([1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0])
    labels = of_images([0] * 4)
    shares = [agreement.shared_errors(missed, labels, networks).value for networks in (1, 2, 3)]
    assert shares == pytest.approx([1, 5 / 6, 1 / 2])
    assert np.isnan(agreement.shared_errors(missed * 0, labels, 2).value)


def test_answers_dealt_anew_are_the_same_in_number_and_of_independent_networks():
    predictions, labels = independent([[0.3, 0.1]] * 4)
    predictions[:, :100] = (labels[:100] + 1) % 4
    dealt = agreement.dealt_anew(predictions, labels)
    for label in (0, 1):
        for before, after in zip(predictions.values, dealt.values, strict=True):
            mine = labels.values == label
            np.testing.assert_array_equal(np.sort(after[mine]), np.sort(before[mine]))
    assert agreement.error_consistency(predictions, labels, within_classes=True).mean.low > 0.1
    within = agreement.error_consistency(dealt, labels, within_classes=True).mean
    assert within.low < 0 < within.high


# --- wrong names


def test_same_names_by_hand():
    """Both miss images 0, 1, 2 and give the same name to 0 and 1. Habits on class 0: n0 says 1 in 2 of 3 errors and 2
    in one; n1 says 1 in 3 of 4 and 2 in one: expected 2/3 * 3/4 + 1/3 * 1/4 = 7/12."""
    predictions = on_images([1, 1, 2, 0, 0], [1, 1, 1, 2, 0])
    (row,) = agreement.same_names(predictions, of_images([0] * 5)).pairs.itertuples()
    assert [row.both, row.same, row.expected, row.value] == pytest.approx([3, 2 / 3, 7 / 12, 1 / 12])


def test_names_given_at_random_are_the_same_as_often_as_expected():
    predictions, labels = independent([[0.3, 0.3], [0.4, 0.4]], images=8000)
    found = agreement.same_names(predictions, labels)
    assert found.mean.low < 0 < found.mean.high
    assert found.pairs["expected"][0] == pytest.approx(1 / 3, abs=0.01)  # three wrong names, each as likely


def test_a_habit_is_no_agreement_on_an_image():
    """Both call every missed image of class 0 by the one name: the same, as expected."""
    predictions, labels = independent([[0.3, 0.3], [0.4, 0.4]], names=2)
    (row,) = agreement.same_names(predictions, labels).pairs.itertuples()
    assert [row.same, row.expected, row.value] == [1, 1, 0]


def test_identical_networks_give_the_same_names():
    predictions, labels = independent([[0.3, 0.2]])
    found = agreement.same_names(xr.concat([predictions, predictions], "network"), labels)
    assert found.pairs["same"][0] == 1
    assert found.mean.low > 0.5
    never = agreement.same_names(xr.concat([labels, labels], pd.Index(["a", "b"], name="network")), labels)
    assert np.isnan(never.mean.value)


# --- the images behind a cell


def said_of(predictions, labels, probabilities, classes="abc"):
    """What two networks say, as artifacts hold it; probabilities (network, image, class)."""
    return [
        xr.Dataset(
            {
                "test_labels": ("test_image", np.array(labels, np.uint8)),
                "test_predictions": ("test_image", np.array(answers, np.uint8)),
                "test_probabilities": (("test_image", "predicted"), np.array(given, np.float16)),
            },
            coords={"predicted": list(classes)},
        )
        for answers, given in zip(predictions, probabilities, strict=True)
    ]


def pair_of_networks():
    """Of class a, images 0, 1, 3; image 2 is of class b."""
    sure, unsure, half = [0.1, 0.9, 0], [0.45, 0.55, 0], [0.2, 0.5, 0.3]
    first = [sure, unsure, sure, half]
    second = [unsure, sure, sure, [0.9, 0.1, 0]]
    one, two = said_of([[1, 1, 1, 1], [1, 1, 1, 0]], [0, 0, 1, 0], [first, second])
    return {"one": one, "two": two}


def test_behind_a_cell_stand_its_images_most_networks_first():
    said = agreement.joined(pair_of_networks())
    assert dict(said.sizes) == {"network": 2, "test_image": 4, "predicted": 3}
    table = agreement.behind(said, "a", "b")
    assert list(table.index) == [0, 1, 3]
    assert list(table["networks"]) == [2, 2, 1]
    assert {tuple(row) for row in table[["true", "predicted", "of"]].to_numpy()} == {("a", "b", 2)}
    assert list(table["probability"]) == pytest.approx([0.725, 0.725, 0.3], abs=1e-3)
    assert agreement.behind(said, "c", "a").empty


def test_behind_a_cell_of_one_network_stand_its_own_images_by_its_own_certainty():
    said = agreement.joined(pair_of_networks())
    table = agreement.behind(said, "a", "b", "two")
    assert list(table.index) == [1, 0]
    assert list(table["networks"]) == [2, 2]
    assert list(table["probability"]) == pytest.approx([0.9, 0.55], abs=1e-3)
    with pytest.raises(ValueError, match="unknown network 'tow'.*did you mean 'two'"):
        agreement.behind(said, "a", "b", "tow")


def test_networks_on_other_images_are_not_joined():
    both = pair_of_networks()
    both["two"]["test_labels"][0] = 1
    with pytest.raises(ValueError, match="two and one are of other images, or in another order"):
        agreement.joined(both)


def test_counts_drawn_anew_keep_each_class_and_scatter_as_a_multinomial():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 2], 400)
    answers = random.integers(0, 3, (1, 800))
    one = said_of(answers, labels, np.zeros((1, 800, 3)))[0]
    (drawn,) = agreement.counts_drawn_anew(agreement.joined({"one": one}), draws=2000)
    assert (drawn.sum("predicted") == [400, 0, 400]).all()
    counts = [[np.sum((labels == row) & (answers[0] == column)) for column in range(3)] for row in range(3)]
    np.testing.assert_array_equal(drawn[0], counts)
    shares = np.array(counts) / 400
    np.testing.assert_allclose(drawn[1:].std("draw"), np.sqrt(400 * shares * (1 - shares)), rtol=0.1)


def test_all_networks_are_given_the_same_images_drawn_anew():
    """One is right where the other is wrong, so their numbers of right answers have one sum in every draw."""
    labels, wrong = np.zeros(60, int), np.arange(60) % 3 == 0
    one, other = said_of(np.stack([wrong, ~wrong]).astype(int), labels, np.zeros((2, 60, 2)), "ab")
    drawn = agreement.counts_drawn_anew(agreement.joined({"one": one, "other": other}), draws=50)
    assert drawn.dims == ("network", "draw", "true", "predicted")
    right = drawn.sel(true="a", predicted="a")
    assert (right.sum("network") == 60).all()
    assert right.sel(network="one").values.std() > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, y: agreement.error_consistency(p[:1], y), "1 network: give at least two"),
        (lambda p, y: agreement.same_names(p[:1], y), "1 network: give at least two"),
        (lambda p, y: agreement.missed_by(p, y[:5]), "give .network or epoch, image. and .image."),
        (lambda p, y: agreement.missed_by(p[0], y), "give .network or epoch, image. and .image."),
        (lambda p, y: agreement.missed_by(p.astype(float), y), "predictions are float64: give whole numbers"),
        (lambda p, y: agreement.error_consistency(p / 2, y), "predictions are float64: give whole numbers"),
        (lambda p, y: agreement.same_names(p, y - 1), "labels are int64: give whole numbers of at least 0"),
        (lambda p, y: agreement.missed_by(p.values, y), "predictions are a ndarray: give a DataArray"),
        (lambda p, y: agreement.shared_errors(p, y.values, 2), "labels are a ndarray: give a DataArray"),
        (lambda p, y: agreement.error_consistency(p.values.tolist(), y), "predictions are a list: give a DataArray"),
        (lambda p, y: agreement.same_names(p, y.values), "labels are a ndarray: give a DataArray"),
        (lambda p, y: agreement.dealt_anew(p.values, y.values), "predictions are a ndarray: give a DataArray"),
        (
            lambda p, y: agreement.shared_errors(p, y, 9),
            "networks = 9: give a whole number of at least 1 and at most 2",
        ),
        (lambda p, y: agreement.joined([p.to_dataset(name="x")]), "networks are a list: give a dict of at least one"),
        (lambda p, y: agreement.joined({}), "networks are none: give a dict of at least one"),
        (lambda p, y: agreement.joined({"n": p}), "n is a DataArray: give a Dataset, as measure.of_trained does"),
        (
            lambda p, y: agreement.behind(said_of([[0]], [0], [[[1, 0, 0]]])[0], "a", "b"),
            "said is a Dataset without network: give a Dataset, as agreement.joined does",
        ),
        (lambda p, y: agreement.counts_drawn_anew(p), "said is a DataArray: give a Dataset, as agreement.joined does"),
        (lambda p, y: agreement.missed_by(p, y, draws=0), "draws = 0: give a whole number of at least 1"),
        (lambda p, y: agreement.shared_errors(p, y, 0), "networks = 0: give a whole number"),
        (lambda p, y: agreement.missed_by(p[:, :0], y[:0]), "give .network or epoch, image. and .image."),
    ],
)
def test_bad_input_gets_one_line(call, message):
    predictions, labels = independent([[0.3, 0.2], [0.1, 0.2]], images=20)
    with pytest.raises(ValueError, match=message) as error:
        call(predictions, labels)
    assert "\n" not in str(error.value)
