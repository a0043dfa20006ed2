"""Networks of other people against plain torch: counts, class gradients, a 3 x 3 space, and a recorded epoch.

    pip install timm pytorchcv
    python tests/third_party.py [part of a name]

Random weights, small images. The middle point's counts must be equal in float32, its losses within 1e-5; see
`networks.check`. `tests/test_third_party.py` has those of torchvision.
"""

import copy
import inspect
import sys
import time
import warnings

import numpy as np
import torch
from networks import check, gradient_of, images_of, plainly
from torch import nn
from torchvision import models as tv

from ciutils.data import Split
from ciutils.train import Recorder

CLASSES = 10
TORCHVISION = {
    "alexnet": 64,
    "convnext_tiny": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "efficientnet_v2_s": 32,
    "googlenet": 64,
    "inception_v3": 96,
    "maxvit_t": 224,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "resnext50_32x4d": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 64,
    "swin_t": 32,
    "vgg11_bn": 32,
    "vit_b_16": 32,
    "wide_resnet50_2": 32,
}
"""Name -> side of the images that it is given."""

TIMM = {
    "beit_base_patch16_224": 224,
    "cspresnet50": 64,
    "deit_tiny_patch16_224": 224,
    "dla34": 64,
    "ghostnet_050": 64,
    "hrnet_w18_small": 64,
    "inception_resnet_v2": 128,
    "levit_128s": 224,
    "mixer_s16_224": 224,
    "nfnet_l0": 64,
    "poolformer_s12": 64,
    "repvgg_a0": 64,
    "resnest14d": 64,
    "res2net50_14w_8s": 64,
    "selecsls42b": 64,
    "tf_efficientnet_lite0": 64,
    "xcit_nano_12_p16_224": 224,
}
PYTORCHCV = {
    "airnet50_1x64d_r2": 224,
    "darknet_ref": 224,
    "dpn68": 224,
    "igcv3_wd4": 224,
    "menet108_8x1_g3": 224,
    "preresnet20_cifar10": 32,
    "pyramidnet110_a48_cifar10": 32,
    "sepreresnet20_cifar10": 32,
    "shakeshakeresnet20_2x16d_cifar10": 32,
    "wrn16_10_cifar10": 32,
    "xdensenet40_2_k24_bc_cifar10": 32,
}


def torchvisions(name: str, side: int) -> nn.Module:
    build = getattr(tv, name)
    options = {"image_size": side} if "vit_b" in name else {}
    if "aux_logits" in inspect.signature(build).parameters or name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": name == "inception_v3", "init_weights": True}
    return build(weights=None, num_classes=CLASSES, **options)


def timms(name: str, side: int) -> nn.Module:
    import timm

    return timm.create_model(name, pretrained=False, num_classes=CLASSES)


def pytorchcvs(name: str, side: int) -> nn.Module:
    from pytorchcv.model_provider import get_model

    options = {} if "cifar10" in name else {"in_size": (side, side), "num_classes": CLASSES}
    return get_model(name, pretrained=False, **options)


def rounding(model: nn.Module, split: Split) -> tuple[float, float]:
    """How far plain torch's class gradient, and its losses of a class, are in float32 from those in float64: far, in
    some deep networks whose weights are random."""
    exact = copy.deepcopy(model).double()
    single, double = gradient_of(model, split, 0), gradient_of(exact, split, 0)
    gradient = max(float((single[name] - each).abs().max()) for name, each in double.items())
    return gradient, float(abs(plainly(model, split)[1] - plainly(exact, split)[1]).max())


def prove(build, name: str, side: int) -> str:
    """Check one network; what was measured, its fast copy or the module itself."""
    torch.manual_seed(0)
    model = build(name, side).eval()
    split = images_of((3, side, side), CLASSES, count=20)
    space = check(model, split, slack=tuple(4 * each for each in rounding(model, split)))
    recorder = Recorder(split.classes)
    with torch.no_grad():
        recorder.add("test", split.labels, model(split.inputs()).argmax(1))
    recorder.end_epoch()
    np.testing.assert_array_equal(recorder.history()["test_counts"][0], plainly(model, split)[0])
    return space.attrs["evaluated"]


def main(part: str = "") -> None:
    passed, every = 0, [(torchvisions, TORCHVISION), (timms, TIMM), (pytorchcvs, PYTORCHCV)]
    chosen = [(build, name, side) for build, names in every for name, side in names.items() if part in name]
    for build, name, side in chosen:
        started = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                said, ok = prove(build, name, side), True
        except (Exception, SystemExit) as error:
            said, ok = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", False
        passed += ok
        seconds = time.perf_counter() - started
        print(f"{'ok' if ok else 'FAILED':6} {build.__name__[:-1]:11} {name:34} {seconds:5.1f} s  {said}", flush=True)
    print(f"{passed} of {len(chosen)} equal plain torch")
    sys.exit(passed < len(chosen))


if __name__ == "__main__":
    main(*sys.argv[1:])
