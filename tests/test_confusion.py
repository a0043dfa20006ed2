import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix
from statsmodels.stats.contingency_tables import SquareTable, mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from torch import nn

from ciutils import data, measure
from ciutils.analyse import confusion
from ciutils.counts import CELLS, from_predictions
from ciutils.models import outputs

ABC = ("a", "b", "c")


def matrix(values, classes=None):
    names = list(classes or [f"c{position}" for position in range(len(values))])
    return xr.DataArray(np.array(values), dims=CELLS, coords={"true": names, "predicted": names})


HAND = matrix([[7, 2, 1], [0, 4, 1], [5, 0, 15]], ABC)
"""10, 5 and 20 objects; 9 errors; no two cells of a pair alike."""

EYES = matrix([[1520, 266, 124, 66], [234, 1512, 432, 78], [117, 362, 1772, 205], [36, 82, 179, 492]])
"""Unaided distance vision of 7,477 women, right eye by left eye (Stuart 1953)."""

matrices = st.integers(2, 6).flatmap(lambda size: arrays.arrays(np.int64, (size, size), elements=st.integers(0, 50)))


# --- from predictions to the matrix


def test_counting_batches_into_a_tensor_adds_them_up():
    random = np.random.default_rng(0)
    labels = torch.from_numpy(random.integers(0, 3, 50))
    logits = torch.from_numpy(random.normal(size=(50, 3)))
    counts = torch.zeros(3, 3, dtype=torch.int64)
    for batch in torch.arange(50).split(20):
        outputs.count_into(counts, labels[batch], logits[batch])
    np.testing.assert_array_equal(counts, confusion_matrix(labels, logits.argmax(1), labels=[0, 1, 2]))


def test_rows_are_true_classes_and_columns_predictions():
    counts = from_predictions([0, 0, 1, 2, 2, 2], [1, 1, 0, 2, 2, 0], ABC)
    assert counts.dims == ("true", "predicted")
    assert counts.sel(true="a", predicted="b") == 2
    np.testing.assert_array_equal(counts, [[0, 2, 0], [1, 0, 0], [1, 0, 2]])


def test_cctm_of_a_hand_made_matrix():
    np.testing.assert_allclose(confusion.cctm(HAND), [[0.7, 0.2, 0.1], [0, 0.8, 0.2], [0.25, 0, 0.75]])
    np.testing.assert_allclose(confusion.recall(HAND), [0.7, 0.8, 0.75])
    assert confusion.accuracy(HAND) == 26 / 35


@pytest.mark.filterwarnings("ignore:A single label was found")  # scikit-learn's, of a label set that it was given
@given(st.data())
def test_cctm_equals_scikit_learns_row_normalised_matrix(data):
    size = data.draw(st.integers(1, 8))
    labels = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), min_size=1))
    true, predicted = zip(*labels, strict=True)
    counts = from_predictions(np.array(true), torch.tensor(predicted), [str(each) for each in range(size)])
    expected = confusion_matrix(true, predicted, labels=range(size), normalize="true")
    present = np.bincount(true, minlength=size) > 0
    np.testing.assert_allclose(confusion.cctm(counts).values[present], expected[present])
    assert confusion.cctm(counts)[~present].isnull().all()


ABSENT = matrix([[3, 1, 0], [0, 0, 0], [1, 0, 4]], ABC)
"""No object of class b."""


def test_an_absent_class_is_nan_not_zero():
    counts = ABSENT
    assert confusion.cctm(counts).sel(true="b").isnull().all()
    assert np.isnan(confusion.recall(counts).sel(true="b"))
    assert confusion.pairs(counts).tail(2)["rate"].isna().all()
    assert confusion.pairs(counts).tail(2)["low"].isna().all()
    assert confusion.accuracy(counts) == 7 / 9
    assert list(confusion.interferers(counts).index) == ["a", "c"]
    assert list(confusion.interferers(counts)["names"]) == ["b", "a"]


