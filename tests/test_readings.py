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
