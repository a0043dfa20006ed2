"""Functions, networks and images by name: each given in a file of its own, as somebody would write it."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from ciutils import data, lookup, measure, models, provenance

MINE = """
import beside
import torch
from ciutils import data
from PIL import Image
from torch import nn

class Pictures(torch.utils.data.Dataset):
    classes = ["shell", "stone"]
    def __init__(self, sizes, mode="RGB"):
        self.sizes, self.mode = sizes, mode
    def __len__(self):
        return len(self.sizes)
    def __getitem__(self, place):
        return Image.new(self.mode, self.sizes[place], (10 * place, 20, 30)[:3 if self.mode == "RGB" else 1]), place % 2

def pictures():
    return Pictures([(4, 3)] * 5), Pictures([(4, 3)] * 2)

def parts():
    return torch.utils.data.Subset(pictures()[0], [1, 3]), pictures()[1]

def tensors():
    ready = torch.utils.data.TensorDataset(torch.full((6, 1, 4, 4), 0.5), torch.tensor([0, 1, 2] * 2))
    return ready, torch.utils.data.Subset(ready, [0, 1, 2])

def named():
    return *tensors(), ("x", "y", "z")

def grey():
    return Pictures([(4, 4)] * 2, "L"), Pictures([(4, 4)], "L")

def mixed():
    return Pictures([(4, 3), (5, 3)]), Pictures([(4, 3)])

def one():
    return Pictures([(4, 3)])

def network(outputs=2):
    return nn.Sequential(nn.Flatten(), nn.Linear(36, outputs))

class Made(nn.Linear):
    @classmethod
    def of(cls, outputs):
        return cls(3, outputs)

def no_network():
    return 1

def fails():
    return {}["train"]

def leaves():
    raise SystemExit(3)

def asks(root):
    return pictures()

def unknown():
    train, test = [[(torch.rand(1, 2, 2), 0) for _ in range(4)] for _ in range(2)]
    test[2][0][0, 0, 0] = torch.nan
    return train, test

class Called(Pictures):
    def __init__(self, *classes):
        super().__init__([(4, 3)] * len(classes))
        self.classes = list(classes)
    def __getitem__(self, place):
        return super().__getitem__(place)[0], place

def fewer():
    return Called("ant", "bee", "wasp"), Called("ant", "wasp")

def synonyms():
    named = Called(("ant", "emmet"), ("bee",))
    return named, torch.utils.data.Subset(named, [1])

def turned():
    return Called("ant", "bee", "wasp"), torch.utils.data.Subset(Called("wasp", "ant", "bee"), [2, 0, 1])

def turned_and_named():
    return *turned(), ("A", "B", "W")

def misnamed():
    return Called("ant", "bee", "wasp"), Called("ant", "bee"), ("bee", "ant", "wasp")

def relabelled():
    train, test = Called("ant", "bee", "wasp"), Called("ant", "bee")
    train.target_transform = test.target_transform = lambda label: 2 - label
    return train, test, ("wasp", "bee", "ant")

def same():
    return pictures()[0], pictures()[0]

def scaled():
    one, other = torch.rand(6, 1, 2, 2), 255 * torch.rand(4, 1, 2, 2)
    return [[(image, 0) for image in part] for part in (one, other)]

def dim():
    one, other = torch.randint(0, 256, (6, 1, 2, 2)), torch.randint(0, 16, (4, 1, 2, 2))
    return [[(image.to(torch.uint8), 0) for image in part] for part in (one, other)]

class Noisy(Pictures):
    def __getitem__(self, place):
        picture, label = super().__getitem__(place)
        return picture.point(lambda value: value + torch.randint(9, ()).item()), label

def noisy():
    return Noisy([(4, 3)] * 9), pictures()[1]

def same_splits():
    train = data.Split(torch.rand(6, 1, 2, 2), [0] * 6, ["a"])
    return train, train

def shifted():
    one, other = torch.rand(60, 1, 2, 2), torch.rand(40, 1, 2, 2) - 0.5
    return [[(image, 0) for image in part] for part in (one, other)]

def few():
    return [[(torch.rand(1, 2, 2) / 9 + light, 0) for light in lights] for lights in ((0.1, 0.9, 0.5), (0.9, 0.4))]

def whole():
    return [[(image, 0) for image in torch.randint(256, (9, 1, 2, 2)).float()] for _ in range(2)]

def from_one():
    return [[(image, 1 + place % 3) for place, image in enumerate(torch.rand(60, 1, 2, 2))] for _ in range(2)]

