// Claims, controls that follow the view, links into what is folded away; then everything is started.
const claims = all("#claim-table tbody tr");
const claimFilters = find("#claim-filters");

function showClaims() {
  const words = view.claim.toLowerCase().split(/\s+/);
  for (const row of claims) {
    const text = row.textContent.toLowerCase();
    row.hidden = !((!view.verdict || row.dataset.verdict === view.verdict) && words.every((word) => text.includes(word)));
  }
  find("#shown-claims").textContent = say("claims", claims.filter((row) => !row.hidden).length, claims.length);
}

function setValue(control, value) {
  if (control.value !== value) control.value = value;
}

function showControls() {
  for (const name of ["text", "technique", "min", "max"]) setValue(filters.elements[name], view[name]);
  for (const name of ["verdict", "claim"]) setValue(claimFilters.elements[name], view[name]);
  setValue(picks.elements.base, view.base);
  setValue(find("#colours"), view.colours);
  const [hidden, chosen] = [listed(view.hide), listed(view.with)];
  for (const box of all("[name=column]", filters)) box.checked = !hidden.includes(box.value);
  for (const box of all("[name=arm], [name=pick]")) box.checked = chosen.includes(box.value);
  for (const name of ["cost", "scale"]) {
    for (const radio of all(`#figures [name=${name}]`)) radio.checked = radio.value === view[name];
  }
  document.documentElement.style.colorScheme = view.colours || "";
}

// A view that names what the page does not have (another page's address) falls back to the page's own.
function repairView() {
  if (!(view.base in data.names)) view.base = DEFAULTS.base;
  view.with = listed(view.with).filter((group) => group in data.names).join(",");
  for (const name of ["cost", "scale"]) {
    if (!all(`#figures [name=${name}]`).some((radio) => radio.value === view[name])) view[name] = DEFAULTS[name];
  }
}

function show() {
  repairView();
  showControls();
  showTable();
  showComparison();
  showClaims();
}

function change(parts) {
  Object.assign(view, parts);
  writeView();
  show();
}

function openTarget() {
  const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  if (!target) return;
  for (let element = target; element; element = element.parentElement) {
    if (element.tagName === "DETAILS") element.open = true;
  }
  target.scrollIntoView();
  if (target.tagName === "SUMMARY") target.focus({ preventScroll: true });
}

function start() {
  document.documentElement.classList.add("js");
  startTable();
  startComparison();
  startFigures();
  claimFilters.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["verdict", "claim"]) {
    claimFilters.elements[name].addEventListener("input", (event) => change({ [name]: event.target.value }));
  }
  find("#colours").addEventListener("change", (event) => change({ colours: event.target.value }));
  addEventListener("hashchange", () => { if (readView()) show(); else openTarget(); });
  readView();
  show();
  openTarget();
}

start();
