import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.statistics import difference_path, units_in_step
from serving.statistics.difference import split

Array = np.ndarray


def plainly(treatment: Array, control: Array, span: float = 1.0) -> tuple[float, float]:
    """Difference and standard error by their definitions."""
    variances = [(values.var() * len(values) + span**2) / len(values) for values in (treatment, control)]
    error = np.sqrt(variances[0] / len(treatment) + variances[1] / len(control))
    return float(treatment.mean() - control.mean()), float(error)


@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.05, 0.1, 0.29, 0.5, 0.7, 0.9]),
    offset=st.floats(-1e5, 1e5),
    span=st.floats(0.1, 5),
)
@settings(max_examples=60, deadline=None)
def test_every_look_is_the_difference_of_the_first_units(seed: int, share: float, offset: float, span: float) -> None:
    random = np.random.default_rng(seed)
    looks = np.array([60, 200, 333])
    treated, untreated = split(looks, share)
    treatment, control = random.normal(offset, 1, treated[-1]), random.normal(offset, 2, untreated[-1])
    path = difference_path(treatment, control, looks, share, span=span)
    for number in range(len(looks)):
        first = treatment[: treated[number]], control[: untreated[number]]
        effect, error = plainly(*first, span)
        assert path.effect[number] == pytest.approx(effect, abs=1e-6)
        assert path.standard_error[number] == pytest.approx(error, rel=1e-5)
        assert path.treatment_mean[number] == pytest.approx(first[0].mean(), abs=1e-6)
        assert path.control_mean[number] == pytest.approx(first[1].mean(), abs=1e-6)


def test_many_experiments_at_once_are_each_what_they_are_alone() -> None:
    random = np.random.default_rng(0)
    treatment, control = random.normal(size=(3, 200)), random.normal(size=(3, 200))
    covariates = random.normal(size=(3, 200)), np.where(random.random((3, 200)) < 0.3, np.nan, 1 + treatment)
    looks = np.arange(100, 401)
    together = difference_path(treatment, control, looks, 0.5, covariates=covariates)
    for number in range(3):
        alone = difference_path(
            treatment[number],
            control[number],
            looks,
            0.5,
            covariates=(covariates[0][number], covariates[1][number]),
        )
        assert together.effect[number] == pytest.approx(alone.effect)
        assert together.standard_error[number] == pytest.approx(alone.standard_error)


def adjusted(treatment: Array, control: Array, x: Array, z: Array) -> tuple[float, float]:
    """CUPED by its definition, with unknown covariates set to 0 after centring."""
    centre = np.nanmean(np.concatenate([x, z]))
    x, z = np.nan_to_num(x - centre), np.nan_to_num(z - centre)
    within = [(values - values.mean(), other - other.mean()) for values, other in ((x, treatment), (z, control))]
    theta = sum(float(a @ b) for a, b in within) / sum(float(a @ a) for a, _ in within)
    return plainly(treatment - theta * x, control - theta * z)


@pytest.mark.parametrize("unknown", [0.0, 0.4])
def test_covariates_adjust_as_cuped_does(unknown: float) -> None:
    random = np.random.default_rng(3)
    x, z = random.normal(7, 2, 300), random.normal(7, 2, 300)
    treatment, control = x + random.normal(size=300) + 0.3, z + random.normal(size=300)
    for covariate in (x, z):
        covariate[random.random(300) < unknown] = np.nan
    looks = np.array([150, 600])
    path = difference_path(treatment, control, looks, 0.5, covariates=(x, z))
    for number, count in enumerate((75, 300)):
        effect, error = adjusted(treatment[:count], control[:count], x[:count], z[:count])
        assert path.effect[number] == pytest.approx(effect)
        assert path.standard_error[number] == pytest.approx(error)
    bare = difference_path(treatment, control, looks, 0.5)
    assert path.standard_error[1] < (0.6 if not unknown else 0.9) * bare.standard_error[1]


@pytest.mark.parametrize("value", [0.0, 3.7, np.nan])
def test_a_covariate_that_tells_nothing_changes_nothing(value: float) -> None:
    random = np.random.default_rng(4)
    treatment, control = random.random(100), random.random(100)
    looks = np.array([50, 200])
    bare = difference_path(treatment, control, looks, 0.5)
    constant = difference_path(treatment, control, looks, 0.5, covariates=(np.full(100, value), np.full(100, value)))
    assert constant.effect == pytest.approx(bare.effect)
    assert constant.standard_error == pytest.approx(bare.standard_error)


@given(treatment=st.integers(0, 2000), control=st.integers(0, 2000), share=st.floats(0.01, 0.99))
@settings(deadline=None)
def test_groups_are_taken_in_proportion_as_far_as_they_go(treatment: int, control: int, share: float) -> None:
    units = units_in_step(treatment, control, share)
    (treated,), (untreated,) = split(np.array([units]), share)
    assert treated <= treatment
    assert untreated <= control
    (next_treated,), (next_untreated,) = split(np.array([units + 1]), share)
    assert next_treated > treatment or next_untreated > control
    assert abs(treated - units * share) <= 1


def test_a_few_equal_units_are_not_certain() -> None:
    path = difference_path(np.ones(100), np.ones(100), np.array([200]), 0.5)
    assert path.standard_error[0] == pytest.approx(np.sqrt(2) / 100)
