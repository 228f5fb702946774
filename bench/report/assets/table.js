// The table of models: sort, filter, hide columns, files of the shown rows, the runs behind a cell.
const table = find("#models");
const columns = all("thead th", table);
const keys = columns.map((cell) => cell.dataset.key);
const bodies = all("tbody", table).map((body) => ({ body, rows: all("tr[data-group]", body) }));
const filters = find("#filters");

function sortValue(row, place) {
  const cell = row.cells[place];
  return cell.dataset.sort === undefined ? null : Number(cell.dataset.sort);
}

function compareRows(place, sign) {
  return (one, other) => {
    const [a, b] = [sortValue(one, place), sortValue(other, place)];
    if (a !== null && b !== null) return sign * (a - b);
    if (a !== null || b !== null) return a === null ? 1 : -1;
    return sign * one.cells[place].textContent.localeCompare(other.cells[place].textContent);
  };
}

function sortTable() {
  const [key, sign] = view.sort.startsWith("-") ? [view.sort.slice(1), -1] : [view.sort, 1];
  const place = keys.indexOf(key);
  for (const { body, rows } of bodies) {
    body.append(...(place < 0 ? rows : [...rows].sort(compareRows(place, sign))));
  }
  columns.forEach((cell, index) => {
    if (index === place) cell.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    else cell.removeAttribute("aria-sort");
  });
}

function isShown(row) {
  const params = row.dataset.params === undefined ? null : Number(row.dataset.params);
  const text = row.textContent.toLowerCase();
  return (
    view.text.toLowerCase().split(/\s+/).every((word) => text.includes(word)) &&
    (!view.technique || row.dataset.technique === view.technique) &&
    (!view.min || (params !== null && params >= Number(view.min))) &&
    (!view.max || (params !== null && params <= Number(view.max)))
  );
}

function filterTable() {
  for (const { body, rows } of bodies) {
    for (const row of rows) row.hidden = !isShown(row);
    body.hidden = rows.every((row) => row.hidden);
  }
  const count = bodies.reduce((sum, { rows }) => sum + rows.length, 0);
  find("#shown-rows").textContent = say("shown", shownGroups().length, count);
}

function hideColumns() {
  const hidden = listed(view.hide);
  for (const row of [table.tHead.rows[0], ...bodies.flatMap(({ rows }) => rows)]) {
    keys.forEach((key, place) => { row.cells[place].hidden = hidden.includes(key); });
  }
}

// The numbers of the shown rows, in the order in which they are shown.
function shownGroups() {
  return all("tbody tr[data-group]", table).filter((row) => !row.hidden).map((row) => Number(row.dataset.group));
}

function showTable() {
  sortTable();
  filterTable();
  hideColumns();
}

function saveCsv() {
  save("comparison.csv", "text/csv", data.file.head + shownGroups().map((group) => data.file.lines[group]).join(""));
}

function saveJson() {
  const rows = shownGroups().map((group) => Object.fromEntries(
    data.file.keys.map((key, place) => [key, data.file.values[group][place]])
  ));
  save("comparison.json", "application/json", JSON.stringify(rows, null, 1) + "\n");
}

function showRuns(cell) {
  const row = cell.parentElement;
  const runs = cell.dataset.runs ? cell.dataset.runs.split(" ") : data.groupRuns[row.dataset.group];
  const heading = columns[cell.cellIndex].textContent.trim();
  find("#cell-runs-of").textContent = `${find("th a", row).textContent}, ${heading}: ${cell.textContent.trim()}`;
  find("#cell-runs-list").replaceChildren(...runs.map((run) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `#r${run}`;
    link.textContent = data.runs[run];
    item.append(link);
    return item;
  }));
  find("#cell-runs").showModal();
}

function startTable() {
  columns.forEach((cell, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = say("sort", cell.textContent.trim());
    button.append(...cell.childNodes);
    button.addEventListener("click", () => {
      const key = keys[place];
      change({ sort: view.sort === key ? `-${key}` : view.sort === `-${key}` ? "" : key });
    });
    cell.append(button);
  });
  for (const name of ["text", "technique", "min", "max"]) {
    filters.elements[name].addEventListener("input", (event) => change({ [name]: event.target.value }));
  }
  for (const box of all("[name=column]", filters)) {
    box.addEventListener("change", () => change({
      hide: all("[name=column]", filters).filter((one) => !one.checked).map((one) => one.value).join(","),
    }));
  }
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", (event) => {
    event.preventDefault();
    change({ ...DEFAULTS, colours: view.colours });
  });
  find("#save-csv").addEventListener("click", saveCsv);
  find("#save-json").addEventListener("click", saveJson);
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("tbody td");
    if (cell) showRuns(cell);
  });
  find("#cell-runs-close").addEventListener("click", () => find("#cell-runs").close());
  find("#cell-runs-list").addEventListener("click", () => find("#cell-runs").close());
}
