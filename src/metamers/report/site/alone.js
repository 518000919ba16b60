"use strict";
// A page that was made without the rest of the report has no other pages to link to. The figure is made with these.

{
  const figure = new Image();
  figure.addEventListener("error", () => {
    for (const link of document.querySelectorAll("nav a:not([aria-current]), main a[href^='reading.html'], footer a")) {
      const text = document.createElement("span");
      text.textContent = link.textContent;
      link.replaceWith(text);
    }
    const note = document.createElement("p");
    note.className = "caption";
    note.textContent = "The other pages are not made yet: run snakemake report.";
    document.querySelector("main").prepend(note);
  });
  figure.src = "figures/steps.svg";
}
