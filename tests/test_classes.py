import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciutils import checks
from ciutils.classes import as_pair, class_index, class_pair

CIFAR = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LEAVES = ("apple", "apple-scab", "leaf", "scab-leaf")
NAMES = st.lists(st.text("aAbÉé-", min_size=1), min_size=2, unique=True)


@pytest.mark.parametrize(
    ("classes", "wanted", "position"),
    [
        (CIFAR, "automobile", 1),
        (CIFAR, "CAR", 1),
        (CIFAR, np.str_("plane"), 0),
        (CIFAR, np.int64(9), 9),
        (("airplane", "automobile"), "car", 1),
        (("airplane", "automobile"), "airplane", 0),
        (("automobile", "car", "van"), "car", 1),
        (("automobile", "car", "van"), "automobile", 0),
        (("A", "a", "b"), "a", 1),
        (("A", "a", "b"), "B", 2),
        (("no", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"), "Cafe\N{COMBINING ACUTE ACCENT}", 1),
        (("STRASSE", "x"), "straße", 0),
        (("1", "2", "0"), "0", 2),
        (("1", "2", "0"), 0, 0),
    ],
)
def test_class_by_exact_name_or_one_that_only_it_can_mean_or_position(classes, wanted, position):
    assert class_index(classes, wanted) == position


@pytest.mark.parametrize(
    ("classes", "pair", "positions"),
    [
        (CIFAR, "cat-dog", (3, 5)),
        (CIFAR, ("truck", 1), (9, 1)),
        (CIFAR, np.array([9, 1]), (9, 1)),
        (CIFAR, "airplane-SHIP", (0, 8)),
        (("A", "a", "b"), (1, 2), (1, 2)),
        (("A", "a", "b"), "a-b", (1, 2)),
        (("airplane", "automobile"), (0, 1), (0, 1)),
        (("airplane", "automobile"), "plane-car", (0, 1)),
        (("t-shirt", "shirt", "t"), "t-shirt-shirt", (0, 1)),
        (("A-b", "c", "a", "b-c"), "A-b-c", (0, 1)),
        (LEAVES, ("apple", "scab-leaf"), (0, 3)),
        (LEAVES, "apple-leaf", (0, 2)),
    ],
)
def test_class_pair(classes, pair, positions):
    assert class_pair(classes, pair) == positions


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_index(CIFAR, "catt"), "unknown class 'catt': .*did you mean 'cat'"),
        (lambda: class_index(CIFAR, 10), "class 10 is out of range: 10 classes allow 0 to 9"),
        (lambda: class_index(CIFAR, True), "unknown class 'True'"),
        (lambda: class_index(("A", "a", "b"), "Á"), "unknown class 'Á'"),
        (lambda: class_index(("Ab", "aB"), "ab"), "class 'ab' can mean 'Ab' or 'aB': give the exact name"),
        (lambda: class_index(("automobile", "car"), "CAR"), "class 'CAR' can mean 'automobile' or 'car'"),
        (lambda: class_pair(CIFAR, "cat-cat"), "pair 'cat-cat': a class has no interference space with itself"),
        (lambda: class_pair(("airplane", "car"), ("plane", 0)), "no interference space with itself"),
        (lambda: class_pair(CIFAR, "cat"), "pair .*'cat'.*: give two classes"),
        (lambda: class_pair(CIFAR, ("cat", "dog", "car")), "give two classes"),
        (lambda: class_pair(CIFAR, {"cat", "dog"}), "give two classes"),
        (lambda: class_pair(CIFAR, 3), "pair 3: give two classes"),
        (lambda: class_pair(CIFAR, "cat-dg"), "unknown class 'dg': .*did you mean 'dog'"),
        (
            lambda: class_pair(LEAVES, "apple-scab-leaf"),
            r"'apple-scab-leaf' can mean \('apple', 'scab-leaf'\) or \('apple-scab', 'leaf'\): give two names",
        ),
        (lambda: class_index([f"n{number:08}" for number in range(1000)], "x"), "n00000029 and 970 more$"),
    ],
)
def test_what_means_no_class_or_more_than_one_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@given(NAMES, st.data())
def test_positions_and_exact_names_lead_back_to_the_same_class(names, data):
    first, second = data.draw(st.permutations(range(len(names))))[:2]
    assert class_pair(names, (first, second)) == (first, second)
    assert class_pair(names, (names[first], names[second])) == (first, second)
    assert class_pair(names, as_pair(names, names[first], names[second])) == (first, second)


@given(NAMES, st.text("aAbÉé-", min_size=1))
def test_another_spelling_never_means_one_of_several(names, wanted):
    alike = [name for name in names if name.lower() == wanted.lower()]
    if wanted in names or len(alike) == 1:
        expected = wanted if wanted in names else alike[0]
        assert names[class_index(names, wanted)] == expected
    else:
        with pytest.raises(ValueError, match="can mean|unknown class"):
            class_index(names, wanted)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b"], ("a", "b")),
        ((10, 20), ("10", "20")),
        (range(3), ("0", "1", "2")),
        (np.array(["a", "b"]), ("a", "b")),
        (np.arange(2), ("0", "1")),
        (("狗", "قطة", "<b>", "$x_$", "x" * 73), ("狗", "قطة", "<b>", "$x_$", "x" * 73)),
        (("می\N{ZERO WIDTH NON-JOINER}خواهم", "👩\N{ZERO WIDTH JOINER}🔬"), ("می\u200cخواهم", "👩\u200d🔬")),
    ],
)
def test_class_names_become_text(names, expected):
    found = checks.class_names(names)
    assert found == expected
    assert all(type(name) is str for name in found)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "there are no classes"),
        (("a", "b", "a"), "class 'a' is named 2 times"),
        ((1, "1"), "class '1' is named 2 times"),
        (("", "a"), "class '': give each class a name"),
        ((" ", "a"), "class ' ': give each class a name"),
        (("a\nb", "a"), r"class 'a\\nb': give each class a name, as text on one line"),
        (("a\0", "a"), r"class 'a\\x00'"),
        (("a\u2028b", "a"), r"class 'a\\u2028b': give each class a name, as text on one line"),
        (("a\u202eb", "a"), r"class 'a\\u202eb': give each class a name, .*without control characters"),
        (("\u200b", "a"), r"class '\\u200b': give each class a name"),
        (("\N{IDEOGRAPHIC SPACE}", "a"), r"class '\\u3000': give each class a name"),
        ((b"a", b"b"), "class b'a': give each class a name, as text"),
        ((None, "a"), "class None"),
        ("abc", "classes are 'str': give a list of names"),
        ({"a", "b"}, "classes are 'set': give a list of names"),
        ({0: "a"}, "classes are 'dict': give a list of names"),
        (None, "classes are 'NoneType': give a list of names"),
    ],
)
def test_names_that_could_not_be_told_apart_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        checks.class_names(names)


def test_an_accent_may_be_coded_either_way():
    composed, split = (unicodedata.normalize(form, "Öl") for form in ("NFC", "NFD"))
    assert composed != split
    assert class_index(("x", composed), split) == class_index(("x", split), composed) == 1
    assert class_index((composed, split), split) == 1
