"use strict";
// Thumbnails are parts of sheets of 100; a sheet is loaded when one of its thumbnails is near the viewport.

// The picture of a model's natural stimulus or metamer: `folder` is natural or a stage's, `cell` its place there.
metamers.thumb = (model, folder, cell) => {
  const { side, across } = model.sheet, place = cell % across ** 2;
  const image = metamers.make("img", {
    src: `media/${encodeURIComponent(model.name)}/${encodeURIComponent(folder)}/sheet_${Math.floor(cell / across ** 2)}.jpg`,
    alt: "", loading: "lazy", decoding: "async", width: side, height: side,
  });
  image.style.objectPosition = `${-(place % across) * side}px ${-Math.floor(place / across) * side}px`;
  return image;
};

// A thumbnail with a link to its metamer and text beneath; without a link if `shown` is null.
metamers.thumbLink = (image, words, shown, current, rejected) => {
  const inside = [image, ...words.map(text => metamers.make("span", {}, text))];
  const attributes = { class: rejected ? "rejected" : null };
  if (shown === null) return metamers.make("li", attributes, metamers.make("div", {}, ...inside));
  const link = metamers.make("a", { href: metamers.fragment(shown), "aria-current": current ? "true" : null }, ...inside);
  return metamers.make("li", attributes, link);
};
