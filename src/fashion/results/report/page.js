"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const MAX_PICKED = 6; // as many as there are colours
const LABEL_HEIGHT = 15; // pixels
const NEAR = 30; // percent of the width
for (const part of document.querySelectorAll("#systems, .script")) part.hidden = false;

// Learning curves: each picked system has a colour that no other one has, and its name at its end.
const slots = new Map();
const boxes = [...document.querySelectorAll("#systems input")];

function pick() {
  for (const box of boxes) {
    if (!box.checked) slots.delete(box.value);
    else if (!slots.has(box.value)) {
      const free = [1, 2, 3, 4, 5, 6].find((number) => ![...slots.values()].includes(number));
      slots.set(box.value, free);
    }
  }
  for (const box of boxes) box.disabled = !box.checked && slots.size >= MAX_PICKED;
  for (const chart of document.querySelectorAll("svg.curves")) {
    for (const part of chart.querySelectorAll(".curve, .label")) {
      const slot = slots.get(part.dataset.system);
      const base = part.classList.contains("curve") ? "curve" : "label";
      part.setAttribute("class", slot ? `${base} picked c${slot}` : base);
      if (slot && base === "curve") part.parentElement.append(part); // above the others
    }
    placeLabels([...chart.querySelectorAll(".label.picked")]);
  }
}

// Move labels down until none covers another, as curves.py does.
function placeLabels(labels) {
  const placed = [];
  for (const label of labels.sort((a, b) => a.dataset.top - b.dataset.top)) {
    const left = Number(label.dataset.left);
    let top = Number(label.dataset.top);
    while (placed.some(([x, y]) => Math.abs(top - y) < LABEL_HEIGHT && Math.abs(left - x) < NEAR)) top += 1;
    placed.push([left, top]);
    label.setAttribute("y", top);
  }
}
// The first choice keeps the colours that it has in the file, in its order there.
function pickFirst() {
  slots.clear();
  for (const box of boxes) box.checked = box.defaultChecked;
  for (const box of boxes.filter((box) => box.checked)) slots.set(box.value, Number(box.dataset.slot));
  pick();
}
for (const box of boxes) {
  const curve = [...document.querySelectorAll("#chart-curves .curve")].find((part) => part.dataset.system === box.value);
  box.dataset.slot = curve?.getAttribute("class").match(/c(\d)/)?.[1] ?? "";
  box.addEventListener("change", pick);
}
for (const button of document.querySelectorAll("[data-pick]"))
  button.addEventListener("click", () => {
    if (button.dataset.pick === "first") return pickFirst();
    for (const box of boxes) box.checked = false;
    pick();
  });
pickFirst();

// Tables: a click on a column's name sorts by it, another one reverses the order. Groups are given up.
for (const button of document.querySelectorAll("th button"))
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = head.closest("table");
    const up = head.ariaSort === "descending" || (!head.ariaSort && head.dataset.kind === "text");
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent.trim();
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stands last, whatever the order
      const order = head.dataset.kind === "text" ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    };
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => !row.matches(".group"));
    table.classList.add("flat");
    table.tBodies[0].replaceChildren(...rows.sort(compare));
    for (const body of [...table.tBodies].slice(1)) body.remove();
  });

// Confusion matrix: one Tab stop; arrow keys move to the next cell with images.
const matrix = document.querySelector(".matrix tbody");
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
function focusCell(button) {
  for (const other of matrix.querySelectorAll("button")) other.tabIndex = other === button ? 0 : -1;
  button.focus();
}
matrix.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const cell = event.target.closest("td");
  let [row, column] = [cell.parentElement.sectionRowIndex, cell.cellIndex];
  for (;;) {
    [row, column] = [row + step[0], column + step[1]];
    const next = matrix.rows[row]?.cells[column];
    if (!next) return;
    const button = next.querySelector("button");
    if (button) return focusCell(button);
  }
});

// The images of a cell: places in one sheet.
function show(element, place) {
  const part = (number, count) => (count > 1 ? (100 * number) / (count - 1) : 0);
  const [x, y] = [place % page.columns, Math.floor(place / page.columns)];
  element.style.backgroundPosition = `${part(x, page.columns)}% ${part(y, page.rows)}%`;
}
const dialog = document.querySelector("dialog");
for (const button of matrix.querySelectorAll("button"))
  button.addEventListener("click", () => {
    focusCell(button);
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
        item.append(image, `${(100 * confidence).toFixed(2)}%`, file);
        return item;
      }),
    );
    dialog.showModal();
  });
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not(.settings)")) part.open = true;
});
document.documentElement.dataset.ready = "yes";
