"use strict";
// Interactive charts: a point shows its description and links to its metamers, by pointer, touch or keys.

{
  const EVERY = "all", ERRORS = 1; // a level of Vega's log
  const PRINTED = 640; // width of a printed chart in pixels: its words have the size of the text

  // Draws a specification in a figure; returns a function that changes its data: points, and others by name.
  metamers.draw = async figure => {
    const specification = metamers.charts[figure.dataset.chart], place = figure.querySelector(".drawn");
    const readout = figure.querySelector(".readout"), selects = [...figure.querySelectorAll("select[data-field]")];
    let points = specification.datasets.points, chosen = null;
    // Expressions are interpreted, not compiled, because the pages' policy forbids code from strings. The only warning is
    // that no point is selected yet.
    const how = { actions: false, renderer: "svg", ast: true, logLevel: ERRORS };
    const { view } = await vegaEmbed(place.firstElementChild, specification, how);
    // Each new width takes two passes: the columns of a legend depend on it, and the height of the chart on their rows.
    const fit = () => view.resize().runAsync();
    await fit();
    window.addEventListener("resize", fit); // after Vega's own listener, which sets the width

    let onScreen = null;
    window.addEventListener("beforeprint", () => {
      onScreen = view.signal("width");
      view.signal("width", PRINTED).run().resize().run();
    });
    window.addEventListener("afterprint", () => view.signal("width", onScreen).run().resize().run());

    const shown = () => points.filter(point => selects.every(({ dataset: { field }, value }) => (
      !(field in point) || value === EVERY || String(point[field]) === value)));
    const open = point => { if (point.link) location.href = point.link; };
    const choose = point => {
      chosen = point;
      view.signal("chosen", point ? point.id : -1).runAsync();
      const link = point?.link ? [" ", metamers.make("a", { href: point.link }, "Show its metamers")] : [];
      readout.replaceChildren(...(point ? [point.words, ...link] : []));
    };
    const step = to => {
      const those = shown(), at = those.indexOf(chosen);
      if (those.length) choose(those[Math.max(0, Math.min(those.length - 1, to(at, those.length)))]);
    };
    const keys = {
      ArrowRight: () => step(at => at + 1), ArrowLeft: () => step(at => at - 1),
      Home: () => step(() => 0), End: () => step((_, count) => count - 1),
      Enter: () => chosen && open(chosen),
    };
    place.addEventListener("keydown", event => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
    view.addEventListener("click", (event, item) => {
      const point = points[item?.datum?.id];
      if (!point) return;
      // A finger covers the point, so the first touch shows the description.
      const first = event.pointerType === "touch" && point !== chosen;
      choose(point);
      if (!first) open(point);
    });
    const known = specification.params.map(({ name }) => name);
    for (const select of selects) select.addEventListener("change", () => {
      choose(null);
      if (known.includes(select.dataset.field)) view.signal(select.dataset.field, select.value).runAsync();
    });
    return {
      fill: data => {
        points = data.points.map((point, id) => ({ ...point, id }));
        choose(null);
        for (const [name, values] of Object.entries({ ...data, points })) view.data(name, values);
        return view.runAsync().then(fit); // other data have other axis labels, which change the chart's width
      },
    };
  };

  // A chart is drawn when it is near the viewport, to save time on phones, or when the browser is idle, so that it can be printed.
  const idle = window.requestIdleCallback ?? (draw => setTimeout(draw, 1000)); // Safari has no idle callback
  const whenNear = figure => new Promise(resolve => {
    figure.hidden = false;
    window.addEventListener("load", () => idle(resolve, { timeout: 1000 }));
    window.addEventListener("beforeprint", resolve);
    new IntersectionObserver((seen, observer) => {
      if (!seen.some(one => one.isIntersecting)) return;
      observer.disconnect();
      resolve();
    }, { rootMargin: "300px" }).observe(figure);
  });

  // Name → a promise of a chart.
  metamers.drawn = {};
  for (const figure of document.querySelectorAll(".chart")) {
    metamers.drawn[figure.dataset.chart] = whenNear(figure).then(() => metamers.draw(figure));
  }
}
