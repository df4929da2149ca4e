"""What may be served on this machine."""

from pathlib import Path

import pytest

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.platform import running


def test_what_a_cluster_serves_is_not_served_here_too(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, serving_url="kubernetes://ml")
    with pytest.raises(MediaReviewError, match="kubernetes://ml") as refused, running(settings):
        pass
    assert "MEDIAREVIEW_SERVING_URL" in refused.value.hint
