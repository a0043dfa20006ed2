import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.signal import savgol_filter

from ciutils.analyse import dancing

ABC = ("a", "b", "c")


def history(counts, classes=ABC):
    cells = ("epoch", "true", "predicted")
    counts = np.array(counts)
    return xr.Dataset(
        {"end_counts": (cells, counts), "test_counts": (cells, counts[:, ::-1, ::-1])},
        coords={"epoch": np.arange(1, len(counts) + 1), "true": list(classes), "predicted": list(classes)},
    )


def of_rows(*rows_of_a, b=None):
    """A history in which class a's row is as given, b's recall as in `b` (of 100), and c is never mistaken."""
    b = b or [90] * len(rows_of_a)
    return history([[row, [100 - right, right, 0], [0, 0, 100]] for row, right in zip(rows_of_a, b, strict=True)])


# --- moments


def test_a_red_moment_is_a_drop_of_a_a_peak_of_b_and_of_the_interference():
    found = dancing.moments(of_rows([80, 15, 5], [70, 25, 5], [85, 10, 5], b=[80, 95, 90]), "a", "b")
    expected = pd.DataFrame(
        {
            "epoch": [2],
            "kind": ["red"],
            "interferer": ["b"],
            "recall_a": [0.7],
            "recall_b": [0.95],
            "interference": [0.25],
        }
    )
    pd.testing.assert_frame_equal(found, expected)


def test_a_blue_moment_is_a_drop_of_both_and_a_peak_of_a_third_class():
    found = dancing.moments(of_rows([80, 15, 5], [70, 15, 15], [85, 10, 5], b=[95, 80, 90]), "a", "b")
    assert list(found.itertuples(index=False, name=None)) == [(2, "blue", "c", 0.7, 0.8, 0.15)]


@pytest.mark.parametrize(
    ("rows", "b", "why"),
    [
        ([[80, 15, 5], [80, 15, 5], [85, 10, 5]], [80, 95, 90], "a does not drop"),
        ([[80, 15, 5], [70, 25, 5], [85, 10, 5]], [80, 95, 96], "b has no peak"),
        ([[80, 15, 5], [70, 10, 20], [85, 5, 10]], [80, 95, 90], "the peak is another class's"),
        ([[80, 15, 5], [70, 25, 5]], [80, 95], "the last epoch has no next one"),
        ([[80, 15, 5]], [80], "one epoch"),
    ],
)
def test_no_moment_where_a_part_is_missing(rows, b, why):
    assert dancing.moments(of_rows(*rows, b=b), "a", "b").empty, why


def test_a_plateau_peaks_at_its_first_epoch():
    rows = [[80, 15, 5], [70, 25, 5], [70, 25, 5], [85, 10, 5]]
    assert list(dancing.moments(of_rows(*rows, b=[80, 95, 95, 90]), "a", "b")["epoch"]) == [2]


def test_a_step_up_on_the_way_is_no_peak():
    rows = [[80, 15, 5], [70, 25, 5], [69, 25, 6], [65, 30, 5]]
    assert dancing.moments(of_rows(*rows, b=[80, 95, 95, 96]), "a", "b").empty


def test_an_absent_class_has_no_moments_and_no_notes():
    rows = [[0, 0, 0]] * 3
    absent = of_rows(*rows, b=[80, 95, 90])
    assert dancing.moments(absent, "a", "b").empty
    assert (dancing.notes(absent).sel(true="a") == dancing.NO_NOTE).all()


