"""Call every endpoint the way a backend would, and print what was seen."""

import time
from collections.abc import Callable
from typing import Any

from mediareview.console import output, table

Check = Callable[[Any], str]
"""Takes an HTTP client, returns what it saw, raises AssertionError if that is wrong."""


def check_endpoints(url: str) -> int:
    """Run every check against the API, print a table, and return 0 if all passed, else 1."""
    import httpx

    rows, failed = [], 0
    with httpx.Client(base_url=url, timeout=30) as client:
        for name, check in CHECKS.items():
            started = time.perf_counter()
            try:
                seen, mark = check(client), "ok"
            except (AssertionError, KeyError, TypeError, ValueError, httpx.HTTPError) as error:
                seen, mark, failed = f"{type(error).__name__}: {error}", "FAILED", failed + 1
            rows.append((mark, name, f"{(time.perf_counter() - started) * 1000:.0f} ms", seen))
    table(f"Checked {url}", ["", "request", "took", "what came back"], rows)
    output.print("Everything answered as it should." if not failed else f"{failed} of {len(rows)} checks failed.")
    return 1 if failed else 0


def expect(condition: bool, complaint: str) -> None:
    """Raise AssertionError with the complaint unless the condition holds."""
    if not condition:
        raise AssertionError(complaint)


def answer(response: Any, status: int = 200) -> Any:
    """Return the JSON of a response that must have the given status."""
    expect(response.status_code == status, f"status {response.status_code}: {response.text[:300]}")
    return response.json()


def ready(client: Any) -> str:
    """All predictors are ready."""
    answer(client.get("/readyz"))
    return "ready"


def known_user(client: Any) -> str:
    """A known user gets personal, distinct titles with reasons."""
    body = answer(client.get("/api/ml/recommendations", params={"user_id": "196", "limit": 5}))
    items = body["items"]
    expect(len({item["media_id"] for item in items}) == 5, f"5 distinct titles wanted, got {items}")
    expect(not body.get("fallback"), f"user 196 got the fallback {body.get('fallback')}")
    return f"{items[0]['title']}: {'; '.join(items[0]['reasons'])} (model version {body['model']['version']})"


def unknown_user(client: Any) -> str:
    """An unknown user gets a labelled fallback, not an error."""
    body = answer(client.get("/api/ml/recommendations", params={"user_id": "nobody-knows-me", "limit": 3}))
    expect(bool(body.get("fallback")) and len(body["items"]) == 3, str(body)[:300])
    return f"fallback {body['fallback']}: {', '.join(item['title'] for item in body['items'])}"


def anonymous_history(client: Any) -> str:
    """An anonymous visitor with a history gets titles that are not in it."""
    history = ["50", "181", "172"]
    body = answer(client.post("/api/ml/recommendations", json={"history": history, "limit": 3}))
    expect(not {item["media_id"] for item in body["items"]} & set(history), "a consumed title was recommended")
    return ", ".join(item["title"] for item in body["items"])


def sentiment(client: Any) -> str:
    """Plain praise and plain complaint are told apart, and probabilities sum to 1."""
    texts = {"good": "A wonderful, moving film with superb acting.", "bad": "A dull, lifeless and boring mess."}
    body = answer(client.post("/api/ml/sentiment", json={"items": [{"id": k, "text": v} for k, v in texts.items()]}))
    labels = {item["id"]: item["label"] for item in body["items"]}
    expect(labels == {"good": "positive", "bad": "negative"}, str(labels))
    expect(all(abs(sum(item["scores"].values()) - 1) < 1e-3 for item in body["items"]), "scores do not sum to 1")
    return str(labels)


def moderation(client: Any) -> str:
    """An ordinary review is allowed, an insult is not, disguised or not."""
    texts = {
        "review": "The pacing is slow, but the ending is worth the wait.",
        "insult": "you are a stupid idiot, shut up you moron",
        "disguised": "y0u are a stup1d 1d10t, shut up you m0r0n",
    }
    body = answer(client.post("/api/ml/moderation", json={"items": [{"id": k, "text": v} for k, v in texts.items()]}))
    actions = {item["id"]: item["action"] for item in body["items"]}
    expect(actions["review"] == "allow", str(actions))
    expect(actions["insult"] != "allow" and actions["disguised"] != "allow", str(actions))
    return str(actions)


def feedback(client: Any) -> str:
    """A click on a recommendation is accepted."""
    shown = answer(client.get("/api/ml/recommendations", params={"user_id": "196", "limit": 1}))
    event = {
        "request_id": shown["request_id"],
        "type": "click",
        "user_id": "196",
        "item_ids": [shown["items"][0]["media_id"]],
    }
    answer(client.post("/api/ml/feedback", json=event), status=202)
    return f"click on {shown['items'][0]['title']} accepted"


def bad_input(client: Any) -> str:
    """A mistake gets a problem document that says what is wrong."""
    response = client.post("/api/ml/sentiment", json={"items": [{"id": "x"}]})
    expect(400 <= response.status_code < 500, f"status {response.status_code}")
    expect(response.headers["content-type"].startswith("application/problem+json"), response.headers["content-type"])
    return f"{response.status_code} {response.json()['title']}"


def metrics(client: Any) -> str:
    """Prometheus metrics are exported."""
    response = client.get("/metrics")
    lines = [line for line in response.text.splitlines() if line and not line.startswith("#")]
    expect(response.status_code == 200 and len(lines) > 10, f"status {response.status_code}, {len(lines)} lines")
    return f"{len(lines)} series"


CHECKS: dict[str, Check] = {
    "GET /readyz": ready,
    "GET /api/ml/recommendations (known user)": known_user,
    "GET /api/ml/recommendations (unknown user)": unknown_user,
    "POST /api/ml/recommendations (history)": anonymous_history,
    "POST /api/ml/sentiment": sentiment,
    "POST /api/ml/moderation": moderation,
    "POST /api/ml/feedback": feedback,
    "POST /api/ml/sentiment (no text)": bad_input,
    "GET /metrics": metrics,
}
"""Request to check, in order."""
