"""Files of every supported format are read as they are published."""

import bz2
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingestion import ReadOptions, ingest_file
from components.ingestion.movielens import split_title
from mediareview.lake import Lake

MOMENT = datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC)  # 881250949

RATINGS = {
    "u.data": "196\t242\t3\t881250949\n",
    "ratings.dat": "196::242::3::881250949\n",
    "ml-latest/ratings.csv": "userId,movieId,rating,timestamp\n196,242,3.0,881250949\n",
    "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n",
    "any.csv": "user,item,stars,date\n196,242,3,1997-12-04T15:55:49Z\n",
    "any.tsv": "user_id\tmedia_id\trating\trated_at\n196\t242\t3\t1997-12-04 15:55:49\n",
    "any.jsonl": '{"userId": 196, "movieId": 242, "rating": 3, "timestamp": 881250949}\n',
}


@pytest.mark.parametrize("name", RATINGS)
def test_one_rating_is_the_same_rating_in_every_format(name: str, ingest, lake: Lake) -> None:
    summary = ingest("ratings", name, RATINGS[name], source="test")
    assert (summary.inserted, summary.dead) == (1, 0)
    assert lake.read("ratings").to_pylist() == [
        {"user_id": "196", "media_id": "242", "rating": 3.0, "rated_at": MOMENT, "source": "test"}
    ]


FLAGS = "|".join("1" if place in (15, 16) else "0" for place in range(19))
MEDIA = {
    "u.item": f"260|Matrix, The (1999)|01-Jan-1999||http://x|{FLAGS}\n".encode("latin-1"),
    "movies.dat": "260::Matrix, The (1999)::Sci-Fi|Thriller\n".encode("latin-1"),
    "movies.csv": b'movieId,title,genres\n260,"Matrix, The (1999)",Sci-Fi|Thriller\n',
    "ml.item": (
        b"item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        b"260\tMatrix, The\t1999\tSci-Fi Thriller\n"
    ),
}


@pytest.mark.parametrize("name", MEDIA)
def test_one_title_is_the_same_title_in_every_release(name: str, ingest, lake: Lake) -> None:
    assert ingest("media", name, MEDIA[name]).inserted == 1
    (row,) = lake.read("media").to_pylist()
    assert (row["media_id"], row["title"], row["year"]) == ("260", "The Matrix", 1999)
    assert sorted(row["genres"]) == ["Sci-Fi", "Thriller"]


def test_a_release_directory_is_read_by_table(tmp_path: Path, lake: Lake) -> None:
    release = tmp_path / "ml-1m"
    release.mkdir()
    (release / "ratings.dat").write_text("1::1193::5::978300760\n1::661::3::978302109\n")
    (release / "movies.dat").write_bytes("1193::Misérables, Les (1995)::Drama\n".encode("latin-1"))
    assert ingest_file(lake, "ratings", release, options=ReadOptions(id_prefix="ml1m:")).inserted == 2
    assert ingest_file(lake, "media", release, options=ReadOptions(id_prefix="ml1m:")).inserted == 1
    assert lake.read("media")["title"].to_pylist() == ["Les Misérables"]
    assert lake.read("ratings")["media_id"].to_pylist()[0].startswith("ml1m:")


@pytest.mark.parametrize(
    ("written", "title", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("Seven (a.k.a. Se7en) (1995)", "Seven (a.k.a. Se7en)", 1995),
        ("Avventura, L' (1960)", "L'Avventura", 1960),
        ("2001: A Space Odyssey", "2001: A Space Odyssey", None),
        ("Babylon 5", "Babylon 5", None),
    ],
)
def test_titles_are_split_from_years_and_articles_come_first(written: str, title: str, year: int | None) -> None:
    assert split_title(written) == (title, year)


def test_parquet_keeps_types(tmp_path: Path, lake: Lake) -> None:
    path = tmp_path / "ratings.parquet"
    pq.write_table(pa.table({"user_id": [1], "media_id": [2], "rating": [4.5], "rated_at": [MOMENT]}), path)
    assert ingest_file(lake, "ratings", path).inserted == 1
    assert lake.read("ratings")["user_id"].to_pylist() == ["1"]


def test_the_film_database(tmp_path: Path, lake: Lake) -> None:
    path = tmp_path / "movies.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE omdb (ID INTEGER, imdbID TEXT, Title TEXT, Year INTEGER, Genre TEXT, Director TEXT,"
            ' "Cast" TEXT,'
            " Writer TEXT, Language TEXT, Country TEXT, Runtime REAL, imdbVotes INTEGER)"
        )
        connection.execute(
            "INSERT INTO omdb VALUES (1, 'tt0116282', 'Fargo', 1996, 'Crime, Drama',"
            " 'Joel Coen, Ethan Coen (co-director)',"
            " 'N/A', '', 'English', 'USA', 98, 500000)"
        )
    assert ingest_file(lake, "media", path).inserted == 1
    (film,) = lake.read("media").to_pylist()
    assert (film["media_id"], film["directors"], film["cast"]) == ("tt0116282", ["Joel Coen", "Ethan Coen"], [])