def test_a_history_of_matrices_is_treated_epoch_by_epoch():
    epochs = xr.concat([HAND, HAND.T.transpose(*HAND.dims)], dim="epoch")
    cctms = confusion.cctm(epochs)
    assert cctms.dims == ("epoch", "true", "predicted")
    np.testing.assert_allclose(cctms.sum("predicted"), 1)
    np.testing.assert_allclose(confusion.accuracy(epochs), [26 / 35] * 2)
    np.testing.assert_allclose(confusion.recall(epochs)[0], [0.7, 0.8, 0.75])


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([0, 3], [0, 1], "true label 3 at position 1 is out of range: 3 classes allow 0 to 2"),
        ([0, 1], [-1, 1], "predicted label -1 at position 0 is out of range"),
        ([0, 1], [0], "2 true and 1 predicted labels"),
        ([0.5, 1.0], [0, 1], "true labels are float64 of shape"),
        ([[0], [1]], [0, 1], "true labels are int64 of shape"),
    ],
)
def test_labels_that_do_not_fit_get_one_line(true, predicted, message):
    with pytest.raises(ValueError, match=message) as error:
        from_predictions(true, predicted, ABC)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_predictions([], [], ("a", "a")), "class 'a' is named 2 times"),
        (lambda: confusion.cctm(HAND.rename(true="rows")), r"give \(..., true, predicted\)"),
        (lambda: confusion.cctm(-HAND), "counts hold -15: counts are not negative"),
        (lambda: confusion.symmetry(confusion.cctm(HAND)), "counts are float64: .*rates are no counts"),
        (lambda: confusion.cctm(matrix(np.eye(3))), "counts are float64"),  # the rates of a network without errors
        (lambda: confusion.recall(HAND.where(HAND > 1)), "counts are float64"),
        (lambda: confusion.accuracy(HAND > 1), "counts are bool"),
        (lambda: confusion.pairs(HAND.isel(predicted=[1, 0, 2])), "a row of counts is of 'a', its column of 'b'"),
        (lambda: confusion.pair_shares(HAND.drop_vars("predicted")), "a row of counts is of 'a', its column of '0'"),
        (lambda: confusion.interferers(matrix([[1, 2], [3, 4]], "aa")), "counts have classes a, a: give each once"),
        (lambda: confusion.pairs(HAND.expand_dims("epoch")), r"counts.isel\(epoch=-1\)"),
        (lambda: confusion.interferers(HAND, threshold="x"), "threshold = 'x': give a share from 0 up to 1"),
        (lambda: confusion.interferers(HAND, threshold=None), "threshold = None: give a share from 0 up to 1"),
        (lambda: confusion.cctm(HAND.values), "counts are a ndarray: give a DataArray"),
        (lambda: confusion.pairs(HAND.values.tolist()), "counts are a list: give a DataArray"),
        (lambda: confusion.symmetry(HAND.to_pandas()), "counts are a DataFrame: give a DataArray"),
        (lambda: from_predictions(np.ma.array([0, 1], mask=[0, 1]), [0, 1], ["a", "b"]), "true labels are masked"),
        (lambda: confusion.interferers(HAND, threshold=2), "threshold = 2: give a share"),
    ],
)
def test_arguments_that_do_not_fit_get_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


# --- ranked pairs, shares, interferers


def test_ranked_pairs_of_a_hand_made_matrix():
    table = confusion.pairs(HAND)
    assert list(zip(table["true"], table["predicted"], strict=True)) == [
        ("c", "a"),
        ("a", "b"),
        ("b", "c"),
        ("a", "c"),
        ("b", "a"),
        ("c", "b"),
    ]
    assert list(table["errors"]) == [5, 2, 1, 1, 0, 0]
    assert list(table["objects"]) == [20, 10, 5, 10, 5, 20]
    np.testing.assert_allclose(table["rate"], [0.25, 0.2, 0.2, 0.1, 0, 0])
    np.testing.assert_allclose(table["share"], np.array([5, 2, 1, 1, 0, 0]) / 9)
    np.testing.assert_allclose(table["cumulative"], np.array([5, 7, 8, 9, 9, 9]) / 9)


@given(matrices)
def test_shares_sum_to_one_over_cells_and_over_pairs(values):
    counts = matrix(values)
    errors = values.sum() - np.trace(values)
    for table in (confusion.pairs(counts), confusion.pair_shares(counts)):
        assert table["errors"].sum() == errors
        if errors:
            assert table["share"].sum() == pytest.approx(1)
            assert table["cumulative"].iloc[-1] == pytest.approx(1)
        else:
            assert table["share"].isna().all()


def test_one_class_has_no_pairs_and_no_errors():
    counts = matrix([[5]])
    assert [each(counts).item() for each in (confusion.cctm, confusion.recall, confusion.accuracy)] == [1, 1, 1]
    assert confusion.pairs(counts).empty
    assert confusion.pair_shares(counts).empty
    assert list(confusion.interferers(counts).itertuples(name=None)) == [("c0", 1.0, 0, "")]
    assert confusion.symmetry(counts).pairs.empty


def test_a_thousand_classes_are_ranked_as_a_plain_loop_ranks_them():
    random = np.random.default_rng(0)
    values = random.poisson(0.2, (1000, 1000)) + np.diag(random.integers(0, 9, 1000))
    values[7] = 0
    table = confusion.pairs(matrix(values))
    assert len(table) == 999_000
    assert table["rate"].iloc[:-999].is_monotonic_decreasing
    assert set(table["true"].iloc[-999:]) == {"c7"}
    for row in table.iloc[::50_000].itertuples():
        true, predicted = int(row.true[1:]), int(row.predicted[1:])
        errors, objects = int(values[true, predicted]), int(values[true].sum())
        assert (row.errors, row.objects) == (errors, objects)
        if objects:
            bounds = binomtest(errors, objects).proportion_ci(method="wilson")
            assert (row.rate, row.low, row.high) == pytest.approx((errors / objects, *bounds))


