"""What the workflow makes ahead of a chapter is all that the chapter needs."""

import dataclasses
import os
from pathlib import Path

import pytest
import yaml
from test_notebooks import TINY, execute

from ciutils import experiments, plans

NOTEBOOKS = experiments.REPOSITORY / "notebooks"
CHAPTERS = yaml.safe_load((experiments.REPOSITORY / "workflow" / "chapters.yaml").read_text())["chapters"]
PUBLISHED = [name for name, chapter in CHAPTERS.items()
             if chapter["parameters"]["profile"] != "digits" and chapter["notebook"] in plans.PLANS]  # fmt: skip


def artifacts():
    folder = Path(os.environ["CIUTILS_RUNS"])
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.suffix in (".nc", ".safetensors")}


@pytest.mark.parametrize("notebook", ["classwise_losses", "label_dancing", "sharpness"])
def test_after_its_plan_a_chapter_computes_nothing(notebook, tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND")
    path, given = NOTEBOOKS / f"{notebook}.ipynb", TINY[notebook]
    plan = plans.plan(path, given)
    for key, run in plan.runs.items():
        run.history()
        if plan.planes:
            run.ego()
            for plane in plan.planes(key).values():
                run.space(**plane)
    before = artifacts()
    assert before
    execute(path, tmp_path, given)
    assert artifacts() == before


@pytest.mark.parametrize("name", PUBLISHED)
def test_all_that_a_published_chapter_measures_is_published(name, tmp_path, monkeypatch):
    for variable in ("CIUTILS_RUNS", "CIUTILS_DATA"):  # as in a clean clone, where nothing can be computed
        monkeypatch.setenv(variable, str(tmp_path))
    plan = plans.plan(NOTEBOOKS / f"{CHAPTERS[name]['notebook']}.ipynb", CHAPTERS[name]["parameters"])
    for key, run in plan.runs.items():
        assert run.history().sizes["epoch"] == run.epochs
        for plane in plan.planes(key).values() if plan.planes else ():
            assert run.space(**plane).sizes["theta1"] == plane["points"]
    assert not list(tmp_path.rglob("*.nc"))


def test_a_notebook_without_a_plan_has_none(tmp_path):
    copy = tmp_path / "another.ipynb"
    copy.write_bytes((NOTEBOOKS / "cctm.ipynb").read_bytes())
    assert plans.plan(copy, {}) is None


def test_a_misspelt_parameter_is_found_before_anything_runs():
    with pytest.raises(ValueError, match="unknown parameter 'network'.*did you mean 'networks'"):
        plans.plan(NOTEBOOKS / "cctm.ipynb", {"network": "vgg19"})


@pytest.mark.parametrize("scale", ["gradient", "unit", "filter"])
def test_the_random_plane_reaches_as_far_as_the_first_pairs(scale):
    plan = plans.plan(NOTEBOOKS / "sharpness.ipynb", TINY["sharpness"] | {"setups": ["anneal-lr"], "scale": scale})
    ((key, run),) = plan.runs.items()
    planes = plan.planes(key)
    pair, random = (run.space(**planes[name]) for name in (plan.pairs()[0], plans.RANDOM))
    reach = [float(space["distance1"][-1] + space["distance2"][-1]) / 2 for space in (pair, random)]
    assert reach[1] == pytest.approx(reach[0], rel=0.006)  # half sides are kept to three digits


def test_the_close_plane_shows_the_middle_of_the_first_pairs():
    plan = plans.plan(NOTEBOOKS / "sharpness.ipynb", TINY["sharpness"] | {"sigma": 0.3})
    planes = plan.planes(next(iter(plan.runs)))
    first, close = planes[plan.pairs()[0]], planes[plans.CLOSE]
    assert close["sigma"] == pytest.approx(first["sigma"] / plans.CLOSER)
    assert {**close, "sigma": 0} == {**first, "sigma": 0}


def test_the_last_network_has_its_first_pairs_planes_with_batch_norm_recalibrated_too():
    networks, setups = ["vgg19", "resnet18"], ["big-lr", "anneal-lr"]
    given = TINY["sharpness"] | {"networks": networks, "setups": setups, "sigma": 0.3}
    plan = plans.plan(NOTEBOOKS / "sharpness.ipynb", given)
    planes = {key: plan.planes(key) for key in plan.runs}
    assert {key for key in planes if plans.RECALIBRATED in planes[key]} == {("resnet18", setup) for setup in setups}
    for mine in (planes["resnet18", setup] for setup in setups):
        assert mine[plans.RECALIBRATED] == mine[plan.pairs()[0]] | {"bn": "recalibrated"}


def test_planes_that_are_only_compared_are_on_the_profiles_smaller_number_of_images(monkeypatch):
    digits = dataclasses.replace(experiments.profile("digits"), images=100, control_images=50)
    monkeypatch.setitem(experiments.PROFILES, "digits", digits)
    given = TINY["sharpness"] | {"setups": ["anneal-lr"], "sigma": 0.3}

    def images(given: dict) -> dict[str, int]:
        plan = plans.plan(NOTEBOOKS / "sharpness.ipynb", given)
        ((key, _),) = plan.runs.items()
        return {name: plane["images"] for name, plane in plan.planes(key).items()}

    controls = {plans.CLOSE, plans.RANDOM, plans.RECALIBRATED}
    of_profile = images(given | {"images": 0})
    assert controls < of_profile.keys()
    assert of_profile == {name: 50 if name in controls else 100 for name in of_profile}
    assert set(images(given | {"images": 60}).values()) == {60}


def test_half_sides_are_found_on_the_profiles_smaller_number_of_images(monkeypatch):
    digits = dataclasses.replace(experiments.profile("digits"), images=100, control_images=50)
    monkeypatch.setitem(experiments.PROFILES, "digits", digits)
    searched = []
    monkeypatch.setattr(experiments.Run, "sigma", lambda _, pairs, images, level: searched.append(images) or 0.3)
    for notebook in ("sharpness", "classwise_losses"):
        for given in ({"images": 0}, {"images": 60}):
            plan = plans.plan(NOTEBOOKS / f"{notebook}.ipynb", TINY[notebook] | given | {"sigma": 0.0})
            plan.planes(next(iter(plan.runs)))
    assert searched == [50, 60, 50, 60]
