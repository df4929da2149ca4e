import pytest

from components.texts.foreign import read_file
from mediareview.errors import MediaReviewError


def test_an_imdb_style_file_is_read_as_it_is(tmp_path):
    file = tmp_path / "imdb.csv"
    file.write_text('review,sentiment\n"A <br />fine film.",positive\nDull.,negative\n')
    rows = read_file(file, "reviews")
    assert sorted(rows["sentiment"]) == ["negative", "positive"]


def test_columns_and_labels_can_be_named(tmp_path):
    file = tmp_path / "reviews.jsonl"
    file.write_text('{"said": "Fine.", "verdict": 1}\n{"said": "Dull.", "verdict": 0}\n')
    rows = read_file(
        file, "reviews", columns={"said": "text", "verdict": "sentiment"}, labels={"1": "positive", "0": "negative"}
    )
    assert dict(zip(rows["text"], rows["sentiment"], strict=True)) == {"Fine.": "positive", "Dull.": "negative"}


def test_a_file_without_a_fitting_row_says_why(tmp_path):
    file = tmp_path / "reviews.csv"
    file.write_text("text,sentiment\nFine.,superb\n")
    with pytest.raises(MediaReviewError, match="superb"):
        read_file(file, "reviews")