def test_test_counts_can_be_chosen():
    counts = of_rows([80, 15, 5], [70, 25, 5])
    np.testing.assert_allclose(dancing.recalls(counts, "test_counts").sel(true="c"), [0.8, 0.7])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda h: dancing.recalls(h, "counts"),
            "counts='counts': this history holds end_counts, test_counts; give one",
        ),
        (
            lambda h: dancing.dance_scores(h[["test_counts"]]),
            "counts='end_counts': this history holds test_counts; give",
        ),
        (lambda h: dancing.dance_score(h[[]], "a", "b"), "counts='end_counts': this history holds no counts; give one"),
        (lambda h: dancing.notes(h.end_counts.values), "history is a ndarray: give a Dataset, as train.train does"),
        (lambda h: dancing.recalls(h.end_counts), "history is a DataArray: give a Dataset"),
        (
            lambda h: dancing.dance_scores(h.isel(epoch=-1)),
            r"end_counts have dims .*: give \(epoch, true, predicted\), as train.train does",
        ),
        (
            lambda h: dancing.note_spells(h),
            "notes are a Dataset: give a DataArray .epoch, true., as dancing.notes does",
        ),
        (lambda h: dancing.note_shares(h.end_counts), "notes have dims .*: give .epoch, true., as dancing.notes does"),
        (
            lambda h: dancing.take_over([0, 1], "a"),
            "notes are a list: give a DataArray .epoch, true., as dancing.notes does",
        ),
    ],
)
def test_what_is_no_history_no_notes_or_lacks_the_counts_is_told_in_a_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(of_rows([80, 15, 5], [70, 25, 5]))
    assert "\n" not in str(error.value)


def test_an_epoch_without_the_class_takes_only_the_moments_beside_it():
    rows = [[80, 15, 5], [70, 25, 5], [85, 10, 5], [80, 10, 10], [0, 0, 0], [80, 5, 15], [70, 25, 5], [85, 10, 5]]
    found = dancing.moments(of_rows(*rows, b=[80, 95, 90, 90, 90, 90, 95, 90]), "a", "b")
    assert list(found["epoch"]) == [2, 7]


# --- the dance score


def simulated(random, shared=0.0, epochs=200, classes=2, images=5000):
    """Recalls that rise together, with noise that shrinks; a share of it opposed between the first two classes."""
    trend = 0.95 - 0.6 * np.exp(-np.arange(epochs) / 40)
    size = 0.08 * np.exp(-np.arange(epochs) / 60) + 0.005
    noise = random.normal(size=(classes, epochs))
    common = random.normal(size=epochs)
    noise[0] = np.sqrt(1 - shared) * noise[0] + np.sqrt(shared) * common
    noise[1] = np.sqrt(1 - shared) * noise[1] - np.sqrt(shared) * common
    right = np.round(images * np.clip(trend + size * noise, 0, 1)).astype(int)
    counts = np.zeros((epochs, classes, classes), int)
    for each in range(classes):
        counts[:, each, each] = right[each]
        counts[:, each, (each + 1) % classes] = images - right[each]
    return history(counts, [f"c{each}" for each in range(classes)])


@pytest.mark.parametrize("epochs", [30, 200])
def test_independent_recalls_with_a_shared_trend_seldom_dance(epochs):
    """At 5 percent, 25 of 500 are expected; 40 or more have a probability of 0.2 percent."""
    random = np.random.default_rng(0)
    values = [dancing.dance_score(simulated(random, epochs=epochs), "c0", "c1", draws=400).p_value for _ in range(500)]
    assert np.sum(np.array(values) <= 0.05) < 40
    assert np.mean(values) == pytest.approx(0.5, abs=0.06)


def test_a_steep_start_and_bad_epochs_that_all_classes_share_are_no_dance_and_hide_none():
    random = np.random.default_rng(3)

    def recalls_of(opposed):
        epochs = np.arange(30)
        shared = 0.9 - 0.7 * np.exp(-epochs / 2) + 0.02 * random.normal(size=30)
        own = 0.01 * random.normal(size=(6, 30))
        own[1] = own[1] * (1 - opposed) - own[0] * opposed
        right = np.round(5000 * np.clip(shared + own, 0, 1)).astype(int)
        counts = np.zeros((30, 6, 6), int)
        for each in range(6):
            counts[:, each, each], counts[:, each, (each + 1) % 6] = right[each], 5000 - right[each]
        return dancing.dance_score(history(counts, [f"c{each}" for each in range(6)]), "c0", "c1", draws=400)

    assert np.mean([recalls_of(0).p_value <= 0.05 for _ in range(200)]) < 0.1
    assert np.mean([recalls_of(1).score for _ in range(50)]) > 0.5
    assert np.mean([recalls_of(1).p_value <= 0.05 for _ in range(50)]) > 0.5  # six blocks cannot do much better


def test_planted_opposed_movement_is_found():
    random = np.random.default_rng(1)
    dances = [dancing.dance_score(simulated(random, shared=0.5), "c0", "c1", draws=400) for _ in range(20)]
    assert all(dance.p_value < 0.01 for dance in dances)
    assert np.mean([dance.score for dance in dances]) == pytest.approx(0.5, abs=0.1)  # half of the variance


