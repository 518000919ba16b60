"use strict";
// What the pages' scripts share. Data come as scripts: a page that was opened from a file may read no other file.

const metamers = {
  models: {}, // name → what its file holds, of those that were needed
  charts: {}, // name → specification

  // Called by media/<model>/data.js.
  load(model) {
    metamers.models[model.name] = model;
  },

  // Called by assets/points.js.
  loadCharts(charts) {
    metamers.charts = charts;
  },

  // A promise of what a model's file holds.
  need(name) {
    if (metamers.models[name]) return Promise.resolve(metamers.models[name]);
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `media/${encodeURIComponent(name)}/data.js`;
      script.onload = () => resolve(metamers.models[name]);
      script.onerror = () => reject(new Error(`media/${name}/data.js is not beside this page`));
      document.head.append(script);
    });
  },

  // The part of an address that names what the browser of metamers shows.
  fragment(shown) {
    return `#${new URLSearchParams(shown)}`;
  },

  // An element with attributes and children; those whose value is null are left out.
  make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
    element.append(...children.filter(child => child !== null));
    return element;
  },

  verdicts: {
    a: { sign: "✓", words: "accepted" },
    p: { sign: "✗", words: "poor match" },
    c: { sign: "✗", words: "category lost" },
  },

  measures: {
    normalized_error: { title: "Normalized error" },
    pearson_r: { title: "Pearson r" },
    spearman_rho: { title: "Spearman ρ" },
    snr_db: { title: "Signal-to-noise ratio (dB)" },
  },
};
