"use strict";
// Examples: one sound plays at a time; pictures that are a little larger than their place show their centre at native size, because
// noise loses its contrast in a reduced picture.

{
  const players = [...document.querySelectorAll("audio")];
  for (const player of players) player.addEventListener("play", () => {
    for (const other of players) if (other !== player) other.pause();
  });

  const MOST_REDUCED = 0.6; // smaller places show the whole picture, reduced
  for (const image of document.querySelectorAll(".cells:not(.heard) img, .row img")) {
    const fit = () => {
      const shown = image.clientWidth / image.naturalWidth;
      image.classList.toggle("centre", shown >= MOST_REDUCED && shown < 1);
    };
    image.addEventListener("load", fit);
    new ResizeObserver(fit).observe(image);
  }
}
