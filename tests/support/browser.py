"""A real Chromium, driven over its DevTools pipe: no driver, no server, no further package."""

import base64
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-pipe",
]

PATIENCE = 240  # seconds, for a machine with other work

KEYS = {  # what a key press carries besides its name
    "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "Escape": 27, "Enter": 13,
    "Home": 36, "End": 35, "PageUp": 33, "PageDown": 34, "Tab": 9,
}  # fmt: skip


def chromium():
    """The browser's path, or None."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


class Browser:
    """One page. `requests` are the addresses it asked for, `errors` what it complained of."""

    def __init__(self, profile: Path, size=(1366, 640), dark=False):
        from_browser, self._to_us = os.pipe()
        self._to_browser, write = os.pipe()
        self._read, self._write = from_browser, write
        command = [
            chromium(),
            *FLAGS,
            f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}",
        ]
        self._pid = os.posix_spawn(
            command[0],
            [*command, "about:blank"],
            {**os.environ, "HOME": str(profile)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, self._to_browser, 3),
                (os.POSIX_SPAWN_DUP2, self._to_us, 4),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,
        )
        os.close(self._to_us)
        os.close(self._to_browser)
        self._buffer, self._answers, self._last = b"", {}, 0
        self._session = None
        self.requests, self.errors = [], []
        self._asked, self._stale = set(), set()  # requests of this page, and of those before
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Performance.enable", timeDomain="threadTicks")
        self.scheme(dark)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        try:
            os.killpg(self._pid, signal.SIGKILL)
        finally:
            os.waitpid(self._pid, 0)
            os.close(self._read)
            os.close(self._write)

    def call(self, method, **parameters):
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        answer = self._wait(lambda: self._answers.pop(message["id"], None), PATIENCE, method)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _wait(self, found, seconds, what):
        end = time.monotonic() + seconds
        while (result := found()) is None:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(what)
            self._pump(min(left, 0.2))
        return result

    def _pump(self, seconds):
        if not select.select([self._read], [], [], seconds)[0]:
            return
        chunk = os.read(self._read, 1 << 20)
        if not chunk:
            raise ConnectionError("the browser has ended")
        *whole, self._buffer = (self._buffer + chunk).split(b"\0")
        for raw in whole:
            self._take(json.loads(raw))

    def _take(self, message):
        if "id" in message:
            self._answers[message["id"]] = message
            return
        parameters = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            self._asked.add(parameters["requestId"])
            self.requests.append(parameters["request"]["url"])
        elif message["method"] == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(parameters["exceptionDetails"])[:2000])
        elif message["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            if parameters["entry"].get("networkRequestId") not in self._stale:
                self.errors.append(json.dumps(parameters["entry"])[:2000])
        elif message["method"] == "Runtime.consoleAPICalled" and parameters["type"] in (
            "error",
            "assert",
        ):
            self.errors.append(json.dumps(parameters["args"])[:2000])

    def scheme(self, dark):
        value = "dark" if dark else "light"
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": value}],
        )

    def open(self, path: Path, fragment=""):
        """Open a file of this machine and wait for the page to say that it is ready.

        By way of an empty page, so that `requests` and `errors` are this page's alone.
        """
        self.leave()
        self.call("Page.navigate", url=path.resolve().as_uri() + fragment)
        self.until("document.documentElement?.dataset.ready !== undefined")

    def leave(self):
        """Go to an empty page, and forget what the page before asked for and complained of.

        Its requests may still be failing: what is said of them later is dropped.
        """
        self.call("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank' && document.readyState === 'complete'")
        self.settle()
        self._stale |= self._asked
        for record in (self._asked, self.requests, self.errors):
            record.clear()

    def js(self, expression):
        """The value of a JavaScript expression; a promise is awaited."""
        result = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            allowUnsafeEvalBlockedByCSP=False,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:2000])
        return result["result"].get("value")

    def until(self, expression, seconds=PATIENCE):
        """Wait until a JavaScript expression is true, in a page that may still be loading."""
        end = time.monotonic() + seconds
        while not self._now(expression):
            if time.monotonic() > end:
                raise TimeoutError(expression)
            self._pump(0.03)

    def _now(self, expression):
        try:
            return self.js(expression)
        except RuntimeError as error:
            if "navigated" in str(error) or "context" in str(error):
                return False  # the page went away while it was asked
            raise

    def settle(self):
        """Wait until the page has done what it put off: timers due by now, and two frames."""
        self.js(
            "new Promise((done) => setTimeout(() => requestAnimationFrame(() =>"
            "requestAnimationFrame(() => setTimeout(done))), 130))"
        )

    def reload(self):
        self.js("delete document.documentElement.dataset.ready")
        self.call("Page.reload")
        self.until("document.documentElement?.dataset.ready !== undefined")

    def busy(self):
        """Seconds of processor time that the page's main thread has spent so far."""
        metrics = self.call("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "TaskDuration")

    def press(self, *keys):
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            code = {
                "windowsVirtualKeyCode": KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
            }
            self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **code)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, selector):
        """A click in the middle of an element, by the mouse."""
        x, y = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest'}); const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def save_into(self, folder: Path):
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def pick(self, selector, *paths: Path):
        """Choose files in a file field."""
        node = self.call(
            "Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})"
        )
        self.call(
            "DOM.setFileInputFiles",
            files=[str(p) for p in paths],
            objectId=node["result"]["objectId"],
        )

    def screenshot(self, **more) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", **more)["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(
            self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)["data"]
        )
