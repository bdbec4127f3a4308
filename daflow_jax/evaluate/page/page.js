"use strict";
document.documentElement.classList.add("js");

// Tables: headers sort. Cells sort by data-value, else by text; unknown values come last.
const key = (cell) => cell.dataset.value ?? cell.textContent.trim();
const compare = (a, b) => {
  const unknown = (a === "–") - (b === "–");
  if (unknown) return { order: unknown, fixed: true };
  const [x, y] = [Number(a), Number(b)];
  const order = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  return { order, fixed: false };
};
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const { order, fixed } = compare(key(a.cells[column]), key(b.cells[column]));
        return fixed || up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// One table of averages at a time.
const metric = document.getElementById("metric");
const chosen = () => {
  for (const table of document.querySelectorAll("table[data-metric]")) {
    table.parentElement.hidden = table.dataset.metric !== metric.value;
  }
};
metric.addEventListener("change", chosen);
chosen();

// Filters of the table of parts.
const filters = [...document.querySelectorAll("select[data-filter]")];
const rows = [...document.querySelectorAll("#parts tbody tr")];
const filtered = () => {
  let shown = 0;
  for (const row of rows) {
    row.hidden = !filters.every((filter) => {
      const cell = row.querySelector(`[data-filter="${filter.dataset.filter}"]`);
      return filter.value === "" || cell.dataset.value === filter.value;
    });
    shown += !row.hidden;
  }
  document.getElementById("count").textContent = `${shown} of ${rows.length} rows`;
};
filters.forEach((filter) => filter.addEventListener("change", filtered));
filtered();

// Pairs: one method side by side with the truth, and a slider between two pictures.
for (const example of document.querySelectorAll(".example")) {
  const buttons = [...example.querySelectorAll(".choices button")];
  const pictures = new Map([...example.querySelectorAll("img[data-key]")].map((i) => [i.dataset.key, i]));
  const stage = example.querySelector(".stage");
  const slider = stage.querySelector("input");
  const side = (name) => example.querySelector(`select[data-side="${name}"]`);
  const draw = () => {
    for (const [name, place] of [["left", ".over"], ["right", ".under"]]) {
      const source = pictures.get(side(name).value);
      const target = stage.querySelector(place);
      target.src = source.src;
      target.alt = source.alt;
    }
    stage.style.setProperty("--at", `${slider.value}%`);
    const left = side("left").selectedOptions[0].textContent;
    slider.setAttribute("aria-valuetext", `${slider.value} % ${left}`);
  };
  const show = (name) => {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.method === name)));
    for (const figure of example.querySelectorAll("figure[data-method]")) {
      figure.hidden = figure.dataset.method !== name;
    }
  };
  buttons.forEach((button) => button.addEventListener("click", () => {
    show(button.dataset.method);
    side("left").value = `flow:${button.dataset.method}`;
    if (side("right").value === side("left").value) side("right").value = "truth";
    draw();
  }));
  slider.addEventListener("input", draw);
  for (const name of ["left", "right"]) side(name).addEventListener("change", draw);
  show(buttons.find((button) => button.getAttribute("aria-pressed") === "true").dataset.method);
  draw();
}
