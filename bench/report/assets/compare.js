// The comparison of chosen rows with a base: every contrast was computed before, this only shows it.
const picks = find("#picks");
const contrasts = find("#contrasts tbody");
const COLOURS = 7;
// Without a choice all rows stand in the table, and the curves of so many.
const FIRST_CURVES = 4;

function chosenArms() {
  const chosen = listed(view.with);
  if (chosen.length) return chosen.filter((arm) => arm !== view.base);
  return data.names.map((_, place) => String(place)).filter((arm) => `${view.base} ${arm}` in data.pairs);
}

function cellOf(text, kind = "td") {
  const cell = document.createElement(kind);
  cell.className = "left";
  cell.textContent = text;
  return cell;
}

function badgesOf(base, arm) {
  const cell = cellOf("");
  cell.classList.add("wrap");
  for (const [name, said] of Object.entries(data.fieldNames)) {
    const [ours, theirs] = [data.fields[arm][name], data.fields[base][name]];
    if (name === "model" || ours === theirs) continue;
    const badge = document.createElement("span");
    const small = document.createElement("small");
    badge.className = "badge";
    small.textContent = `(${say("base", theirs)})`;
    badge.append(`${said}: ${ours} `, small);
    cell.append(badge);
  }
  if (!cell.childNodes.length) cell.textContent = say("same");
  return cell;
}

function contrastRow(arm) {
  const row = document.createElement("tr");
  const head = cellOf("", "th");
  const link = document.createElement("a");
  head.scope = "row";
  link.href = `#g${arm}`;
  link.textContent = data.names[arm];
  head.append(link);
  const texts = data.pairs[`${view.base} ${arm}`] ?? [say("noPair"), "", "", ""];
  row.append(head, ...texts.map((text) => cellOf(text)), badgesOf(view.base, arm));
  return row;
}

function showCurves(groups) {
  for (const figure of all("#overlays figure")) {
    const key = find(".key", figure);
    key.replaceChildren();
    for (const curve of all(".curve", figure)) {
      const place = groups.indexOf(curve.dataset.g);
      curve.setAttribute("class", place < 0 ? "curve" : `curve chosen c${place % COLOURS}`);
    }
    groups.forEach((group, place) => {
      if (find(`.curve[data-g="${group}"]`, figure)) key.append(keyItem(data.names[group], place % COLOURS));
    });
    figure.hidden = !key.childNodes.length;
  }
}

function keyItem(name, colour) {
  const space = "http://www.w3.org/2000/svg";
  const item = document.createElement("li");
  const picture = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  picture.setAttribute("viewBox", "0 0 24 12");
  picture.setAttribute("class", `c${colour}`);
  path.setAttribute("d", "M0 6h24");
  path.setAttribute("class", "mean-line");
  picture.append(path);
  item.append(picture, name);
  return item;
}

function showComparison() {
  const arms = chosenArms();
  contrasts.replaceChildren(...arms.map(contrastRow));
  find("#contrast-base").textContent = say("baseRow", data.names[view.base]);
  showCurves([view.base, ...(view.with ? arms : arms.slice(0, FIRST_CURVES))]);
}

function startComparison() {
  picks.elements.base.addEventListener("change", (event) => change({ base: event.target.value }));
  for (const box of all("[name=arm]", picks)) {
    box.addEventListener("change", () => change({
      with: all("[name=arm]:checked", picks).map((one) => one.value).join(","),
    }));
  }
  picks.addEventListener("submit", (event) => event.preventDefault());
  // A box in each row of the table chooses it as well.
  for (const row of all("tbody tr[data-group]", table)) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.name = "pick";
    box.value = row.dataset.group;
    box.setAttribute("aria-label", say("compare", data.names[row.dataset.group]));
    box.addEventListener("change", () => {
      const others = listed(view.with).filter((group) => group !== box.value);
      change({ with: (box.checked ? [...others, box.value] : others).sort((a, b) => a - b).join(",") });
    });
    find("th", row).prepend(box, " ");
  }
}