def stretched():
    one, other = torch.rand(6, 1, 2, 2), 3 * torch.rand(4, 1, 2, 2)
    return [[(image, 0) for image in part] for part in (one, other)]

def typed():
    return tensors()[0], [((255 * image).byte(), label) for image, label in tensors()[1]]

def halves():
    parts = torch.rand(2, 6, 1, 2, 2).bfloat16()
    return [torch.utils.data.TensorDataset(part, torch.zeros(6).long()) for part in parts]

def broken():
    return [[(torch.full((1, 2, 2), torch.nan), 0)]] * 2

def foreign():
    return Called("ant", "bee"), Called("ant", "bee", "wasp")

def half():
    return data.Split(torch.zeros(1, 1, 2, 2), [0], ["a"]), tensors()[0]

value = 3
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "beside.py").write_text("")
    return f"{tmp_path}/mine.py"


def digits():
    return data.load("digits")


# --- functions


def test_a_function_of_a_module_is_found():
    assert lookup.function("collections.abc:Mapping") is __import__("collections").abc.Mapping
    assert lookup.function("torch.nn:Linear.forward") is nn.Linear.forward


def test_a_file_that_was_changed_is_read_anew(tmp_path):
    path = tmp_path / "new.py"
    for number in (1, 2):
        path.write_text(f"def given(): return {number}" + " " * number)
        assert lookup.function(f"{path}:given")() == number


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.py", "'mine.py' names no function: give package.module:function or file.py:function"),
        ("math:__import__('os').abort()", "names no function"),
        (":f", "':f' names no function"),
        ("no_such_package:f", r"no_such_package cannot be imported \(ModuleNotFoundError: No module named 'no_such"),
        ("math:sqr", "unknown function of math 'sqr': choose from .*did you mean 'sqrt'"),
        ("math:pi", "'math:pi' is a float: name a function"),
    ],
)
def test_a_name_that_means_no_function_is_one_line(name, message):
    with pytest.raises(ValueError, match=message) as raised:
        lookup.function(name)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_or_fails_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*no.py: give package.module:function or file.py:function"):
        lookup.function(f"{tmp_path}/no.py:f")
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(ValueError, match=r"bad.py cannot be imported \(ZeroDivisionError: division by zero\)"):
        lookup.function(f"{tmp_path}/bad.py:f")
    (tmp_path / "reads.py").write_text("open('/nowhere')")
    with pytest.raises(ValueError, match=r"reads.py cannot be imported \(FileNotFoundError: .*'/nowhere'"):
        lookup.function(f"{tmp_path}/reads.py:f")


# --- images


def test_pictures_become_bytes_with_the_names_that_their_set_knows(mine):
    found = data.load(f"{mine}:pictures")
    assert (found.classes, found.train.images.dtype, found.train.images.shape) == (
        ("shell", "stone"),
        torch.uint8,
        (5, 3, 3, 4),
    )
    assert found.train.images[:, :, 0, 0].tolist() == [[10 * place, 20, 30] for place in range(5)]
    assert found.train.labels.tolist() == [0, 1, 0, 1, 0]
    assert (len(found.test), found.mean) == (2, None)


def test_grey_pictures_have_one_channel(mine):
    assert data.load(f"{mine}:grey").train.images[:, 0, 0, 0].tolist() == [0, 10]


def test_a_part_of_a_set_keeps_the_names_of_the_whole(mine):
    found = data.load(f"{mine}:parts")
    assert (found.classes, found.train.labels.tolist()) == (("shell", "stone"), [1, 1])


@pytest.mark.parametrize(
    ("name", "classes", "labels"),
    [
        ("fewer", ("ant", "bee", "wasp"), [0, 2]),
        ("turned", ("ant", "bee", "wasp"), [1, 2, 0]),
        ("turned_and_named", ("A", "B", "W"), [1, 2, 0]),
    ],
)
def test_labels_of_a_test_set_with_classes_of_its_own_are_those_of_the_same_names(mine, name, classes, labels):
    found = data.load(f"{mine}:{name}")
    assert (found.classes, found.test.classes) == (classes, classes)
    assert (found.train.labels.tolist(), found.test.labels.tolist()) == ([0, 1, 2], labels)


def test_synonyms_are_one_name(mine):
    """As torchvision's ImageNet has them."""
    assert data.load(f"{mine}:synonyms").classes == ("ant, emmet", "bee")


def test_names_of_a_set_whose_labels_are_changed_are_those_given(mine):
    assert data.load(f"{mine}:relabelled").classes == ("wasp", "bee", "ant")


