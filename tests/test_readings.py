import pytest

from reproduction import readings


def test_the_choices_that_the_paper_leaves_open():
    primary = {name: choice.primary for name, choice in readings.CHOICES.items()}
    assert primary == {
        "counts": ("end",),
        "batch_norm": ("frozen", "recalibrated"),
        "unit": ("theta",),
        "range": ("1",),
        "epochs": ("200",),
        "own_classes": ("out",),
    }
    assert list(readings.table().index) == list(primary)
    assert readings.table().loc["batch_norm", "primary"] == "frozen and recalibrated"


@pytest.mark.parametrize("primary", [(), ("both",)])
def test_a_primary_reading_is_one_of_the_readings(primary):
    with pytest.raises(ValueError, match="are not among"):
        readings.Choice("?", ("one", "other"), primary, "because")


def test_all_combinations_of_the_choices_that_concern_a_rule():
    found = list(readings.over(["batch_norm", "range"]))
    assert len(set(found)) == len(found) == 2 * 3
    assert {each.range for each in found} == set(readings.CHOICES["range"].readings)
    assert {(each.counts, each.unit) for each in found} == {("end", "theta")}
    assert list(readings.over([])) == [readings.Reading()]


def test_by_default_a_reading_is_primary():
    default = vars(readings.Reading())
    assert all(value == readings.CHOICES[name].primary[0] for name, value in default.items())
    assert set(default) == set(readings.CHOICES) - {"epochs"}


def test_each_smallest_effect_has_a_unit_or_none_and_a_reason():
    table = readings.smallest_table()
    assert list(table["effect"]) == list(readings.SMALLEST)
    assert all(each.value > 0 and each.why.endswith(".") for each in readings.SMALLEST.values())
    assert table.set_index("effect").loc["angle", "smallest that matters"] == "within 22.5 degrees"
