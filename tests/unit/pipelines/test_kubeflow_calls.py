"""Calls of the Kubeflow API end in bounded time, are repeated only where that is safe, and fail with what to do."""

import re
import socket
from pathlib import Path

import httpx
import pytest

from mediareview.errors import MediaReviewError
from pipelines.kubeflow import Kubeflow, transport
from pipelines.kubeflow.api import create_once, find, listed
from pipelines.kubeflow.errors import ConflictError, UnansweredError, not_reached
from tests.kubeflow_api import KubeflowApi, running
from tests.kubernetes_api import write_certificate


def told(kubeflow: Kubeflow) -> str:
    """Return how a call fails."""
    with pytest.raises(MediaReviewError) as raised:
        kubeflow.check()
    return str(raised.value)


def test_a_server_that_is_one_passes(kubeflow: Kubeflow) -> None:
    kubeflow.check()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_call_that_reads_is_repeated_until_it_is_answered(
    server: KubeflowApi, kubeflow: Kubeflow, status: int
) -> None:
    server.fault(status, times=2)
    kubeflow.check()
    assert server.called("healthz") == 3


def test_and_given_up_at_last(server: KubeflowApi, kubeflow: Kubeflow) -> None:
    server.fault(503, times=99)
    assert "(503)" in told(kubeflow)
    assert server.called("healthz") == 1 + len(transport.PAUSES_S)


def test_a_lost_answer_is_asked_for_again(server: KubeflowApi, kubeflow: Kubeflow) -> None:
    server.fault("lost")
    kubeflow.check()


def test_the_server_may_ask_for_more_time(
    server: KubeflowApi, kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(transport.time, "sleep", waits.append)
    server.fault(429, times=1, Retry_After="7")
    server.fault(503, times=1, Retry_After="86400")
    kubeflow.check()
    assert waits == [7.0, transport.LONGEST_PAUSE_S]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_an_answer_that_stays_the_same_is_not_asked_for_again(
    server: KubeflowApi, kubeflow: Kubeflow, status: int
) -> None:
    server.fault(status, times=99)
    told(kubeflow)
    assert server.called("healthz") == 1


def test_a_server_that_hangs_is_left(server: KubeflowApi, kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUT_S", 0.05)
    server.fault("hang", times=99)
    with Kubeflow(server.url) as impatient:
        assert "did not answer in time" in told(impatient)


def test_a_login_page_is_not_taken_for_an_answer(server: KubeflowApi, kubeflow: Kubeflow) -> None:
    for kind in ("page", "garbage"):
        server.fault(kind)
        assert "not with JSON" in told(kubeflow)


def test_a_redirect_is_not_followed_and_its_query_not_repeated(server: KubeflowApi, kubeflow: Kubeflow) -> None:
    server.fault("redirect")
    message = told(kubeflow)
    assert "https://login.example.com/auth" in message
    assert "login page" in message
    assert "s3cret" not in message


def test_an_address_of_something_else_is_told(server: KubeflowApi, kubeflow: Kubeflow) -> None:
    server.fault(404)
    assert "Is that the API's address?" in told(kubeflow)


def test_a_call_without_token_is_told_how_to_give_one(server: KubeflowApi, kubeflow: Kubeflow) -> None:
    server.token = "wanted"
    assert "MEDIAREVIEW_PIPELINES_TOKEN_PATH" in told(kubeflow)


def test_a_token_that_is_refused_is_told_but_not_repeated(server: KubeflowApi) -> None:
    server.token = "wanted"
    with Kubeflow(server.url, token="outdated") as kubeflow:
        message = told(kubeflow)
    assert "was not accepted" in message
    assert "outdated" not in message


def test_a_token_is_shown(server: KubeflowApi) -> None:
    server.token = "wanted"
    with Kubeflow(server.url, token="wanted\n") as kubeflow:
        kubeflow.check()


def test_the_file_of_a_token_is_read_anew_for_each_call(server: KubeflowApi, tmp_path: Path) -> None:
    path = tmp_path / "token"
    with Kubeflow(server.url, token_path=path) as kubeflow:
        for token in ("first", "second"):
            path.write_text(f"{token}\n")
            kubeflow.check()
    assert server.tokens == ["first", "second"]


def test_a_token_that_cannot_be_is_told_but_not_repeated(server: KubeflowApi, tmp_path: Path) -> None:
    assert "Cannot read the token" in told(Kubeflow(server.url, token_path=tmp_path / "none"))
    assert "is not a token" in told(Kubeflow(server.url, token="Bearer abc"))
    assert "ä" not in told(Kubeflow(server.url, token="ä"))
    assert server.calls == []


def test_who_may_not_is_told_the_role(server: KubeflowApi, kubeflow: Kubeflow) -> None:
    server.forbidden = True
    with pytest.raises(MediaReviewError) as raised:
        find(kubeflow.pipelines.pipeline_service_list_pipelines, "pipelines", "x")
    assert "ml-engineer" in str(raised.value)
    assert "not authorized" in str(raised.value)


def test_a_server_with_several_users_wants_a_namespace(server: KubeflowApi, kubeflow: Kubeflow) -> None:
    server.multi_user = True
    assert "--namespace" in told(kubeflow)
    with Kubeflow(server.url, namespace="film") as mine:
        mine.check()


def test_nobody_at_home(server: KubeflowApi) -> None:
    server.stop()
    with Kubeflow(server.url) as kubeflow:
        assert "Nothing listens" in told(kubeflow)


@pytest.mark.usefixtures("server")
def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with Kubeflow("http://kubeflow.invalid") as kubeflow:
        assert "There is no host 'kubeflow.invalid'" in told(kubeflow)


@pytest.mark.usefixtures("server")
def test_a_certificate_is_verified_and_its_authority_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path)
    with running(certificate) as secure:
        with Kubeflow(secure.url) as kubeflow:
            assert "SSL_CERT_FILE" in told(kubeflow)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with Kubeflow(secure.url) as kubeflow:
            kubeflow.check()


def test_tls_where_there_is_none(server: KubeflowApi) -> None:
    with Kubeflow(server.url.replace("http:", "https:")) as kubeflow:
        assert "http:// and not https://" in told(kubeflow)


def test_a_broken_connection_can_be_tried_again() -> None:
    assert isinstance(not_reached("http://x", httpx.ReadError("reset")), UnansweredError)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://host:8888/", "http://host:8888"),
        ("https://host/pipeline/", "https://host/pipeline"),
        (" https://host/pipeline/#/runs/details/7 ", "https://host/pipeline"),
        ("https://host/pipeline/apis/v2beta1/runs", "https://host/pipeline"),
    ],
)
def test_an_endpoint_may_be_copied_from_the_browser(given: str, meant: str) -> None:
    assert Kubeflow(given).endpoint == meant


