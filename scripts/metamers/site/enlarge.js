"use strict";
// Enlargement: both pictures of a pair at the same size, scrolled together, so that the same part of both is seen.

metamers.enlarge = (panes, output, smaller, larger) => {
  const sizes = [1, 2, 3, 4, 6, 8];
  let at = 0;
  const set = place => {
    const before = sizes[at];
    at = Math.max(0, Math.min(sizes.length - 1, place));
    const size = sizes[at], first = panes[0];
    const [x, y] = [first.scrollLeft + first.clientWidth / 2, first.scrollTop + first.clientHeight / 2];
    for (const pane of panes) {
      const image = pane.querySelector("img");
      image.style.width = image.style.height = `${100 * size}%`;
      image.classList.toggle("pixels", size > 1);
      // What was in the middle stays there.
      pane.scrollTo({ left: (x * size) / before - pane.clientWidth / 2, top: (y * size) / before - pane.clientHeight / 2, behavior: "instant" });
    }
    output.textContent = `${size}×`;
    smaller.setAttribute("aria-disabled", at === 0);
    larger.setAttribute("aria-disabled", at === sizes.length - 1);
  };
  for (const pane of panes) {
    pane.addEventListener("scroll", () => {
      for (const other of panes) if (other !== pane) {
        if (other.scrollLeft !== pane.scrollLeft) other.scrollLeft = pane.scrollLeft;
        if (other.scrollTop !== pane.scrollTop) other.scrollTop = pane.scrollTop;
      }
    });
  }
  smaller.addEventListener("click", () => set(at - 1));
  larger.addEventListener("click", () => set(at + 1));
  set(0);
  return { step: by => set(at + by), enlarged: () => at > 0 };
};