@pytest.mark.parametrize(("name", "classes"), [("tensors", ("0", "1", "2")), ("named", ("x", "y", "z"))])
def test_tensors_are_taken_as_they_are(mine, name, classes):
    found = data.load(f"{mine}:{name}")
    assert (found.classes, found.test.images.dtype, len(found.test)) == (classes, torch.float32, 3)
    assert bool((found.train.images == 0.5).all())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mixed",
            r"train: image 1 is torch.uint8 \[3, 3, 5\], those before it .* \[3, 3, 4\]: let the data set resize",
        ),
        ("one", r"gives a Pictures: let it give \(train, test\) or \(train, test, classes\)"),
        ("no_network", r"gives a int: let it give \(train, test\)"),
        ("fails", r"mine.py:fails fails in line \d+ \(KeyError: 'train'\)$"),
        ("leaves", r"mine.py:leaves fails in line \d+ \(SystemExit: 3\)$"),
        ("asks", r"mine.py:asks fails \(TypeError: asks\(\) missing 1 required positional argument: 'root'\)$"),
        ("foreign", "mine.py:foreign: the training set has no class 'wasp', the test set has: give both the same"),
        ("misnamed", "misnamed: class 0 is given the name 'bee', by which the data set knows class 1: give names in"),
        ("same", "same: the test images are the training images: give others to test on"),
        (
            "scaled",
            "scaled: pixels of training and test images are .* and deviate by 0.* and .*: give both on one scale",
        ),
        ("dim", "dim: pixels of training and test images are .* and deviate by .*: give both on one scale"),
        ("typed", "types are torch.float32 in the training split, torch.uint8 in the test split: give both the same"),
        ("same_splits", "same_splits: the test images are the training images: give others to test on"),
        ("unknown", "mine.py:unknown, test: image 2 holds NaN or infinity: replace or remove it"),
        ("half", "half, train is a Split: give a data set of at least one"),
    ],
)
def test_what_is_no_data_is_one_line(mine, name, message):
    with pytest.raises(ValueError, match=message):
        data.load(f"{mine}:{name}")


NEVER_RUN = """raise SystemExit
def shells(): ...
async def _hidden(): ...
class Stones:
    def of(self): ...
pebbles = [shells]
"""


@pytest.mark.parametrize("name", ["shells", "Stones.of", "Stones.not_looked_at", "pebbles"])
def test_a_function_that_its_file_mentions_is_looked_up_where_it_is_called(name, tmp_path):
    (tmp_path / "own.py").write_text(NEVER_RUN)
    lookup.check(f"{tmp_path}/own.py:{name}")


def test_a_function_that_its_file_does_not_mention_is_refused_before_the_file_is_run(tmp_path):
    (tmp_path / "own.py").write_text(NEVER_RUN)
    with pytest.raises(ValueError, match=r"unknown function of .*own.py 'shell': choose from shells, Stones; did you"):
        lookup.check(f"{tmp_path}/own.py:shell")
    (tmp_path / "own.py").write_text("from shore import *\n" + NEVER_RUN)
    lookup.check(f"{tmp_path}/own.py:shell")


def test_the_digest_of_a_function_is_of_the_code_in_its_file(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(NEVER_RUN)
    before = lookup.digest(f"{path}:shells")
    path.write_text(f"# a comment\n{NEVER_RUN}")
    assert lookup.digest(f"{path}:shells") == before
    path.write_text(NEVER_RUN.replace("pebbles", "boulders"))
    assert lookup.digest(f"{path}:shells") != before
    assert lookup.digest("torchvision.models:resnet18") == ""


def test_images_that_are_drawn_anew_are_told(mine, recwarn):
    with pytest.warns(UserWarning, match=r"noisy, train: image \d is another when it is read again; all are taken as"):
        data.load(f"{mine}:noisy")
    recwarn.clear()
    for name in ("pictures", "halves"):
        data.load(f"{mine}:{name}")
    assert not recwarn.list


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stretched", "pixels of training and test images are .* and deviate by 0.* and .*: are both on one scale"),
        (
            "shifted",
            "pixels of training and test images are 0.[45].* and -?0.0.* on average, .*: are both on one scale",
        ),
        ("whole", r"pixels are whole numbers up to 2\d\d as floats, .*: give uint8, or divide them by 255"),
        (
            "from_one",
            "no image has the label 0, the least is 1: if labels begin at 1, subtract 1, else class '0' has no",
        ),
    ],
)
def test_images_that_may_not_be_what_was_meant_are_told(mine, name, message):
    with pytest.warns(UserWarning, match=f"{name}: {message}"):
        data.load(f"{mine}:{name}")


