"""Ablations: in what the variants differ, and when a claim holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cli_problem import SMALL_PRESETS
from metricvae.nn.autoencoder import build
from metricvae.reproduction.ablations import FULL, Measurement, report_ablations, reproduce_ablations, variants
from metricvae.reproduction.config import AblationConfig, OverlapPairs
from metricvae.training.optimisers import LOSSES

CONFIG = AblationConfig(steps=10)


def measured(name: str, mse: tuple[float, ...], change: tuple[float, ...] = (1.0, 1.1)) -> Measurement:
    variant = next(one for one in variants(CONFIG) if one.name == name)
    return Measurement(variant, tuple(1 - value / 100 for value in mse), mse, change, tuple(0.5 for _ in mse))


def verdicts(*rows: Measurement) -> dict[str, str]:
    table = report_ablations(rows, ()).sections[0].tables[0]
    return {str(row[0]): str(row[1]) for row in table.rows}


def test_a_variant_differs_in_what_its_name_says() -> None:
    full, *others = variants(CONFIG)
    by_name = {one.name: one for one in others}
    assert full.name == FULL
    assert len({one.folder for one in variants(CONFIG)}) == len(variants(CONFIG))
    for loss in LOSSES:
        weights = dataclasses.replace(full.training.weights, **{loss: 0.0})
        assert by_name[f"no {loss} loss"].training == dataclasses.replace(full.training, weights=weights)
        assert by_name[f"no {loss} loss"].model == full.model
    for latent in set(CONFIG.latents) - {full.model.latent}:
        model = by_name[f"{latent} latent dimensions"].model
        assert model == dataclasses.replace(full.model, latent=latent)
        assert build(model).left.encoder.last.out_features == 2 * latent
    assert by_name["paper preset, its learning rates"].training.learning_rate == 1e-8
    assert by_name["paper preset, learning rates of 1e-3"].training.metric_learning_rate == 1e-3
    assert all(one.training.steps == 10 for one in variants(CONFIG))


def test_a_claim_holds_where_the_difference_is_larger_than_chance() -> None:
    full, worse, alike = (measured(FULL, (1.0, 1.1)), measured("no metric loss", (90.0, 95.0)), (1.05, 1.0))
    eighty, eight = measured("80 latent dimensions", (0.5, 0.51)), measured("8 latent dimensions", (3.0, 3.2))
    found = verdicts(full, worse, measured("no latent loss", alike), eighty, eight)
    assert found["the metric loss is needed"] == "yes"
    assert found["the latent loss is needed"] == "no significant difference"
    assert found["80 latent dimensions work best"] == "yes"
    others = measured("160 latent dimensions", (0.3, 0.31)), measured("no latent loss", (0.4, 0.41))
    better = verdicts(full, eighty, *others)
    assert better["80 latent dimensions work best"] == "no"
    assert better["the latent loss is needed"] == "no"


def test_the_paper_is_measured_against_guessing() -> None:
    paper = "paper preset, its learning rates"
    claim = "the paper's network predicts better than guessing"
    full = measured(FULL, (1.0, 1.1))
    assert verdicts(full, measured(paper, (76.0, 77.0)))[claim] == "yes"
    assert verdicts(full, measured(paper, (99.0, 101.0)))[claim] == "no significant difference"
    assert verdicts(full, measured(paper, (150.0, 151.0)))[claim] == "no"


def test_one_seed_tells_nothing() -> None:
    found = verdicts(measured(FULL, (1.0,), (1.0,)), measured("no metric loss", (90.0,), (1.0,)))
    assert found["the metric loss is needed"] == "cannot be judged from one seed"


@pytest.mark.parametrize(("values", "text"), [((0.99, 0.98), "0.9850\u00a0\u00b1\u00a00.0071"), ((76.0,), "76.00")])
def test_numbers_come_with_their_spread(values: tuple[float, ...], text: str) -> None:
    from metricvae.reproduction.ablations import _spread

    assert _spread(values) == text


def test_variants_and_an_ensemble_are_trained_and_measured(dataset_folder: Path, tmp_path: Path) -> None:
    adversarial = "adversarial latent loss"
    config = AblationConfig(
        OverlapPairs(dataset_folder), steps=2, seeds=2, shapes=6, moved_pairs=20, presets=SMALL_PRESETS.__getitem__
    )
    run = reproduce_ablations(tmp_path / "report", config, chosen=lambda variant: variant.name == adversarial)
    assert [one.variant.name for one in run.measured] == [FULL, adversarial, "ensemble of 2 models"]
    assert {section.title for section in run.report.sections} >= {"The paper's claims", "Losses", "Ensembles"}
    assert run.page.is_file()
