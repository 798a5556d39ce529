"use strict";
const page = JSON.parse(document.getElementById("data").textContent);

// Charts: drawn again when the page turns dark or light.
const views = {};
const dark = matchMedia("(prefers-color-scheme: dark)");

function chartConfig() {
  const style = getComputedStyle(document.documentElement);
  const [ink, faint, line] = ["--ink", "--faint", "--line"].map((name) => style.getPropertyValue(name).trim());
  const text = { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
  return {
    background: "transparent",
    font: "system-ui, sans-serif",
    axis: { ...text, gridColor: line, domainColor: faint, tickColor: faint },
    legend: { ...text, symbolBaseStrokeColor: ink, symbolBaseFillColor: ink },
    header: text,
    text: { color: ink },
    view: { stroke: null },
    range: { category: ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"] },
  };
}

async function draw() {
  for (const [id, spec] of Object.entries(page.charts)) {
    const place = document.getElementById("chart-" + id);
    views[id]?.finalize();
    const options = { renderer: "svg", actions: false, config: chartConfig(), ast: false };
    const drawn = await vegaEmbed(place, spec, options);
    views[id] = drawn.view;
    const svg = place.querySelector("svg");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", place.dataset.about);
  }
  pick();
  document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
}
dark.addEventListener("change", draw);

function pick() {
  const picked = [...document.querySelectorAll("#systems input:checked")].map((box) => box.value);
  const what = document.querySelector("#what input:checked").value;
  document.getElementById("chart-curves").hidden = !picked.length;
  if (picked.length) views.curves?.signal("picked", picked).signal("what", what).runAsync();
}
for (const box of document.querySelectorAll("#systems input, #what input")) box.addEventListener("change", pick);
for (const button of document.querySelectorAll("[data-pick]"))
  button.addEventListener("click", () => {
    for (const box of document.querySelectorAll("#systems input"))
      box.checked = button.dataset.pick === "all" || (button.dataset.pick === "first" && box.defaultChecked);
    pick();
  });

// Tables: a click on a column's name sorts by it, another one turns the order round.
for (const button of document.querySelectorAll("th button"))
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const up = head.ariaSort === "descending" || (!head.ariaSort && head.cellIndex === 0);
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent.trim();
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stands last, whatever the order
      const order = head.dataset.kind === "text" ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    };
    body.append(...[...body.rows].sort(compare));
  });

// Images: places in one sheet.
function show(element, place) {
  const rows = Number(document.body.dataset.rows);
  const [x, y] = [place % page.columns, Math.floor(place / page.columns)];
  element.style.backgroundPosition =
    `${(100 * x) / (page.columns - 1)}% ${rows > 1 ? (100 * y) / (rows - 1) : 0}%`;
}
for (const sprite of document.querySelectorAll(".sprite")) show(sprite, Number(sprite.dataset.place));

const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll(".matrix button"))
  button.addEventListener("click", () => {
    const cell = page.cells[button.dataset.cell] ?? [];
    dialog.querySelector("h3").textContent = button.ariaLabel;
    dialog.querySelector("p").textContent = cell.length ? `The ${cell.length} surest, with the probability.` : "No image of it is in this page.";
    dialog.querySelector("ul").replaceChildren(
      ...cell.map(([place, confidence]) => {
        const item = document.createElement("li");
        const image = document.createElement("span");
        image.className = "sprite";
        image.setAttribute("role", "img");
        image.setAttribute("aria-label", `${page.files[place]}, ${button.dataset.about}`);
        image.title = page.files[place];
        show(image, place);
        const file = document.createElement("small");
        file.className = "file";
        file.textContent = page.files[place];
        item.append(image, `${(100 * confidence).toFixed(1)}%`, file);
        return item;
      }),
    );
    dialog.showModal();
  });
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
draw();
