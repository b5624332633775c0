"""report.html in a real browser: no network, no error, and the structure turns under the mouse."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from holly_triton.io.clouds import write_cloud
from holly_triton.report import write_report

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")

REQUEST = "Network.requestWillBeSent"
COMPLAINTS = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
START = "import os, sys; os.dup2({}, 3); os.dup2({}, 4); os.execv(sys.argv[1], sys.argv[1:])"
MIDDLE = "(r => [r.x + r.width / 2, r.y + r.height / 2])(document.getElementById('cloud').getBoundingClientRect())"
TURNED_MS = 60_000  # of a busy machine, which may draw nothing for seconds
TURNED = """new Promise((done, failed) => {{
  const {{dataset}} = document.getElementById("cloud"), before = dataset.turn;
  const look = () => dataset.turn == before ? requestAnimationFrame(look) : done();
  setTimeout(() => failed(Error("it does not turn")), {});
  look();
}})"""


# A slow machine tells of two frames at once: not yet in view, and in view.
TWO_AT_ONCE = """IntersectionObserver = class {
  constructor(told) { this.told = told; }
  observe() { this.told([{isIntersecting: false}, {isIntersecting: true}]); }
}"""


class Browser:
    """Chromium's own protocol through a pipe (file descriptors 3 and 4): JSON, each message ended by a zero byte."""

    def __init__(self, profile: Path) -> None:
        hears, to = os.pipe()
        back, says = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        command = [sys.executable, "-c", START.format(hears, says), str(CHROMIUM), *flags, "about:blank"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, pass_fds=(hears, says), **quiet)
        os.close(hears)
        os.close(says)
        self.to, self.back = os.fdopen(to, "wb"), os.fdopen(back, "rb")
        self.waiting, self.number, self.session = b"", 0, None
        self.seen = list[dict[str, Any]]()
        page = next(t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.ask("Network.emulateNetworkConditions", **offline)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        self.to.write(json.dumps(message).encode() + b"\0")
        self.to.flush()
        while (answer := self.read()).get("id") != self.number:
            self.seen.append(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def read(self) -> dict[str, Any]:
        while b"\0" not in self.waiting:
            more = os.read(self.back.fileno(), 1 << 20)
            assert more, "chromium has ended"
            self.waiting += more
        message, self.waiting = self.waiting.split(b"\0", 1)
        return dict(json.loads(message))

    def run(self, script: str) -> Any:
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, page: Path, *, still: bool = True) -> None:
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}
        self.ask("Emulation.setEmulatedMedia", features=[motion])
        self.seen.clear()
        self.ask("Page.navigate", url=page.as_uri())
        self.run("new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))")
        self.run("document.getElementById('cloud').scrollIntoView({block: 'center'})")

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def turned(self) -> list[float]:
        """Rotation by rows, zoom and handedness, as last drawn."""
        self.run("new Promise(requestAnimationFrame)")
        return [float(number) for number in self.run("document.getElementById('cloud').dataset.turn").split()]

    def close(self) -> None:
        self.ask("Browser.close")
        self.to.close()
        self.process.wait(60)
        self.back.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a picture of each kind, and a name that would be a script if it were not escaped."""
    run = tmp_path_factory.mktemp("run")
    (run / "pictures").mkdir()
    rng = np.random.default_rng(0)
    write_cloud(run / "cloud.ply", rng.normal(size=(6000, 3)) * (60, 40, 20))
    turns = Rotation.random(50, 1).as_rotvec()
    with (run / "poses.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "rx", "ry", "rz", "tx_nm", "ty_nm", "sigma_nm", "loss"])
        writer.writerows([i, *turn, 0, 0, 5, 30] for i, turn in enumerate(turns))
    images = rng.random((3, 16, 16))
    names = np.array(["<script>throw 1</script>", "1", "2"])
    given = {"inputs": images, "reprojections": images[::-1], "names": names, "pixel_nm": 10.0}
    np.savez(run / "pictures" / "reprojections.npz", **given)
    Image.new("RGB", (64, 64), "white").save(run / "pictures" / "cloud.png")
    steps = [{"step": i, "sigma_nm": 9.0 - i, "loss": 40.0 + i, "size": 16} for i in range(3)]
    file = {"name": "localisations_of_all_fields.csv", "bytes": 123456789, "blake2b": 16 * "0f"}
    told = {"history": steps, "notes": ["<script>throw 2</script>"], "data_files": [file], "pictures": 3}
    (run / "metrics.json").write_text(json.dumps(told))
    return write_report(run)


def test_it_opens_from_disk_without_network_and_without_error(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run("document.title.length") > 0
    addresses = [event["params"]["request"]["url"] for event in browser.seen if event.get("method") == REQUEST]
    assert addresses[0] == page.as_uri()
    assert all(address.startswith("data:") for address in addresses[1:])
    assert [event for event in browser.seen if event.get("method") in COMPLAINTS] == []


def test_every_picture_has_a_size(browser: Browser, page: Path) -> None:
    browser.open(page)
    widths = browser.run("[...document.images].map(image => image.complete * image.naturalWidth)")
    assert len(widths) == 1 + 9 + 1 + 1
    assert min(widths) > 0


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, page: Path, width: int) -> None:
    browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.open(page)
    assert browser.run("document.documentElement.scrollWidth") <= width
    parts = browser.run("[...document.querySelectorAll('.wide, figure')].map(one => one.scrollWidth - one.clientWidth)")
    assert {*parts} == {0}  # cells wrap and charts shrink: neither scrolls by itself
    browser.ask("Emulation.clearDeviceMetricsOverride")


def test_it_turns_with_the_mouse_and_comes_back(browser: Browser, page: Path) -> None:
    browser.open(page)
    before = browser.turned()
    assert before == [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1]
    x, y = browser.run(MIDDLE)
    drawn = browser.run("document.getElementById('cloud').toDataURL()")
    browser.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    browser.mouse("mouseMoved", x + 60, y + 30, button="left", buttons=1)
    browser.mouse("mouseReleased", x + 60, y + 30, button="left", clickCount=1)
    after = browser.turned()
    rotation = np.reshape(after[:9], (3, 3))
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
    assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-3)
    # What is near (-z) follows the pointer: right and down.
    assert (rotation @ [0, 0, -1])[0] > 0.1
    assert (rotation @ [0, 0, -1])[1] > 0.1
    assert browser.run("document.getElementById('cloud').toDataURL()") != drawn
    browser.mouse("mouseMoved", x - 60, y, button="none")
    assert browser.turned() == after
    browser.run("document.getElementById('reset').click()")
    assert browser.turned() == before


def test_wheel_and_keys_and_the_other_hand(browser: Browser, page: Path) -> None:
    browser.open(page)
    x, y = browser.run(MIDDLE)
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200)
    assert browser.turned()[9] > 1.2
    browser.run("document.getElementById('cloud').focus({preventScroll: true})")
    browser.ask("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight")
    assert browser.turned()[0] == pytest.approx(np.cos(0.1), abs=1e-3)
    browser.run("document.getElementById('handedness').click()")
    assert browser.turned()[10] == -1


def test_two_fingers_zoom(browser: Browser, page: Path) -> None:
    browser.open(page)
    x, y = browser.run(MIDDLE)
    for kind, apart in (("touchStart", 40), ("touchMove", 80), ("touchMove", 120)):
        fingers = [{"x": x - apart / 2, "y": y, "id": 0}, {"x": x + apart / 2, "y": y, "id": 1}]
        browser.ask("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)
    browser.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert browser.turned()[9] == pytest.approx(3, rel=0.05)


def test_it_turns_by_itself_until_it_is_touched(browser: Browser, page: Path) -> None:
    browser.open(page, still=False)
    browser.run(TURNED.format(TURNED_MS))
    x, y = browser.run(MIDDLE)
    browser.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    browser.mouse("mouseReleased", x, y, button="left", clickCount=1)
    touched = browser.turned()
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert browser.turned() == touched


def test_it_turns_where_two_frames_are_told_of_at_once(browser: Browser, page: Path) -> None:
    fake = browser.ask("Page.addScriptToEvaluateOnNewDocument", source=TWO_AT_ONCE)
    try:
        browser.open(page, still=False)
        browser.run(TURNED.format(TURNED_MS))
    finally:
        browser.ask("Page.removeScriptToEvaluateOnNewDocument", **fake)
