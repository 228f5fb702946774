// What the page shows is one object, which the address keeps behind its "#": sort, filters, columns, comparison, figure.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

const DEFAULTS = {
  sort: "",
  text: "",
  technique: "",
  min: "",
  max: "",
  hide: all("#models thead [data-hidden]").map((cell) => cell.dataset.key).join(","),
  base: find("#picks [name=base]").value,
  with: "",
  cost: find("#figures [name=cost]:checked").value,
  scale: "log",
  verdict: "",
  claim: "",
  colours: "",
};
const view = { ...DEFAULTS };

function say(key, ...values) {
  return values.reduce((text, value) => text.replace("{}", value), data.words[key]);
}

function listed(text) {
  return text ? text.split(",") : [];
}

// Returns whether the address holds a view; a link to a part of the page is none.
function readView() {
  const words = location.hash.slice(1);
  if (!words.includes("=")) return false;
  const parts = new URLSearchParams(words);
  for (const key of Object.keys(DEFAULTS)) view[key] = parts.get(key) ?? DEFAULTS[key];
  return true;
}

function writeView() {
  const parts = new URLSearchParams();
  for (const [key, value] of Object.entries(view)) if (value !== DEFAULTS[key]) parts.set(key, value);
  const words = parts.toString();
  history.replaceState(null, "", words ? `#${words}` : location.pathname + location.search);
}

function save(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
