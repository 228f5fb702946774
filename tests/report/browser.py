"""Drive a headless Chromium by its DevTools protocol over a pipe; nothing but the browser is needed."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.requirements import CHROMIUM

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe", "--mute-audio")
END = b"\0"
OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


class Tab:
    """One page in the browser: it opens addresses, evaluates scripts, and keeps what went wrong."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers, self._rest, self._last = commands, answers, b"", 0
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; raise AssertionError for a refusal."""
        self._last += 1
        session = {"sessionId": self._session} if self._session else {}
        os.write(
            self._commands,
            json.dumps({"id": self._last, "method": method, "params": parameters, **session}).encode() + END,
        )
        while (message := self._receive()).get("id") != self._last:
            self.events.append(message)
        assert "error" not in message, message
        return dict(message["result"])

    def _receive(self) -> dict[str, Any]:
        """Return the next message of the browser."""
        while END not in self._rest:
            part = os.read(self._answers, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(END)
        return dict(json.loads(message))

    def open(self, address: str) -> None:
        """Open an address anew and wait until it is loaded."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        while self.run("document.readyState") != "complete" or self.run("location.href") == "about:blank":
            time.sleep(0.02)

    def run(self, script: str) -> Any:
        """Return the value of a script, a promise's when it is kept; raise AssertionError for one that throws."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def look(self, width: int, height: int, *, dark: bool = False, media: str = "screen") -> None:
        """Show the page at a size, in light or dark colours, as on a screen or as printed."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as a PNG file."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, path: Path) -> None:
        """Write the page as it is printed."""
        done = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        path.write_bytes(base64.b64decode(done["data"]))

    def faults(self) -> list[Any]:
        """Return what the console, the log and uncaught errors told since the tab was made."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event["params"] for event in self.events if event.get("method") in kinds]

    def requested(self) -> list[str]:
        """Return the addresses that were asked for."""
        kind = "Network.requestWillBeSent"
        return [str(e["params"]["request"]["url"]) for e in self.events if e.get("method") == kind]


@contextmanager
def open_browser(profile: Path) -> Iterator[Tab]:
    """Start a browser with an empty profile, without a network, and end it."""
    into, commands = os.pipe()
    answers, out = os.pipe()
    command = f'exec "$0" "$@" 3<&{into} 4>&{out}'
    words = ["bash", "-c", command, CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--crash-dumps-dir={profile}"]
    process = subprocess.Popen(words, pass_fds=(into, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(into)
    os.close(out)
    try:
        tab = Tab(commands, answers)
        tab.call("Network.emulateNetworkConditions", **OFFLINE)
        yield tab
    finally:
        os.close(commands)
        process.terminate()
        process.wait(30)
        os.close(answers)
