"""Affinities from known ligands: known answers in closed form, laws, bounds, suggestions, and bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from metricvae.core.errors import InputError
from metricvae.metrics.affinity.known import KnownLigands
from metricvae.metrics.affinity.known_kernels import KERNELS, kernels, ligand_features, tanimoto
from metricvae.metrics.affinity.known_prior import PRIOR_FILE, read_prior, shipped_prior
from metricvae.metrics.affinity.known_process import Evidence, bounded, factorised, log_evidence
from metricvae.metrics.affinity.known_table import known_table

pytest.importorskip("rdkit")

SERIES = [
    *("c1ccccc1CCN", "Cc1ccccc1CCN", "Clc1ccccc1CCN", "Fc1ccc(CCN)cc1", "COc1ccc(CCN)cc1", "c1ccccc1CCNC"),
    *("c1ccccc1CCO", "Cc1ccccc1CCO", "OC(=O)CCc1ccccc1", "NC(=O)CCc1ccccc1", "c1ccc2ccccc2c1CCN", "C1CCCCC1CCN"),
]
VALUES = np.array([6.1, 6.4, 6.9, 6.2, 6.6, 6.0, 4.9, 5.1, 4.2, 4.5, 7.4, 5.5])
OTHERS = ["Brc1ccccc1CCN", "Brc1ccccc1CCO", "CC(C)(C)OC(=O)N1CCC[C@H]1C(=O)O", "c1ccc(-c2ccccc2)cc1"]
FIXED = replace(shipped_prior(), spread=1e-6, freedom=1e9)
"""A Gaussian process: no variance follows the data."""


def test_kernels_are_positive_semidefinite_with_ones_on_the_diagonal() -> None:
    codes = np.random.default_rng(0).normal(size=(len(SERIES), 5))
    features = ligand_features(SERIES, codes)
    found = kernels(features, features)
    assert found.shape == (len(KERNELS), len(SERIES), len(SERIES))
    for kernel in found:
        np.testing.assert_allclose(kernel, kernel.T, atol=1e-12)
        np.testing.assert_allclose(np.diag(kernel), 1.0, atol=1e-12)
        assert np.linalg.eigvalsh(kernel).min() > -1e-10


def test_tanimoto_is_that_of_rdkit() -> None:
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetTopologicalTorsionGenerator(countSimulation=True, fpSize=4_096)
    bits = [generator.GetFingerprint(Chem.MolFromSmiles(one)) for one in SERIES]
    expected = [DataStructs.BulkTanimotoSimilarity(one, bits) for one in bits]
    features = ligand_features(SERIES)
    np.testing.assert_allclose(tanimoto(features.torsions, features.torsions), expected, atol=1e-12)


def test_kernels_with_one_ligand_are_a_column_of_those_with_all() -> None:
    features = ligand_features([*SERIES, *OTHERS])
    found = kernels(features, features)
    for row in range(len(features)):
        one = kernels(features, features.take(np.array([row])))
        np.testing.assert_array_equal(one[:4], found[:4, :, row : row + 1])
        np.testing.assert_allclose(one, found[:, :, row : row + 1], atol=1e-12)
    empty = np.zeros((1, features.morgan.shape[1]), np.uint8)
    assert tanimoto(np.concatenate([empty, features.morgan[:1]]), empty).tolist() == [[1.0], [0.0]]


def test_the_known_ligands_are_decomposed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known, sizes = KnownLigands.fit(SERIES, VALUES), []

    def counted(covariance: np.ndarray) -> tuple[np.ndarray, bool]:
        sizes.append(len(covariance))
        return factorised(covariance)

    monkeypatch.setattr("metricvae.metrics.affinity.known.factorised", counted)
    monkeypatch.setattr("metricvae.metrics.affinity.known.BLOCK", 2)
    first, again = known.predict(OTHERS), known.predict(OTHERS)
    assert len(known.suggest(OTHERS, 2)) == len(known.suggest(OTHERS, 2, goal="learn")) == 2
    np.testing.assert_array_equal(first, again)
    assert sizes == [len(SERIES)]


def test_one_known_ligand_is_regression_in_closed_form() -> None:
    """Mean m + k (y - m) / (k + noise), of the prior's own mean and covariance."""
    known = KnownLigands.fit(SERIES[:1], [8.0], settings=FIXED)
    one, other = ligand_features(SERIES[:1]), ligand_features(OTHERS[:1])
    across = known.covariance(other, None, one, None)[0, 0]
    own, noise = known.covariance(one, None, one, None)[0, 0], FIXED.noise
    before, of_other = FIXED.mean(one, None)[0], FIXED.mean(other, None)[0]
    mean, sd = known.predict(OTHERS[:1])
    assert mean[0] == pytest.approx(of_other + across * (8.0 - before) / (own + noise))
    variance = known.prior_variance(other, None)[0] - across**2 / (own + noise) + noise
    assert sd[0] == pytest.approx(np.sqrt(variance))


