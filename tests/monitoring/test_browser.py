"""What a person sees: TensorBoard, in a browser without a screen.

A picture of each tab goes to the folder that TEST_SCREENSHOTS names in the environment.
"""

import logging
import os
import pathlib
import shutil
import time

import pytest

from tests.monitoring.whole_run import train

SECONDS = 60  # that a tab may take to fill

# All text that the page shows, with that inside of components and frames.
SHOWN = """
const texts = [];
function walk(node) {
  if (node.nodeType === Node.TEXT_NODE) { texts.push(node.textContent); return; }
  if (node.tagName === 'STYLE' || node.tagName === 'SCRIPT') return;
  if (node.tagName === 'IFRAME' && node.contentDocument) walk(node.contentDocument);
  if (node.shadowRoot) node.shadowRoot.childNodes.forEach(walk);
  node.childNodes.forEach(walk);
}
walk(document.body);
return texts.join(' ').replace(/\\s+/g, ' ');
"""

# How many pictures are drawn.
DRAWN = """
let drawn = 0;
function walk(node) {
  if (node.tagName === 'IMG' && node.naturalWidth > 40) drawn += 1;
  if (node.tagName === 'IFRAME' && node.contentDocument) walk(node.contentDocument);
  if (node.shadowRoot) node.shadowRoot.childNodes.forEach(walk);
  node.childNodes.forEach(walk);
}
walk(document.body);
return drawn;
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    found = [shutil.which(name) for name in ("chromium", "google-chrome", "chrome")]
    binary, driver = next(filter(None, found), None), shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("needs Chromium and its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--enable-unsafe-swiftshader",  # the projector draws by WebGL
        "--window-size=1400,1000",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """Opens a tab of TensorBoard, waits until it is filled, and keeps a picture."""
    from tensorboard import default, program

    runs = tmp_path_factory.mktemp("runs")
    screenshots = pathlib.Path(os.environ.get("TEST_SCREENSHOTS", runs))
    screenshots.mkdir(parents=True, exist_ok=True)
    train(runs / "one")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    board = program.TensorBoard(plugins=default.get_plugins())
    board.configure(argv=[None, "--logdir", str(runs), "--port", "0"])
    url = board.launch()

    def open_tab(tab, *wanted, pictures=0):
        browser.get("about:blank")
        browser.get(f"{url}#{tab}")
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            shown, drawn = browser.execute_script(SHOWN), browser.execute_script(DRAWN)
            missing = [text for text in wanted if text not in shown]
            if not missing and drawn >= pictures:
                break
            time.sleep(0.2)
        browser.save_screenshot(str(screenshots / f"{tab}.png"))
        assert not missing and drawn >= pictures, f"{missing}, {drawn}: {shown[:2000]}"
        return shown

    return open_tab


def test_scalars_are_drawn(page):
    page("scalars", "epoch_loss", "epoch_tokens_per_second", "gradient_norm")


def test_pictures_are_shown(page):
    page("images", "confusion_matrix", "calibration", "attention", pictures=2)


def test_the_projector_opens_with_every_token(page):
    page("projector", "Points: 7", "Dimension: 4")


def test_settings_and_metrics_have_their_row(page):
    page("hparams", "layers", "mode", "fine", "val_accuracy")


def test_curves_of_precision_over_recall_are_drawn(page):
    page("pr_curves", "precision_recall", "rave")


def test_misclassified_texts_can_be_read(page):
    page("text", "misclassified")


def test_the_graph_opens(page):
    page("graphs", "Main Graph", "inputs", "transformer_cla")
