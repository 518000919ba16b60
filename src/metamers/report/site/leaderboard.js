"use strict";
// Tables that are sorted by the column whose name is chosen; rows without a value stay last. The last cell of a row may stand for several columns.

{
  const key = (row, column, kind) => {
    const cell = row.cells[column] ?? row.cells[row.cells.length - 1], text = cell.dataset.key ?? cell.textContent.trim(), value = parseFloat(text);
    return kind === "text" ? text.toLowerCase() : Number.isNaN(value) ? Infinity : value;
  };
  for (const button of document.querySelectorAll("table.sortable thead button")) button.addEventListener("click", () => {
    const head = button.closest("th"), body = button.closest("table").tBodies[0];
    const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending", sign = order === "ascending" ? 1 : -1;
    for (const other of head.parentElement.querySelectorAll("[aria-sort]")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const keyed = [...body.rows].map(row => [key(row, head.cellIndex, head.dataset.kind), row]);
    keyed.sort(([a], [b]) => a === b ? 0 : a === Infinity ? 1 : b === Infinity ? -1 : sign * (a < b ? -1 : 1));
    body.append(...keyed.map(([, row]) => row));
  });
}