def test_vader_texts_are_cut_at_their_mean_sentiment(ingest, lake: Lake) -> None:
    content = "1\t2.3\tA joy.\n2\t-1.5\tDreadful.\n3\t0.4\tIt exists.\n"
    ingest("reviews", "movieReviewSnippets_GroundTruth.txt", content, source="vader-movie")
    labels = dict(zip(*(lake.read("reviews")[name].to_pylist() for name in ("review_id", "sentiment")), strict=True))
    assert labels == {"vader-movie:1": "positive", "vader-movie:2": "negative", "vader-movie:3": "neutral"}


def test_rotten_tomatoes_gives_reviews_and_plots(ingest, lake: Lake) -> None:
    content = bz2.compress(
        b"category,text,movie_name\nplot,A heist goes wrong.,the_score\nfresh,Taut.,the_score\nrotten,Flat.,the_score\n"
    )
    assert ingest("reviews", "rotten_tomatoes.csv.bz2", content).inserted == 2
    assert ingest("media", "rotten_tomatoes.csv.bz2", content).inserted == 1
    assert set(lake.read("reviews")["sentiment"].to_pylist()) == {"positive", "negative"}
    assert lake.read("media")["title"].to_pylist() == ["the score"]


def test_insults_are_unescaped_and_keep_the_published_split(ingest, lake: Lake) -> None:
    content = 'Insult,Date,Comment\n1,20120618192155Z,"""You\\\\xa0fool\\\\n\\\\xe2\\\\x80\\\\x99s"""\n0,,"""Fine."""\n'
    ingest("moderation", "train.csv", content, format="insults")
    rows = {row["abusive"]: row for row in lake.read("moderation").to_pylist()}
    assert rows[True]["text"] == "You\xa0fool\n\u2019s"
    assert rows[True]["labelled_at"].year == 2012
    assert (rows[False]["split"], rows[False]["spam"]) == ("train", None)


def test_emails_lose_their_headers_and_markup(tmp_path: Path, lake: Lake) -> None:
    mails = {
        "spam-1/1.txt": (
            "From: a@b\nSubject: Re: [list] Win!\nContent-Type: text/html\n\n<html><style>x</style><b>Cash</b></html>"
        ),
        "easy-ham-1/2.txt": "From: c@d\nReceived: by e\nSubject: Lunch\n\nAt noon?",
        "hard-ham-1/3.txt": "From: c@d\n\n",
    }
    for name, mail in mails.items():
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True)
        path.write_text(mail)
    summary = ingest_file(lake, "moderation", tmp_path / "corpus", "spam-assassin")
    assert (summary.inserted, summary.dead) == (2, 1)
    texts = {row["spam"]: row["text"] for row in lake.read("moderation").to_pylist()}
    assert texts[True].split() == ["Win!", "Cash"]
    assert texts[False].split("\n") == ["Lunch", "At noon?"]


def test_columns_labels_and_scales_can_be_said(ingest, lake: Lake) -> None:
    ingest("reviews", "a.csv", "words,klass\nlovely,1\ndull,0\n", columns={"words": "text", "klass": "sentiment"},
           labels={"0": "negative", "1": "positive"})  # fmt: skip
    ingest("ratings", "b.csv", "user,item,score,time\nu,m,10,881250949\nu,n,1,881250949\n", rating_scale=(1, 10))
    assert set(lake.read("reviews")["sentiment"].to_pylist()) == {"negative", "positive"}
    assert sorted(lake.read("ratings")["rating"].to_pylist()) == [0.5, 5.0]


@pytest.mark.parametrize(
    ("stars", "label"), [(0.5, "negative"), (2.5, "negative"), (3, "neutral"), (3.5, "neutral"), (4, "positive")]
)
def test_stars_mean_a_sentiment(stars: float, label: str, ingest, lake: Lake) -> None:
    ingest("reviews", "a.jsonl", f'{{"text": "x", "stars": {stars}}}\n')
    assert lake.read("reviews")["sentiment"].to_pylist() == [label]


def test_moderation_labels_by_name(ingest, lake: Lake) -> None:
    ingest("moderation", "sms.csv", "label,text\nspam,buy now\nham,see you\n")
    rows = {row["text"]: (row["spam"], row["abusive"]) for row in lake.read("moderation").to_pylist()}
    assert rows == {"buy now": (True, None), "see you": (False, False)}