def test_the_score_is_minus_the_correlation_of_what_is_left_of_both_recalls():
    found = simulated(np.random.default_rng(3), shared=0.05, epochs=60, classes=5)
    left = dancing.opposed(found, 0, 1, "test_counts")
    assert left.shape == (2, 60)
    norms = np.sqrt((left**2).sum(1))
    assert dancing.dance_score(found, 0, 1, "test_counts").score == pytest.approx(-left[0] @ left[1] / norms.prod())


def test_exactly_opposed_recalls_score_one():
    wave = 10 * (-1) ** np.arange(30)
    rows = [[50 + each, 50 - each, 0] for each in wave]
    dance = dancing.dance_score(of_rows(*rows, b=[50 - each for each in wave]), "a", "b")
    assert dance.score == pytest.approx(1)
    assert dancing.least_p_value(30) == 1 / 64
    assert dance.p_value == pytest.approx(1 / 64, abs=0.01)  # of 2^6 equally likely signs of blocks, one is as high


def test_what_cannot_be_scored_is_nan():
    short = dancing.dance_score(of_rows(*[[80, 15, 5], [70, 25, 5]] * 2), "a", "b")
    still = dancing.dance_score(of_rows(*[[80, 15, 5]] * 30), "a", "b")
    absent = dancing.dance_score(of_rows(*[[0, 0, 0]] * 30, b=[50 + each % 7 for each in range(30)]), "a", "b")
    assert np.isnan([short.score, short.p_value, still.score, still.p_value, absent.score, absent.p_value]).all()


def plain_dance(residuals, first, second, draws, seed):
    """The dance of one pair as its definition reads, from the residuals of all classes (epoch, class)."""

    def without(movement, others):
        if not others.size or not np.abs(common := others.mean(1)).max() > 1e-12:
            return movement
        rest = movement - common * (movement @ common) / (common @ common)
        return np.where(np.abs(rest) < 1e-12, 0, rest)

    others = np.delete(residuals, (first, second), axis=1)
    others = others[:, np.isfinite(others).all(0)]
    one, other = (without(residuals[:, each], others) for each in (first, second))
    if not (np.isfinite(one).all() and np.isfinite(other).all() and one.any() and other.any()):
        return np.nan, np.nan
    product = -one * other / np.sqrt((one @ one) * (other @ other))
    blocks = [product[start : start + dancing.BLOCK].sum() for start in range(0, len(product), dancing.BLOCK)]
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(draws, len(blocks)))
    as_high = sum(row @ blocks >= product.sum() - 1e-12 for row in signs)
    return product.sum(), (1 + as_high) / (1 + draws)


