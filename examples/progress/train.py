"""Fit a line, and report how far it is: the first replica, after each epoch, with nothing but the standard library."""

import json
import os
import time
import urllib.error
import urllib.request

EPOCHS = int(os.environ.get("EPOCHS", "30"))
PAUSE = float(os.environ.get("PAUSE", "0.5"))
POINTS = [(x / 10, 3 * x / 10 + 1) for x in range(10)]


def report(progress: dict[str, object]) -> None:
    """Tell the operator. A training does not fail, or wait for long, because nobody listens."""
    url, token = os.environ.get("KDL_PROGRESS_URL"), os.environ.get("KDL_PROGRESS_TOKEN")
    if not url:
        return
    request = urllib.request.Request(url, json.dumps(progress).encode(), {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5):
            pass
    except (urllib.error.URLError, TimeoutError) as error:
        print("the report was not taken:", error)


def main() -> None:
    slope = intercept = 0.0
    for epoch in range(1, EPOCHS + 1):
        time.sleep(PAUSE)
        errors = [(slope * x + intercept - y, x) for x, y in POINTS]
        slope -= 0.5 * sum(error * x for error, x in errors) / len(POINTS)
        intercept -= 0.5 * sum(error for error, _ in errors) / len(POINTS)
        loss = sum(error**2 for error, _ in errors) / len(POINTS)
        print(f"epoch {epoch}: loss {loss:.6f}", flush=True)
        if os.environ["RANK"] == "0":
            remaining = (EPOCHS - epoch) * PAUSE
            report(
                {
                    "step": epoch,
                    "total": EPOCHS,
                    "estimatedRemainingSeconds": remaining,
                    "metrics": {"loss": loss, "slope": slope},
                }
            )
    print("done", flush=True)


if __name__ == "__main__":
    main()
