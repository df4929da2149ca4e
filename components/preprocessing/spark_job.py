"""Preparing features as a Spark application: the program that spark-submit runs, on Kubernetes or elsewhere.

    spark-submit .../components/preprocessing/spark_job.py [--pins '{"ratings": 3, "media": 1}']

Catalogue, keywords, export and online store stay in the driver; behaviour features are computed by the executors. Run
by plain Python it needs a master, for example ``MEDIAREVIEW_ENGINE_URL=spark://local[2]``.
"""

import argparse
import json
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    """Prepare features on Spark and print the summary as JSON; a failure is one message and exit code 1."""
    # A program's folder comes first on its path, and this one has modules of names that others want: catalogue.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]
    from components.preprocessing.engines import SPARK
    from components.preprocessing.prepare import prepare_features
    from mediareview.errors import MediaReviewError
    from mediareview.lake import Lake
    from mediareview.settings import get_settings

    parser = argparse.ArgumentParser(description="Prepare features on Spark.")
    parser.add_argument("--pins", type=json.loads, help="versions of input tables as JSON; by default the newest")
    options = parser.parse_args(arguments)
    try:
        settings = get_settings()
        if not settings.engine_url.startswith(SPARK):
            # Whoever started this job chose Spark by doing so.
            settings = settings.model_copy(update={"engine_url": SPARK})
        summary = prepare_features(Lake.from_settings(settings), settings, options.pins)
    except MediaReviewError as error:
        sys.exit(f"Error: {error}")
    print(summary.model_dump_json())


if __name__ == "__main__":
    main()
