"""Nothing is lost or half-written, whatever dies: see crashes.py, which also tries two crashes in a row."""

import crashes
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.mark.parametrize("scenario", crashes.SCENARIOS)
def test_a_process_that_ends_at_any_step_is_recovered_from(scenario):
    found = dict(crashes.singles(scenario))
    assert len(found) > 20
    assert {point: fault for point, fault in found.items() if fault} == {}
