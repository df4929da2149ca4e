"""Entry point of a predictor, in a container and under the local stand-in alike."""

import argparse
import sys
from pathlib import Path

from mediareview.artifact import load_manifest
from mediareview.errors import MediaReviewError
from serving.predictors.lifeline import exit_with_parent


def main() -> None:
    """Load the artifact, warm it up, serve it until SIGTERM, and exit with 0 once the last request is answered."""
    options = _parser().parse_args()
    if options.lifeline_fd is not None:
        exit_with_parent(options.lifeline_fd, options.grace_period_s)
    try:
        # A missing or damaged artifact is found before anything slow is imported.
        manifest = load_manifest(options.model_dir, verify=True)
        expected = f"mediareview-{manifest.name}"
        if options.model_format not in (None, expected):
            raise MediaReviewError(
                f"{options.model_dir} holds a model of format {expected}, not {options.model_format}.",
                "Correct the modelFormat or the storageUri of the InferenceService.",
            )
        from serving.predictors.server import serve

        serve(
            options.model_name,
            options.model_dir,
            manifest,
            host=options.host,
            port=options.http_port,
            max_batch_size=options.max_batch_size,
            max_wait_s=options.max_wait_ms / 1000,
            max_queue=options.max_queue,
            grace_period_s=options.grace_period_s,
        )
    except MediaReviewError as error:
        sys.exit(f"Error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m serving.predictors", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model_name", required=True, help="name in the endpoint's path")
    parser.add_argument("--model_dir", required=True, type=Path, help="directory of the artifact")
    parser.add_argument("--model_format", help="refuse to serve an artifact of another format")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--http_port", default=8080, type=int, help="port to listen on (default: %(default)s)")
    parser.add_argument("--max_batch_size", default=16, type=int, help="texts scored together (default: %(default)s)")
    parser.add_argument(
        "--max_wait_ms", default=2.0, type=float, help="longest wait of a busy model for a fuller batch (%(default)s)"
    )
    parser.add_argument(
        "--max_queue", default=512, type=int, help="instances waiting before 503 (default: %(default)s)"
    )
    parser.add_argument(
        "--grace_period_s", default=20, type=int, help="time for running requests on SIGTERM (default: %(default)s)"
    )
    parser.add_argument("--lifeline_fd", type=int, help="pipe whose closing tells that the parent is gone")
    return parser


if __name__ == "__main__":
    main()
