"""What operators make of their objects."""

from typing import Any

from .broken import correct_platform
from .objects import at
from .pods import Pod, pods
from .quantities import parse_quantity, parse_spark_memory
from .render import Render


def pod(name: str, render: Render | None = None) -> Pod:
    (found,) = (pod for pod in pods(render or correct_platform()) if pod.name == name)
    return found


def container(pod: Pod) -> dict[str, Any]:
    ((_, found),) = pod.containers()
    return found


def test_every_kind_that_makes_pods_is_known() -> None:
    assert [pod.name for pod in pods(correct_platform())] == [
        *("api", "mlflow", "materialisation", "sentiment-predictor", "sentiment-v4-predictor"),
        *("preprocessing-driver", "preprocessing-executor", "mediareview-node"),
    ]


def test_a_predictor_has_the_labels_that_kserve_gives() -> None:
    assert pod("sentiment-v4-predictor").labels == {
        "app": "isvc.sentiment-v4-predictor",
        "component": "predictor",
        "serving.kserve.io/inferenceservice": "sentiment",
        "app.kubernetes.io/name": "sentiment",
        "app.kubernetes.io/part-of": "mediareview",
    }


def test_a_predictor_is_its_runtime_with_the_models_own_settings() -> None:
    render = correct_platform()
    (service,) = render.of("InferenceService")
    model = service["spec"]["predictor"]["model"]
    model["args"] = ["--model_format=mediareview-sentiment"]
    model["resources"] = {"limits": {"memory": "2Gi"}}
    model["env"] = [{"name": "THREADS", "value": "2"}]
    merged = container(pod("sentiment-predictor", render))
    assert merged["args"] == ["--host=0.0.0.0", "--http_port=8080", "--model_format=mediareview-sentiment"]
    assert merged["resources"] == {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}
    assert merged["env"] == [{"name": "THREADS", "value": "2"}]
    assert "modelFormat" not in merged


def test_a_canary_has_the_stable_predictors_settings_but_for_its_own() -> None:
    render = correct_platform()
    (service,) = render.of("InferenceService")
    service["spec"]["canary"][0]["predictor"]["terminationGracePeriodSeconds"] = 90
    canary = pod("sentiment-v4-predictor", render)
    assert canary.spec["serviceAccountName"] == "predictor"
    assert canary.spec["terminationGracePeriodSeconds"] == 90
    assert "maxReplicas" not in canary.spec


def test_a_spark_driver_is_a_pod_with_the_memory_that_it_may_take() -> None:
    driver = pod("preprocessing-driver")
    assert container(driver)["resources"] == {"requests": {"memory": "2g", "cpu": "1"}, "limits": {"memory": "2g"}}
    assert at(driver.spec, "securityContext.runAsUser") == 10001
    assert driver.labels["spark-role"] == "driver"


def test_quantities() -> None:
    assert parse_quantity("500m") * 2 == parse_quantity(1)
    assert parse_quantity("1Gi") == 2**30
    assert parse_quantity("1.5k") == parse_quantity("15e2") == 1500
    assert parse_spark_memory("2g") == parse_spark_memory("2048m") == 2**31
