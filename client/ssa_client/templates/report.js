"use strict";
// The page says everything without this script; it sorts the classes and filters the cards.
(() => {
  const valueOf = (row, column, isNumber) => {
    const cell = row.cells[column];
    return isNumber ? Number(cell.dataset.value) : cell.textContent;
  };

  const sortBy = (table, header) => {
    const isNumber = header.dataset.kind === "number";
    const now = header.getAttribute("aria-sort");
    const first = isNumber ? "descending" : "ascending";
    const other = isNumber ? "ascending" : "descending";
    const order = now === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [valueOf(row, header.cellIndex, isNumber), row]);
    const compare = isNumber ? (a, b) => a - b : (a, b) => a.localeCompare(b);
    rows.sort(([a], [b]) => sign * compare(a, b));
    body.append(...rows.map(([, row]) => row));
    for (const one of header.parentNode.cells) one.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", order);
  };

  const table = document.getElementById("class-table");
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sortBy(table, header));
    header.replaceChildren(button);
  }

  const form = document.getElementById("filter");
  if (!form) return;
  const chosen = document.getElementById("filter-class");
  const sought = document.getElementById("filter-text");
  const status = document.getElementById("filter-status");
  const cards = [...document.querySelectorAll("#cards > .card")].map((card) => ({
    card,
    text: card.querySelector(".text").textContent.toLowerCase(),
  }));
  const filter = () => {
    const words = sought.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { card, text } of cards) {
      const fits =
        (!chosen.value || card.dataset.class === chosen.value) &&
        words.every((word) => text.includes(word));
      card.hidden = !fits;
      shown += fits;
    }
    status.value = `${shown} of ${cards.length} shown`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
})();
