import pytest
from third_party import TORCHVISION, prove, torchvisions

SMALL = [name for name, side in TORCHVISION.items() if side <= 64]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SMALL)
def test_torchvisions_networks_equal_plain_torch(name):
    assert prove(torchvisions, name, TORCHVISION[name]) in ("fast copy", "module")