def test_without_noise_known_values_are_predicted_exactly() -> None:
    mean, sd = KnownLigands.fit(SERIES, VALUES, noise=0.0).predict(SERIES)
    np.testing.assert_allclose(mean, VALUES, atol=1e-3)
    assert (sd < KnownLigands.fit(SERIES, VALUES).predict(OTHERS).sd.min()).all()


def test_the_order_of_ligands_is_of_no_consequence() -> None:
    order = np.random.default_rng(0).permutation(len(SERIES))
    sides = np.zeros(len(SERIES), int)
    sides[[3, 7]] = 1, -1
    before = KnownLigands.fit(SERIES, VALUES, censored=sides).predict(OTHERS)
    after = KnownLigands.fit([SERIES[at] for at in order], VALUES[order], censored=sides[order]).predict(OTHERS)
    np.testing.assert_allclose(before, after, atol=1e-4)


def test_nothing_known_gives_the_prior() -> None:
    given = np.array([5.0, 6.0, 7.0, 8.0])
    mean, sd = KnownLigands.fit([], [], prior=[]).predict(OTHERS, given)
    np.testing.assert_allclose(mean, given)
    assert (np.diff(sd[1:]) != 0).any()
    alone = KnownLigands.fit([], []).predict(OTHERS)
    np.testing.assert_allclose(alone.mean, shipped_prior().mean(ligand_features(OTHERS), None))
    assert (KnownLigands.fit(SERIES, VALUES).predict(OTHERS).sd[:2] < alone.sd[:2]).all()


def test_prior_means_that_fit_are_followed_and_shifts_are_learned() -> None:
    """Given means that are right up to a constant: what is unlike all known ligands is shifted with them."""
    given = VALUES - 1.0
    known = KnownLigands.fit(
        SERIES, VALUES, prior=given, settings=replace(FIXED, offset=3.0, trust=(1.0, 0.3), follow=0.0)
    )
    far = known.predict(["CC(C)(C)OC(=O)N1CCC[C@H]1C(=O)O"], [9.0]).mean[0]
    assert 9.3 < far < 10.5
    assert abs(far - known.predict(["CC(C)(C)OC(=O)N1CCC[C@H]1C(=O)O"], [5.0]).mean[0]) == pytest.approx(4.0, abs=0.5)


def test_the_gradient_of_the_evidence_is_right() -> None:
    features = ligand_features(SERIES)
    evidence = Evidence(
        kernels(features, features),
        np.full((12, 12), 0.5),
        VALUES - 6.0,
        np.arange(1.0, 13.0),
        np.where(np.arange(12) < 3, 0.05, np.nan),
    )
    logs = np.log([0.3, 0.2, 0.4, 0.1, 0.2, 0.15])
    for freedom in (3.0, 50.0):
        numeric = optimize.approx_fprime(logs, lambda at, v=freedom: log_evidence(at, evidence, v)[0], 1e-6)
        np.testing.assert_allclose(log_evidence(logs, evidence, freedom)[1], numeric, rtol=1e-3, atol=1e-4)
        expected = stats.multivariate_t.logpdf(VALUES - 6.0, shape=evidence.covariance(logs), df=freedom)
        assert log_evidence(logs, evidence, freedom)[0] == pytest.approx(expected, rel=1e-6)


