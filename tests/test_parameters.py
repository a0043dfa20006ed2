import pytest

from reproduction import parameters

CELL = """profile: str = "digits"  # size
networks: list[str] = []
epochs: int | None = None
width: float = 1.0
"""


def notebook(*cells):
    """The namespace that a kernel has after executing `cells`."""
    namespace = {"In": ["", *cells]}
    for cell in cells:
        if not cell.startswith("%"):
            exec(cell, namespace)
    return namespace


def test_declared_defaults_and_injected_values_come_back():
    assert parameters.check(notebook(CELL, '# Parameters\nwidth = 0.5\nnetworks = ["vgg19"]\n')) == {
        "profile": "digits",
        "networks": ["vgg19"],
        "epochs": None,
        "width": 0.5,
    }


def test_names_of_later_cells_and_magics_are_no_parameters():
    later = notebook("%matplotlib inline", CELL, "results = 3\nprofle = 1")
    assert set(parameters.check(later)) == {"profile", "networks", "epochs", "width"}


def test_whole_number_is_a_float():
    assert parameters.check(notebook(CELL, "# Parameters\nwidth = 1"))["width"] == 1


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        (
            'netwroks = ["vgg19"]',
            r"unknown parameter 'netwroks': this notebook takes profile, .*did you mean 'networks'\?",
        ),
        ("zzz = 1", "unknown parameter 'zzz': this notebook takes profile, networks, epochs, width$"),
        ('epochs = "three"', r"parameter epochs = 'three': give int \| None"),
        ('width = "thin"', "parameter width = 'thin': give float"),
        ("epochs = True", r"parameter epochs = True: give int \| None"),
        ('networks = "vgg19"', r"parameter networks = 'vgg19': give list\[str\]"),
        ("networks = [1]", r"parameter networks = \[1\]: give list\[str\]"),
    ],
)
def test_bad_parameters_stop_in_one_line(injected, message):
    with pytest.raises(ValueError, match=message) as caught:
        parameters.check(notebook(CELL, f"# Parameters\n{injected}\n"))
    assert "\n" not in str(caught.value)


def test_lists_truth_values_and_numbers_passed_as_text_are_read_and_written_back():
    """`papermill -p networks '["vgg19"]'` passes text."""
    namespace = notebook(
        CELL + "live: bool = False\n", "# Parameters\nwidth = '1e-3'\nnetworks = '[\"vgg19\"]'\nlive = 'true'\n"
    )
    assert parameters.check(namespace)["networks"] == namespace["networks"] == ["vgg19"]
    assert namespace["live"] is True
    assert namespace["width"] == 0.001


def test_text_stays_text():
    assert parameters.check(notebook(CELL, '# Parameters\nprofile = "1"\n'))["profile"] == "1"
