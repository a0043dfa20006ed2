import json

import pytest
import torch

import estimates
from ciutils import choices, models
from reproduction import chapters, runs

ASSUMED = estimates.Speed("a GPU", 1e14, 2e14, "assumed")


def keep(folder, name, **more):
    made = {
        "network": "resnet18",
        "width": 0.25,
        "device": "NVIDIA H100",
        "images a second, median": {"ours, auto": 9.0},
    }
    (folder / name).write_text(json.dumps(made | more))


@pytest.mark.usefixtures("paper_chapters")
def test_the_runs_are_those_of_the_paper_profile():
    profile = runs.profile("paper")
    trainings = sum(map(len, profile.setups.values()))
    jobs = estimates.profile_jobs(ASSUMED, "paper")
    assert [len(jobs[step]) for step in ("training", "class gradients", "half sides")] == [trainings, 6, 3]
    assert len(jobs["second order"]) == 6 * 3
    assert len(jobs["planes"]) == profile.points * (6 * (3 * 6 + 2) + 2 * 2)  # rows


def test_a_plane_of_imagenet_is_images_by_points_by_forward_cost():
    """1,281,167 images x 361 points x 8.2 GFLOP = 3.79 EFLOP: at 200 TFLOP/s 5.27 hours."""
    rows = estimates.imagenet_jobs(ASSUMED)["one plane, all images"]
    assert sum(rows) / 3600 == pytest.approx(3.7925e18 / 2e14 / 3600, rel=1e-3)
    assert estimates.makespan(rows, 64) == pytest.approx(sum(rows) / 19)


def test_training_a_network_of_the_paper():
    """ResNet18: 200 epochs of 50,000 images at 3 x 1.11 GFLOP, and of 60,000 at 1.11 GFLOP after each."""
    expected = 200 * (50_000 * 3 * 1.11e9 / 1e14 + 60_000 * 1.11e9 / 2e14)
    assert pytest.approx(expected, rel=1e-3) in estimates.profile_jobs(ASSUMED, "paper")["training"]


def test_training_a_network_of_ones_own(monkeypatch):
    """A linear layer from 3 x 32 x 32 to 10 classes is 2 x 30,720 operations, at any width."""

    def linear(*_):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10))

    monkeypatch.setitem(models.NETWORKS, "linear", linear)
    monkeypatch.setattr(choices, "NETWORKS", tuple(models.NETWORKS))
    own = chapters.Want("history", ("linear",), runs.profile("laptop").run("linear", epochs=7))
    monkeypatch.setattr(chapters, "of_profile", lambda _: [own])
    expected = 7 * (50_000 * 3 * 61_440 / 1e14 + 60_000 * 61_440 / 2e14)
    assert estimates.profile_jobs(ASSUMED, "laptop")["training"] == [pytest.approx(expected)]


@pytest.mark.parametrize(("machines", "expected"), [(1, 12), (2, 6), (3, 5), (9, 5)])
def test_makespan(machines, expected):
    assert estimates.makespan([1, 2, 4, 5], machines) == expected


def test_what_is_not_measured_is_said_to_be_assumed(tmp_path):
    assert "assumed: 30% of the 312 TFLOP/s" in estimates.page(tmp_path)
    keep(tmp_path, "training-a.json", device="A CPU, 2 threads")
    cpu, gpu = estimates.speeds(tmp_path)
    assert (cpu.device, gpu.device) == ("A CPU, 2 threads", "NVIDIA A100")
    assert cpu.training == pytest.approx(9 * 3 * 2 * 555e6 / 16, rel=0.02)  # the first layer has a quarter, not less
    assert "spaces taken to be as fast as the other" in cpu.known


def test_a_measured_gpu_takes_the_place_of_the_assumed_one(tmp_path):
    keep(tmp_path, "training-b.json")
    keep(tmp_path, "spaces-b.json", **{"images a second, median": {"ours, auto": 30.0}})
    cpu, gpu = estimates.speeds(tmp_path)
    assert cpu is None
    assert (gpu.device, gpu.known) == ("NVIDIA H100", "measured by `make bench`")
    assert gpu.forward / gpu.training == pytest.approx(30 / (9 * 3))
    assert "assumed" not in estimates.page(tmp_path)