def plain_residuals(recall):
    if not np.isfinite(recall).all():
        return np.full(len(recall), np.nan)
    return recall - savgol_filter(recall, min(max(len(recall) // 10, 7), 21) | 1, polyorder=2)


@pytest.mark.parametrize(("classes", "epochs"), [(2, 30), (3, 30), (7, 33), (6, 90)])
def test_all_pairs_are_scored_as_a_plain_loop_scores_each(classes, epochs):
    made = simulated(np.random.default_rng(4), 0.3, epochs, classes)
    if classes > 3:
        made["end_counts"].values[:, 2] = 0  # a class without images
        made["end_counts"].values[:, 4] = made["end_counts"].values[:1, 4]  # one whose recall does not move
    residuals = np.apply_along_axis(plain_residuals, 0, dancing.recalls(made).values)
    table = dancing.dance_scores(made, draws=300, seed=5).set_index(["first", "second"])
    assert len(table) == classes * (classes - 1) / 2
    for (first, second), row in table.iterrows():
        expected = plain_dance(residuals, int(first[1:]), int(second[1:]), 300, 5)
        assert (row["score"], row["p_value"]) == pytest.approx(expected, abs=1e-9, nan_ok=True), (first, second)
        alone = dancing.dance_score(made, first, second, draws=300, seed=5)
        assert (alone.score, alone.p_value) == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert table["score"].isna().sum() == (2 * classes - 3 if classes > 3 else 0)


def test_a_recall_that_only_follows_the_others_does_not_dance():
    """What is left of a without the mean of the others, which it is, is rounding."""
    wave = np.round(10 * np.sin(np.arange(30) ** 1.5)).astype(int)
    counts = [
        [[50 + w, 50 - w, 0], [0, 70 + v, 30 - v], [0, 50 - w, 50 + w]] for w, v in zip(wave, wave[::-1], strict=True)
    ]
    dance = dancing.dance_score(history(counts), "a", "b")
    assert np.isnan([dance.score, dance.p_value]).all()


def test_a_thousand_classes_are_scored():
    table = dancing.dance_scores(simulated(np.random.default_rng(6), epochs=10, classes=1000), draws=100)
    assert len(table) == 499_500
    assert table["score"].between(-1, 1).all()


def test_one_class_dances_with_nobody():
    assert dancing.dance_scores(history([[[9]]] * 30, ["a"])).empty


def test_all_pairs_are_ranked():
    table = dancing.dance_scores(simulated(np.random.default_rng(2), shared=0.7, classes=4), draws=200)
    assert len(table) == 6
    assert tuple(table.loc[0, ["first", "second"]]) == ("c0", "c1")
    assert table["score"].is_monotonic_decreasing


# --- notes


def test_notes_are_the_largest_interferers():
    found = dancing.notes(of_rows([80, 15, 5], [80, 5, 15], [100, 0, 0], b=[90, 100, 100]))
    np.testing.assert_array_equal(found.sel(true="a"), [1, 2, -2])
    np.testing.assert_array_equal(found.sel(true="b"), [0, -2, -2])
    np.testing.assert_array_equal(found.sel(true="c"), [-2, -2, -2])


def test_a_note_needs_more_than_the_threshold_and_ties_go_to_the_lowest_label():
    thousand = history(
        [
            [[999, 1, 0], [0, 1, 0], [0, 0, 1]],
            [[998, 2, 0], [0, 1, 0], [0, 0, 1]],
            [[980, 10, 10], [0, 1, 0], [0, 0, 1]],
        ]
    )
    np.testing.assert_array_equal(dancing.notes(thousand).sel(true="a"), [-2, 1, 1])
    with pytest.raises(ValueError, match="threshold = 1.0: give a share"):
        dancing.notes(thousand, threshold=1.0)


SONG = dancing.notes(of_rows([80, 15, 5], [80, 15, 5], [80, 5, 15], [100, 0, 0], [80, 15, 5], [80, 15, 5], [80, 15, 5]))
"""For a: b b c none b b b."""


def test_spells_shares_and_the_take_over():
    spells = dancing.note_spells(SONG).query("`class` == 'a'")
    assert list(spells.itertuples(index=False, name=None)) == [
        ("a", "b", 1, 2, 2),
        ("a", "c", 3, 3, 1),
        ("a", "none", 4, 4, 1),
        ("a", "b", 5, 7, 3),
    ]
    shares = dancing.note_shares(SONG)
    assert list(shares.columns) == ["a", "b", "c", "none"]
    np.testing.assert_allclose(shares.loc["a"], [0, 5 / 7, 1 / 7, 1 / 7])
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert dancing.take_over(SONG, "a") == dancing.TakeOver("b", 5)
    assert dancing.take_over(SONG, "c") == dancing.TakeOver("none", 1)


def test_a_class_that_is_called_as_silence_is_refused():
    song = SONG.assign_coords(true=["none", *SONG["true"].values[1:]])
    for ask in (dancing.note_spells, dancing.note_shares, lambda song: dancing.take_over(song, 1)):
        with pytest.raises(ValueError, match="a class is called 'none', as the note of no class is: give it another"):
            ask(song)


def test_one_epoch_is_one_spell():
    song = dancing.notes(of_rows([80, 15, 5]))
    assert list(dancing.note_spells(song)["length"]) == [1, 1, 1]
    assert dancing.take_over(song, "a") == dancing.TakeOver("b", 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: dancing.moments(h, "a", "a"), "has no interference space with itself|two different classes"),
        (lambda h: dancing.dance_score(h, "a", "z"), "unknown class 'z'"),
        (lambda h: dancing.take_over(dancing.notes(h), "z"), "unknown class 'z'"),
    ],
)
def test_bad_classes_get_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(of_rows([80, 15, 5]))
    assert "\n" not in str(error.value)
