"use strict";
// Shared functions of the pages' scripts. Data are scripts, because a page opened from a file may not read other files.

const metamers = {
  models: {}, // name → content of its file, for loaded models
  charts: {}, // name → specification

  // Called by media/<model>/data.js.
  load(model) {
    metamers.models[model.name] = model;
  },

  // Called by points.js.
  loadCharts(charts) {
    metamers.charts = charts;
  },

  // A promise of the content of a model's file.
  need(name) {
    if (metamers.models[name]) return Promise.resolve(metamers.models[name]);
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `media/${encodeURIComponent(name)}/data.js`;
      script.onload = () => resolve(metamers.models[name]);
      script.onerror = () => reject(new Error(`media/${name}/data.js is missing beside this page`));
      document.head.append(script);
    });
  },

  // The fragment of an address that names a metamer in the metamer browser.
  fragment(shown) {
    return `#${new URLSearchParams(shown)}`;
  },

  // A number for reading, with three significant digits; a dash without one.
  number(value) {
    return value === null || value === undefined ? "–" : String(Number(value.toPrecision(3)));
  },

  // A number of things, in words.
  count(number, thing) {
    return `${number} ${thing}${number === 1 ? "" : "s"}`;
  },

  // An element with attributes and children; attributes with the value null are left out.
  make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
    element.append(...children.filter(child => child !== null));
    return element;
  },

  verdicts: {
    a: { sign: "✓", words: "accepted" },
    p: { sign: "✗", words: "poor match" },
    t: { sign: "✗", words: "target not reached" },
    c: { sign: "✗", words: "category lost" },
  },
};