def test_repeated_measurements_count_by_their_mean() -> None:
    """Twice measured is once, of the mean and half the noise; salts and spellings are one ligand."""
    spelled = ["c1ccccc1CCN", "NCCc1ccccc1", "[Cl-].[NH3+]CCc1ccccc1", *SERIES[6:8]]
    twice = KnownLigands.fit(spelled, [6.0, 6.2, 6.4, 4.9, 5.1], noise=0.3)
    once = KnownLigands.fit([SERIES[0], *SERIES[6:8]], [6.2, 4.9, 5.1], noise=[0.3 / np.sqrt(3), 0.3, 0.3])
    np.testing.assert_allclose(twice.predict(OTHERS), once.predict(OTHERS), atol=1e-9)
    assert len(twice.ligands) == 3


def test_bounds_agree_with_integrals() -> None:
    """Expectation propagation of two bounds beside numerical integration."""
    mean, covariance = np.array([0.3, -0.2]), np.array([[1.0, 0.6], [0.6, 1.5]])
    bounds, sides = np.array([0.5, -0.4]), np.array([1, -1], np.int8)
    values, variances = bounded(mean, covariance, bounds, sides)
    gain = covariance @ np.linalg.inv(covariance + np.diag(variances))
    density = stats.multivariate_normal(mean, covariance).pdf
    total = integrate.dblquad(lambda y, x: density([x, y]), 0.5, 9, -9, -0.4, epsabs=1e-6)[0]
    first = integrate.dblquad(lambda y, x: x * density([x, y]), 0.5, 9, -9, -0.4, epsabs=1e-6)[0] / total
    second = integrate.dblquad(lambda y, x: y * density([x, y]), 0.5, 9, -9, -0.4, epsabs=1e-6)[0] / total
    np.testing.assert_allclose(mean + gain @ (values - mean), [first, second], atol=0.02)


