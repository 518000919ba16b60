"""Simulated participants of an experiment in a real browser."""

import re
from dataclasses import dataclass, field

from metamers.repository import ROOT
from metamers.run import files
from tests.made_up_run import RUN, WORDS


def words(group, key):
    """Return a text that participants read, or its heading, from ``experiment/words.js``."""
    texts = (ROOT / "experiment" / "words.js").read_text().split(f"export const {group} = ")[1]
    return re.search(rf'^  {key}: (?:\(.*\) =>\s*)?["`](?:<h1>)?([^"`<]*)', texts, re.MULTILINE)[1]


ENDS = (words("END", "thanks"), words("END", "early"), words("END", "failed"))
# Records the played sounds and their quietest third, in one channel (headphones) or in the sum of both (loudspeakers).
EARS = """
window.lengths = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  const left = this.buffer.getChannelData(0), right = this.buffer.getChannelData(this.buffer.numberOfChannels - 1);
  const third = Math.floor(left.length / 3);
  const power = [0, 1, 2].map((part) => {
    let sum = 0;
    for (let n = part * third; n < (part + 1) * third; n++) sum += (%s ? (left[n] + right[n]) / 2 : left[n]) ** 2;
    return sum;
  });
  window.quietest = 1 + power.indexOf(Math.min(...power));
  window.lengths.push(this.buffer.duration);
  return start.apply(this, when);
};
"""
# Tells the order in which the server put the exhibits, before the page hears of it.
TELLS = """
const asked = window.fetch;
window.fetch = async (address, ...rest) => {
  const reply = await asked(address, ...rest);
  if (String(address).endsWith("api/begin") && reply.ok) await window.told((await reply.clone().json()).order);
  return reply;
};
"""


@dataclass
class Visitor:
    """A page, and everything that went wrong on it."""

    page: object
    problems: list = field(default_factory=list)
    order: int | None = None

    def __post_init__(self):
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.problems.append(said.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._asked)
        # The page says itself in which order it was put. The body of a response is gone as soon as the page is reloaded.
        self.page.expose_function("told", self._told)
        self.page.add_init_script(TELLS)

    def _asked(self, request):
        if not re.match(r"http://(localhost|127\.0\.0\.1):|data:|blob:", request.url):
            self.problems.append(f"asked {request.url}")

    def _told(self, order):
        self.order = order


class Participant:
    """A simulated participant. ``knows(exhibit)`` decides, from its row of the design, if they recognize an exhibit."""

    def __init__(self, browser, address, folder, modality, knows=lambda exhibit: True, loudspeakers=False, order=None):
        self.design = files.load(folder / "results" / RUN / "experiment" / f"{modality}.nc")
        self.context = browser.new_context()
        self.context.add_init_script(EARS % ("true" if loudspeakers else "false"))
        self.visitor = Visitor(self.context.new_page(), order=order)
        self.knows, self.headings, self.trial = knows, [], 0
        if address:
            self.page.goto(address)

    @property
    def page(self):
        return self.visitor.page

    def answer(self):
        """Return the answer to the current trial."""
        exhibit = self.design.isel(exhibit=int(self.design["shown"].values[self.visitor.order, self.trial]))
        category = str(exhibit["category"].item())
        self.trial += 1
        return category if self.knows(exhibit) else WORDS[(WORDS.index(category) + 1) % len(WORDS)]

    def step(self):
        """Do what the page asks for next; return its heading, or None at the end."""
        self.page.wait_for_selector("h1")
        before = self.page.query_selector("h1")
        heading = before.inner_text()
        self.headings.append(heading)
        if heading in ENDS:
            assert self.headings[-2:-1] != [heading], f"a step after the end: {heading}"
            return None
        if heading.endswith("hat was it?"):
            self.page.get_by_role("button", name=self.answer(), exact=True).click()
        elif re.search("[Ww]hich pitch", heading):
            if play := self.page.query_selector(".play"):
                play.click()
            self.page.wait_for_selector("#word:enabled")
            box, word = self.page.get_by_role("combobox", name="The pitch"), self.answer()
            box.fill(word[:1] + "x")
            assert self.page.get_by_role("button", name="Answer").is_disabled()  # no word begins so
            box.fill(word[:2].upper())
            assert self.page.get_by_role("button", name=f"Answer: {word}", exact=True).is_enabled()
            box.press("Enter")
        elif heading == "Which tone was the quietest?":
            self.page.wait_for_selector("[data-answer]:enabled")
            self.page.locator(f"[data-answer='{self.page.evaluate('quietest')}']").click()
        else:
            self.page.get_by_role("button").first.click()
        before.wait_for_element_state("hidden")
        return heading

    def go_through(self):
        """Take part to the end; return the text of the last page."""
        while self.step():
            pass
        return self.page.locator("#experiment").inner_text()
