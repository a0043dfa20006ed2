"""Nothing is lost or half-written, whatever dies: see crashes.py, which also tries two crashes in a row."""

import crashes
import pytest

from ciutils import provenance

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.mark.parametrize("scenario", crashes.SCENARIOS)
def test_a_process_that_ends_at_any_step_is_recovered_from(scenario):
    found = dict(crashes.singles(scenario))
    assert len(found) > 20
    assert {point: fault for point, fault in found.items() if fault} == {}


def test_what_a_file_says_is_read_again_once_it_is_another_and_is_the_callers(tmp_path):
    path = tmp_path / "run.json"
    path.write_text('{"run": {"seed": 1}}')
    provenance.of_file(path)["run"]["seed"] = 5
    assert provenance.of_file(path) == {"run": {"seed": 1}}
    (tmp_path / "new.json").write_text('{"run": {"seed": 2}}')
    (tmp_path / "new.json").rename(path)  # as artifacts are written: the size is the same
    assert provenance.of_file(path) == {"run": {"seed": 2}}