def bounded_one_by_one(
    mean: np.ndarray, covariance: np.ndarray, bounds: np.ndarray, sides: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Expectation propagation that inverts the covariance of all values for each site, with scipy's moments."""
    inverse, precision, shift = np.linalg.inv(covariance), np.zeros(len(mean)), np.zeros(len(mean))
    for _ in range(30):
        for row in range(len(mean)):
            spread = np.linalg.inv(inverse + np.diag(precision))
            variance, centre = spread[row, row], (spread @ (inverse @ mean + shift))[row]
            without = 1 / variance - precision[row]
            middle, deviation = (centre / variance - shift[row]) / without, without**-0.5
            place = (bounds[row] - middle) / deviation
            ends = (place, np.inf) if sides[row] > 0 else (-np.inf, place)
            found, left = map(float, stats.truncnorm.stats(*ends, loc=middle, scale=deviation))
            precision[row], shift[row] = 1 / left - without, found / left - middle * without
    return shift / precision, 1 / precision


def made_bounds(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Means, a covariance, bounds that move most of the values, and their sides."""
    rng = np.random.default_rng(count)
    factor, mean = rng.normal(size=(count, count)), rng.normal(size=count)
    sides = np.where(np.arange(count) % 2, 1, -1).astype(np.int8)
    return mean, factor @ factor.T / count + 0.3 * np.eye(count), mean + 0.2 * sides * rng.random(count), sides


def test_bounds_are_those_of_one_site_after_the_other() -> None:
    asked = made_bounds(7)
    for found, expected in zip(bounded(*asked), bounded_one_by_one(*asked), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_sweep_over_the_bounds_decomposes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def counted(covariance: np.ndarray) -> tuple[np.ndarray, bool]:
        sizes.append(len(covariance))
        return factorised(covariance)

    monkeypatch.setattr("metricvae.metrics.affinity.known_process.factorised", counted)
    assert np.isfinite(bounded(*made_bounds(40))).all()
    assert len(sizes) < 20


def test_a_bound_moves_predictions_its_way_and_an_idle_one_does_not() -> None:
    def predicted(value: float, side: int) -> float:
        return float(KnownLigands.fit(SERIES[:1], [value], censored=[side]).predict(OTHERS[:1]).mean[0])

    prior = float(KnownLigands.fit([], []).predict(OTHERS[:1]).mean[0])
    assert predicted(8.0, 1) > prior + 0.3
    assert predicted(4.0, -1) < prior - 0.3
    assert predicted(-4.0, 1) == pytest.approx(prior, abs=1e-3)


def test_suggestions_find_the_best_and_leave_out_what_is_known() -> None:
    known = KnownLigands.fit(SERIES[:9], VALUES[:9])
    candidates = [*SERIES, "NCCc1ccccc1", SERIES[10]]
    best, learn = known.suggest(candidates, 10), known.suggest(candidates, 10, goal="learn")
    assert sorted(best) == sorted(learn) == [9, 10, 11]
    assert best[0] == 10
    assert len(known.suggest(candidates, 2)) == 2


def test_a_batch_that_teaches_is_of_unlike_ligands() -> None:
    """The second is not the twin of the first."""
    amines, acids = ["CCCCCCN", "CCCCCCCN", "CCCCCCCCN"], ["OC(=O)c1ccc2ccccc2c1", "OC(=O)c1ccc2ccccc2c1C"]
    chosen = KnownLigands.fit([], []).suggest([*amines, *acids], 2, goal="learn")
    assert len({row < len(amines) for row in chosen.tolist()}) == 2


def test_intervals_of_values_from_the_prior_are_right() -> None:
    """Values drawn from the process itself lie in their 90 % intervals."""
    features = ligand_features([*SERIES, *OTHERS])
    none = KnownLigands.fit([], [], settings=FIXED)
    covariance = none.covariance(features, None, features, None) + FIXED.noise * np.eye(len(features))
    draws = np.random.default_rng(0).multivariate_normal(FIXED.mean(features, None), covariance, 200)
    inside = []
    for values in draws:
        table = known_table(features.take(slice(4)), values[:4], None, None, None)
        mean, sd = KnownLigands.of(table, FIXED).estimate(features.take(slice(12, 16)))
        inside.append(np.abs(values[12:] - mean) < 1.645 * sd)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_codes_of_a_model_are_one_more_kernel() -> None:
    codes = np.random.default_rng(0).normal(size=(len(SERIES), 4))
    known = KnownLigands.fit(SERIES, VALUES, codes=codes)
    assert len(known.logs) == len(KERNELS) + 1
    same = known.predict(OTHERS[:2], codes=np.tile(codes[10], (2, 1))).mean
    assert np.isfinite(same).all()
    with pytest.raises(InputError, match="codes of ligands"):
        known.predict(OTHERS)


def test_the_prior_is_read_as_it_was_written() -> None:
    assert read_prior(PRIOR_FILE) == shipped_prior()
    assert set(shipped_prior().as_json()) == {"format", *vars(shipped_prior())}


@pytest.mark.parametrize(
    ("smiles", "pk", "more", "said"),
    [
        (["c1ccc"], [5.0], {}, "ligand 1"),
        (SERIES[:2], [5.0, 50.0], {}, "got 50 in row 2"),
        (SERIES[:2], [5.0, np.nan], {}, "got nan in row 2"),
        (SERIES[:2], [5.0], {}, "1 numbers for 2 ligands"),
        (SERIES[:5], [5.0] * 5, {}, "all 5 known ligands have pK 5"),
        (SERIES[:2], [5.0, 6.0], {"prior": [5.0]}, "prior means"),
        (SERIES[:2], [5.0, 6.0], {"censored": [2, 0]}, "censoring"),
        (SERIES[:2], [5.0, 6.0], {"noise": -0.1}, "noise"),
        (SERIES[:2], [5.0, 6.0], {"codes": np.ones((1, 3))}, "codes of shape"),
    ],
)
def test_bad_input_is_one_line(smiles: list[str], pk: list[float], more: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        KnownLigands.fit(smiles, pk, **more)
    assert "\n" not in str(caught.value)


def test_predictions_need_the_prior_means_that_the_known_have() -> None:
    with pytest.raises(InputError, match="got none, expected one for each"):
        KnownLigands.fit(SERIES, VALUES, prior=VALUES).predict(OTHERS)
    with pytest.raises(InputError, match="got some, expected none"):
        KnownLigands.fit(SERIES, VALUES).predict(OTHERS, [1.0] * 4)
    with pytest.raises(InputError, match="expected best or learn"):
        KnownLigands.fit(SERIES, VALUES).suggest(OTHERS, 1, goal="all")
    with pytest.raises(InputError, match="expected 1 or more"):
        KnownLigands.fit(SERIES, VALUES).suggest(OTHERS, 0)