def test_a_few_images_may_be_lighter_by_chance(mine, recwarn):
    data.load(f"{mine}:few")
    assert not recwarn.list


def test_images_of_no_numbers_are_not_told_to_be_drawn_anew(mine, recwarn):
    with pytest.raises(ValueError, match="image 0 holds NaN or infinity"):
        data.load(f"{mine}:broken")
    assert not recwarn.list


def test_test_images_that_are_training_images_are_counted():
    images = torch.arange(24.0).reshape(6, 1, 2, 2)
    train, test = (data.Split(part, torch.zeros(len(part), dtype=torch.long), ["a"]) for part in (images, images[3:]))
    assert data.ImageData("x", train, test).repeated == 3
    other = data.Split(images[3:] + 0.5, torch.zeros(3, dtype=torch.long), ["a"])
    assert data.ImageData("x", train, other).repeated == 0


def test_a_mean_and_a_deviation_are_those_that_a_network_was_trained_with(mine):
    found = data.normalised(data.load(f"{mine}:pictures"), ((0.1, 0.2, 0.3), (0.5, 0.5, 0.5)))
    expected = (np.array([10, 20, 30]) / 255 - [0.1, 0.2, 0.3]) / 0.5
    np.testing.assert_allclose(found.train.inputs()[1, :, 0, 0], expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"mean = \[0.1, 0.2, 0.3\], std = \[\]: give both"):
        data.normalised(data.load(f"{mine}:pictures"), ((0.1, 0.2, 0.3), ()))
    with pytest.raises(ValueError, match="give one number for each of 3 channels"):
        data.normalised(found, ((0.1,), (0.5,)))


# --- networks and weights


def test_a_network_is_one_of_the_packages_or_what_a_function_gives(mine):
    own = models.load("resnet18", digits(), {"width": 0.05, "seed": 1})
    expected = models.build("resnet18", 10, 1, 0.05, 1).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in own.state_dict().items())
    found = models.load(f"{mine}:network", digits(), {"outputs": 7})
    assert (found[1].out_features, found.training) == (7, False)
    assert models.load(f"{mine}:Made.of", digits(), {"outputs": 4}).out_features == 4


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet19", {}, "unknown network 'resnet19'.*did you mean 'resnet18'"),
        ("resnet18", {"width": -1}, r"resnet18 with {'width': -1} fails \(ValueError: width = -1: give a number above"),
        ("network", {"outs": 2}, r"network with {'outs': 2} fails \(TypeError: .*unexpected keyword argument 'outs'"),
        ("no_network", {}, "no_network gives a int: let it give a torch.nn.Module"),
    ],
)
def test_what_is_no_network_is_one_line(mine, name, arguments, message):
    with pytest.raises(ValueError, match=message):
        models.load(name if name.startswith("res") else f"{mine}:{name}", digits(), arguments)


def saved(path, state):
    """As anybody saves weights, by the file's ending."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state, "epoch": 3} if path.suffix == ".ckpt" else state, path)
    return path


@pytest.mark.parametrize("file", ["w.safetensors", "w.pt", "w.ckpt"])
def test_weights_of_a_file_are_put_in(mine, tmp_path, file):
    torch.manual_seed(1)
    path = saved(tmp_path / file, nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).state_dict())
    torch.manual_seed(1)
    expected = nn.Linear(36, 2).weight
    assert torch.equal(models.load(f"{mine}:network", digits(), weights=path)[1].weight, expected)


@pytest.mark.parametrize("named", ["module.1.", "_orig_mod.1.", "_orig_mod.module.1.", "1._orig_mod.", "model.1."])
def test_weights_of_a_wrapped_network_are_put_into_the_network(mine, tmp_path, named):
    """As DataParallel and torch.compile name them, of the whole or of a part, and a module that holds the network."""
    layer = nn.Linear(36, 2)
    state = {f"{named}{name}": value for name, value in layer.state_dict().items()}
    found = models.load(f"{mine}:network", digits(), weights=saved(tmp_path / "w.pt", state))[1]
    assert torch.equal(found.weight, layer.weight)
    assert torch.equal(found.bias, layer.bias)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"1.weight": torch.zeros(2, 36)}, "do not match Sequential: of 2, 1 are missing, such as 1.bias$"),
        (
            {"net.1.weight": torch.zeros(2, 36), "1.bias": torch.zeros(3)},
            r"1 are missing, such as 1.weight; 1 are not of this network, such as net.1.weight; 1.bias is \[3\], here "
            r"\[2\]$",
        ),
        (
            {"module.1.weight": torch.zeros(2, 36), "module.1.more": torch.zeros(2)},
            "of 2, 2 are missing, such as 1.bias; 2 are not of this network, such as module.1.more$",
        ),
        ({"1.weight": 3}, "holds 1.weight: give one of torch.save"),
        (
            {"model": {"1.bias": torch.zeros(2)}, "ema": {"1.bias": torch.zeros(2)}, "epoch": 3},
            "holds ema, epoch, model, of which ema and model hold weights: give one of torch.save",
        ),
        (
            {"1.weight": torch.zeros(2, 36, dtype=torch.int8), "1.bias": torch.zeros(2)},
            r"1.weight is torch.int8, here torch.float32$",
        ),
        ([torch.zeros(2)], "holds a list: give one of torch.save"),
        (nn.Linear(2, 2), "holds more than weights: give one of torch.save"),
    ],
)
def test_weights_that_do_not_match_are_named_in_one_line(mine, tmp_path, state, message):
    path = tmp_path / "w.pt"
    torch.save(state, path)
    with pytest.raises(ValueError, match=message) as raised:
        models.load(f"{mine}:network", digits(), weights=path)
    assert "\n" not in str(raised.value)


TIED = """
from torch import nn