def test_shares_of_pairs_add_both_directions():
    table = confusion.pair_shares(HAND)
    assert list(zip(table["first"], table["second"], table["errors"], strict=True)) == [
        ("a", "c", 6),
        ("a", "b", 2),
        ("b", "c", 1),
    ]
    np.testing.assert_allclose(table["cumulative"], [6 / 9, 8 / 9, 1])
    assert (table["even"] == 1 / 3).all()
    expected = [proportion_confint(errors, 9, method="wilson") for errors in (6, 2, 1)]
    np.testing.assert_allclose(table[["low", "high"]], expected)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_newcombes(hits, trials, low, high):
    """Newcombe 1998, Statistics in Medicine 17:857, Table I, method 3."""
    row = confusion.pairs(matrix([[trials - hits, hits], [0, 1]])).query("true == 'c0'").iloc[0]
    assert (round(row["low"], 4), round(row["high"], 4)) == (low, high)


@given(st.integers(0, 200), st.integers(0, 200))
def test_wilson_intervals_equal_statsmodels(hits, others):
    row = confusion.pairs(matrix([[others, hits], [0, 1]])).query("true == 'c0'").iloc[0]
    if hits + others == 0:
        assert np.isnan(row["low"])
        return
    expected = proportion_confint(hits, hits + others, 0.05, method="wilson")
    np.testing.assert_allclose((row["low"], row["high"]), expected, atol=1e-12)


def test_interferers_take_more_than_the_threshold():
    table = confusion.interferers(HAND, threshold=0.1)
    assert list(table.index) == ["a", "b", "c"]
    assert list(table["interferers"]) == [1, 1, 1]  # a is called c in exactly a tenth: not above it
    assert list(table["names"]) == ["b", "c", "a"]
    assert list(confusion.interferers(HAND, threshold=0)["names"]) == ["b, c", "c", "a"]
    np.testing.assert_allclose(table["recall"], [0.7, 0.8, 0.75])


# --- classes that have each other's names

rounds = st.lists(st.integers(2, 4), min_size=1, max_size=3)


@given(rounds, st.integers(0, 4))
def test_names_that_are_turned_round_are_found(lengths, errors):
    """In rounds of so many classes each, of nine objects."""
    names = [f"{place}{step}" for place, length in enumerate(lengths) for step in range(length)]
    cycles = [tuple(name for name in names if name[0] == str(place)) for place in range(len(lengths))]
    following = {name: [*cycle[1:], cycle[0]][place] for cycle in cycles for place, name in enumerate(cycle)}
    values = np.zeros((len(names), len(names)), int)
    for row, name in enumerate(names):
        values[row, names.index(following[name])] += 9 - errors
        values[row, row] += errors
    assert confusion.exchanged(matrix(values, names)) == cycles


def test_classes_that_one_name_takes_are_not_exchanged():
    assert confusion.exchanged(HAND) == []
    assert confusion.exchanged(matrix([[0, 9, 0], [0, 9, 0], [0, 5, 4]])) == []
    assert confusion.exchanged(matrix([[5, 5], [5, 5]])) == []  # half is not most


# --- symmetry


def test_bowkers_test_of_the_published_table():
    result = confusion.symmetry(EYES)
    assert round(result.statistic, 2) == 19.11
    assert result.degrees_of_freedom == 6
    assert result.p_value == pytest.approx(0.003987, abs=5e-6)


@settings(max_examples=25)  # statsmodels collects all garbage of the process at each
@given(matrices)
def test_symmetry_equals_statsmodels(values):
    result = confusion.symmetry(matrix(values))
    first, second = np.triu_indices(len(values), 1)
    objects = values.sum(1)
    seen = (values[first, second] + values[second, first] > 0) & (objects[first] > 0) & (objects[second] > 0)
    if seen.all():  # statsmodels counts a degree of freedom for empty pairs too
        expected = SquareTable(values, shift_zeros=False).symmetry()
        assert result.statistic == pytest.approx(expected.statistic)
        assert result.p_value == pytest.approx(expected.pvalue)
    assert result.degrees_of_freedom == seen.sum()
    for _, row in result.pairs[seen].iterrows():
        expected = mcnemar([[0, row["forward"]], [row["backward"], 0]], exact=False, correction=False)
        assert row["p_value"] == pytest.approx(expected.pvalue)
    if seen.any():
        adjusted = multipletests(result.pairs["p_value"][seen], method="holm")[1]
        np.testing.assert_allclose(result.pairs["p_holm"][seen], adjusted)
    assert result.pairs["p_holm"][~seen].isna().all()