@pytest.mark.parametrize("endpoint", ["", "host:8888", "ftp://host", "https://"])
def test_what_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(MediaReviewError, match="is not a URL"):
        Kubeflow(endpoint)


def test_a_password_does_not_belong_into_a_url() -> None:
    with pytest.raises(MediaReviewError) as raised:
        Kubeflow("https://me:hunter2@host")
    assert "hunter2" not in str(raised.value)


def test_all_pages_of_a_list_are_read(server: KubeflowApi, kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch) -> None:
    import kfp_server_api

    monkeypatch.setattr("pipelines.kubeflow.api.PAGE_SIZE", 2)
    for number in range(5):
        kubeflow.pipelines.pipeline_service_create_pipeline(kfp_server_api.V2beta1Pipeline(name=f"p{number}"))
    found = listed(kubeflow.pipelines.pipeline_service_list_pipelines, "pipelines")
    assert [pipeline.display_name for pipeline in found] == [f"p{number}" for number in range(5)]
    assert server.called("GET .*pipelines$") == 3


def test_what_may_have_been_created_is_looked_for_before_it_is_created_again() -> None:
    there: list[str] = []

    def create() -> str:
        there.append("made")
        raise UnansweredError("lost")

    assert create_once(create, lambda: there[0] if there else None) == "made"
    assert there == ["made"]


@pytest.mark.usefixtures("server")
def test_what_was_not_created_is_created_again() -> None:
    attempts = iter([UnansweredError("away"), UnansweredError("away"), None])

    def create() -> str:
        error = next(attempts)
        if error:
            raise error
        return "made"

    assert create_once(create, lambda: None) == "made"


def test_what_another_has_created_meanwhile_is_used() -> None:
    def create() -> str:
        raise ConflictError("there is one")

    assert create_once(create, lambda: "theirs") == "theirs"
    with pytest.raises(ConflictError):
        create_once(create, lambda: None)


def test_no_call_of_the_api_goes_around_this_transport() -> None:
    import kfp_server_api.rest

    used = set(re.findall(r"rest_client\.(\w+)\(", Path(kfp_server_api.api_client.__file__).read_text()))
    assert {"GET", "POST", "DELETE"} <= used
    assert all(hasattr(transport.Transport, method) for method in ("GET", "POST", "DELETE"))
