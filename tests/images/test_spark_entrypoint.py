"""The Spark image does what Spark asks of the pods that it makes: be a driver, be an executor."""

import os
from pathlib import Path

import pytest

from tests.images.conftest import USER, logs, podman, run, serving

COUNT = """
import sys
from pyspark.sql import SparkSession

print("rows", SparkSession.builder.getOrCreate().range(int(sys.argv[1])).filter("id % 2 = 0").count())
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """What the Spark operator mounts into a driver."""
    directory = tmp_path / "conf"
    directory.mkdir()
    properties = {"spark.master": "local[1]", "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1"}
    lines = [f"{name}={value}" for name, value in properties.items()]
    (directory / "spark.properties").write_text("\n".join(lines))
    (directory / "count.py").write_text(COUNT)
    for path in (directory, *directory.iterdir()):
        os.chown(path, USER, USER)
    return directory


def test_a_driver_runs_the_application(configuration: Path) -> None:
    options = (
        "--env=SPARK_DRIVER_BIND_ADDRESS=127.0.0.1",
        "--env=SPARK_CONF_DIR=/opt/spark/conf",
        f"--volume={configuration}:/opt/spark/conf:ro",
    )
    arguments = (
        "--properties-file",
        "/opt/spark/conf/spark.properties",
        "--class",
        "org.apache.spark.deploy.PythonRunner",
    )
    printed = run("spark", "driver", *arguments, "local:///opt/spark/conf/count.py", "1000", options=options)
    assert "rows 500" in printed


def test_an_executor_reports_to_its_driver(port: int) -> None:
    environment = {
        "SPARK_DRIVER_URL": f"spark://CoarseGrainedScheduler@127.0.0.1:{port}",
        "SPARK_EXECUTOR_ID": "1",
        "SPARK_EXECUTOR_CORES": "1",
        "SPARK_EXECUTOR_MEMORY": "256m",
        "SPARK_APPLICATION_ID": "spark-1",
        "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
        "SPARK_EXECUTOR_POD_NAME": "executor-1",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_JAVA_OPT_0": "-Dspark.network.timeout=10s",
        "SPARK_JAVA_OPT_1": "-Dword=two words",
        "SPARK_JAVA_OPT_2": "-XshowSettings:properties",
    }
    options = tuple(f"--env={name}={value}" for name, value in environment.items())
    with serving("spark", "executor", options=options) as executor:
        assert podman("wait", executor).strip() != "0"  # there is no driver
        told = logs(executor)
    assert "word = two words" in told
    assert f"127.0.0.1:{port}" in told