def test_correlation_with_the_transpose():
    assert confusion.symmetry(matrix([[5, 2, 3], [2, 7, 1], [3, 1, 6]])).correlation == pytest.approx(1)
    rates = np.array([[0.7, 0.2, 0.1], [0, 0.8, 0.2], [0.25, 0, 0.75]])
    apart = ~np.eye(3, dtype=bool)
    expected = np.corrcoef(rates[apart], rates.T[apart])[0, 1]
    assert confusion.symmetry(HAND).correlation == pytest.approx(expected)


@pytest.mark.parametrize("counts", [matrix([[5, 2], [7, 9]]), ABSENT], ids=["two classes", "two of three"])
def test_one_pair_with_its_mirror_image_has_no_correlation(counts):
    """It is -1 whatever the counts: two points lie on a line."""
    assert np.isnan(confusion.symmetry(counts).correlation)


def test_unsigned_counts_do_not_wrap_around():
    small = confusion.symmetry(HAND.astype(np.uint8))
    assert (small.statistic, small.p_value) == (confusion.symmetry(HAND).statistic, confusion.symmetry(HAND).p_value)
    assert small.statistic == pytest.approx(2 + 1 + 16 / 6)  # (2-0)^2/2 + (1-0)^2/1 + (1-5)^2/6


def test_equal_rates_everywhere_have_no_correlation_with_anything():
    with np.errstate(all="raise"):
        assert np.isnan(confusion.symmetry(matrix(np.ones((3, 3), int) * 7)).correlation)


def test_a_class_without_objects_is_not_taken_for_others_less_often():
    result = confusion.symmetry(matrix([[40, 0, 20], [0, 0, 0], [20, 30, 50]], ABC))
    assert (result.statistic, result.degrees_of_freedom, result.p_value) == (0, 1, 1)
    assert list(result.pairs["p_value"].isna()) == [True, False, True]


def test_a_network_without_errors_is_symmetric_with_nothing_to_test():
    result = confusion.symmetry(matrix([[5, 0], [0, 5]]))
    assert (result.statistic, result.degrees_of_freedom, result.p_value) == (0, 0, 1)
    assert np.isnan(result.correlation)


# --- counts of a network


def split_of(images, labels):
    return data.Split(images, torch.tensor(labels, dtype=torch.int64), ABC)


class Oracle(nn.Module):
    """Reads the class from the image itself: pixel value = class."""

    def forward(self, images):
        return nn.functional.one_hot(images[:, 0, 0, 0].round().long(), 3).float()


class Undefined(nn.Module):
    """Says nothing of any image."""

    def forward(self, images):
        return torch.full((len(images), 3), torch.nan)


def test_counts_of_a_network_that_says_what_it_sees():
    shown = [0, 1, 2, 2, 1, 0, 0]
    images = torch.tensor(shown).view(-1, 1, 1, 1).float().expand(-1, 1, 2, 2)
    true = [0, 0, 2, 1, 1, 0, 2]
    counts = measure.counts(Oracle(), split_of(images, true), batch_size=3)
    np.testing.assert_array_equal(counts, confusion_matrix(true, shown))
    assert list(counts["true"].values) == list(ABC)


def state_of(model):
    return {key: value.clone() for key, value in model.state_dict().items()}, [m.training for m in model.modules()]


@pytest.mark.parametrize("breaks", [False, True])
def test_counting_leaves_the_network_as_it_was(tiny_model, tiny_data, breaks):
    tiny_model.train()
    tiny_model[1].eval()
    if breaks:
        tiny_model.append(nn.Linear(5, 3))  # its input does not fit: the forward pass raises
    state, modes = state_of(tiny_model)
    if breaks:
        with pytest.raises(ValueError, match="shapes"):
            measure.counts(tiny_model, tiny_data.test)
    else:
        measure.counts(tiny_model, tiny_data.test)
    after, modes_after = state_of(tiny_model)
    assert all(torch.equal(state[key], after[key]) for key in state)
    assert modes_after == modes


def test_two_passes_agree_in_spite_of_dropout(tiny_model, tiny_data):
    tiny_model.train()
    first, second = (measure.counts(tiny_model, tiny_data.test) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("model", "images", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(4, 5)), torch.zeros(2, 1, 2, 2), r"shape \(2, 5\).*need \[images, 3\]"),
        (Undefined(), torch.zeros(2, 1, 2, 2), "not finite for 2 of 2"),
        (Oracle(), torch.zeros(0, 1, 2, 2), "the split holds no images"),
    ],
)
def test_networks_that_do_not_fit_get_one_line(model, images, message):
    with pytest.raises(ValueError, match=message) as error:
        measure.counts(model, split_of(images, [0] * len(images)))
    assert "\n" not in str(error.value)
