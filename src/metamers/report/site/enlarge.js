"use strict";
// Size of a pair of pictures: at n×, one pixel of a picture is n by n CSS pixels. Both scroll together, to show the same part.

metamers.enlarge = (panes, output, smaller, larger) => {
  const sizes = [1, 2, 3, 4, 6, 8], images = panes.map(pane => pane.querySelector("img"));
  let at = 0, chosen = false; // until a size is chosen, the largest one that fits
  const set = place => {
    const before = sizes[at];
    at = Math.max(0, Math.min(sizes.length - 1, place));
    const size = sizes[at], [x, y] = [panes[0].scrollLeft + panes[0].clientWidth / 2, panes[0].scrollTop + panes[0].clientHeight / 2];
    panes.forEach((pane, number) => {
      images[number].style.width = `${images[number].naturalWidth * size}px`;
      // The centre of the view is kept.
      pane.scrollTo({ left: (x * size) / before - pane.clientWidth / 2, top: (y * size) / before - pane.clientHeight / 2, behavior: "instant" });
    });
    output.textContent = `${size}×`;
    smaller.setAttribute("aria-disabled", at === 0);
    larger.setAttribute("aria-disabled", at === sizes.length - 1);
  };
  const choose = place => {
    chosen = true;
    set(place);
  };
  const fit = () => {
    const [width, height] = ["naturalWidth", "naturalHeight"].map(side => Math.max(...images.map(image => image[side])));
    if (!images.every(image => image.naturalWidth)) return;
    panes[0].closest(".two").style.setProperty("--side", `${width}px`);
    const room = Math.min(panes[0].clientWidth / width, (0.6 * innerHeight) / height);
    set(chosen ? at : Math.max(0, sizes.findLastIndex(size => size <= room)));
  };
  for (const pane of panes) {
    pane.addEventListener("scroll", () => {
      for (const other of panes) if (other !== pane) {
        if (other.scrollLeft !== pane.scrollLeft) other.scrollLeft = pane.scrollLeft;
        if (other.scrollTop !== pane.scrollTop) other.scrollTop = pane.scrollTop;
      }
    });
  }
  for (const image of images) image.addEventListener("load", fit);
  new ResizeObserver(fit).observe(panes[0]);
  smaller.addEventListener("click", () => choose(at - 1));
  larger.addEventListener("click", () => choose(at + 1));
  return { step: by => choose(at + by), scrolls: () => panes.some(pane => pane.scrollWidth > pane.clientWidth || pane.scrollHeight > pane.clientHeight) };
};