def network():
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 36), nn.ReLU(), nn.Linear(36, 36), nn.Linear(36, 2))
    net[3].weight = net[1].weight
    return net
"""


def test_weights_with_two_names_may_stand_under_one_but_not_differ(tmp_path):
    (tmp_path / "tied.py").write_text(TIED)
    name, own = f"{tmp_path / 'tied.py'}:network", digits()
    model = models.load(name, own, seed=1)
    save_model(model, tmp_path / "w.safetensors")  # leaves one of the two names out
    found = models.load(name, own, weights=tmp_path / "w.safetensors")
    assert torch.equal(found[1].weight, model[1].weight)
    assert found[3].weight is found[1].weight
    state = model.state_dict() | {"3.weight": torch.zeros(36, 36)}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"differ in 1.weight and 3.weight, which are one in this network"):
        models.load(name, own, weights=tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["model", "model_state_dict", "state_dict"])
def test_weights_are_found_in_a_checkpoint(mine, tmp_path, name):
    layer = nn.Linear(36, 2)
    state = {f"1.{each}": value for each, value in layer.state_dict().items()}
    torch.save({name: state, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}, "epoch": 3}, tmp_path / "w.pt")
    assert torch.equal(models.load(f"{mine}:network", digits(), weights=tmp_path / "w.pt")[1].weight, layer.weight)


def test_the_seed_decides_the_weights_that_a_function_draws(mine):
    before = torch.get_rng_state()
    one, same, other = (models.load(f"{mine}:network", digits(), seed=seed)[1].weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("file", ["w.pt", "w.safetensors", "empty.pt"])
def test_a_file_of_something_else_is_one_line(mine, tmp_path, file):
    (tmp_path / file).write_text("" if file == "empty.pt" else "something else")
    with pytest.raises(
        ValueError, match=rf"{file} (cannot be read as|holds more than) weights.*: give .*state_dict\(\)"
    ):
        models.load(f"{mine}:network", digits(), weights=tmp_path / file)
    with pytest.raises(FileNotFoundError, match=r"no weights at .*no.pt"):
        models.load(f"{mine}:network", digits(), weights=tmp_path / "no.pt")


# --- what is printed and told of one's own


def test_results_are_printed_in_a_line(tiny_model, tiny_data):
    size = sum(each.numel() for each in tiny_model.parameters())
    directions = measure.ego_directions(tiny_model, tiny_data.train)
    assert repr(directions) == f"Directions(3 of {size:,} weights in 6 tensors: 'a', 'b', 'c')"
    assert repr(tiny_data.train) == "Split(101 images [2, 8, 8] uint8, 3 classes)"
    assert re.fullmatch(r"ImageData\(name='digits', train=Split\(1,200 .*, normalised\), test=.*\)", repr(digits()))


def test_ones_own_artifacts_say_so(tiny_model, tiny_data):
    directions = measure.ego_directions(tiny_model, tiny_data.train)
    space = measure.interference_space(tiny_model, tiny_data.train, directions, "a-b", 0.1, 3)
    told = json.loads(space.attrs["configuration"])
    timed = space.assign_attrs(seconds=3.0)
    line = provenance.line(timed, directions.cosine, timed)  # one artifact twice
    assert line == f"yours; network {told['network'][:8]}; images {tiny_data.train.sha256[:8]}; 3 s"
    assert provenance.line(measure.counts(tiny_model, tiny_data.test)) == "yours"
