/** The window in which a participant sees the page: its size and zoom, and whether a picture fits into it. */

const rounded = (value) => Math.round(value * 100) / 100;

/** The window now: sizes in CSS pixels, device pixels per CSS pixel, the zoom of the page and of fingers (1: none). */
export function view() {
  return {
    window_width: innerWidth,
    window_height: innerHeight,
    pixel_ratio: rounded(devicePixelRatio),
    zoom: rounded(outerWidth / innerWidth || 1), // an estimate: browsers do not state the zoom of the page
    pinch_zoom: rounded(visualViewport?.scale ?? 1),
  };
}

/** Whether a square of `side` CSS pixels is within the part of the page that is visible. */
export function fits(side) {
  const { width, height } = visualViewport ?? { width: innerWidth, height: innerHeight };
  return width >= side && height >= side;
}

/** Call back now and whenever the window changes, until `element` has left the page. */
export function watch(element, changed) {
  const places = [window, visualViewport].filter(Boolean);
  const listener = () => {
    if (element.isConnected) changed();
    else for (const place of places) place.removeEventListener("resize", listener);
  };
  for (const place of places) place.addEventListener("resize", listener);
  changed();
}
