// Figures as files: the SVG element with the colours that it has in light, and the same drawn at twice the size.
const PROPERTIES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-family"];

function standalone(picture) {
  const root = document.documentElement;
  const before = root.style.colorScheme;
  root.style.colorScheme = "light";
  const copy = picture.cloneNode(true);
  const originals = [picture, ...all("*", picture)];
  const copies = [copy, ...all("*", copy)];
  const unseen = [];
  originals.forEach((element, place) => {
    const style = getComputedStyle(element);
    if (style.display === "none") unseen.push(copies[place]);
    for (const name of PROPERTIES) copies[place].setAttribute(name, style.getPropertyValue(name));
    for (const name of ["class", "href", "tabindex"]) copies[place].removeAttribute(name);
  });
  root.style.colorScheme = before;
  unseen.forEach((element) => element.remove());
  const box = picture.viewBox.baseVal;
  copy.setAttribute("width", box.width);
  copy.setAttribute("height", box.height);
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of [["width", box.width], ["height", box.height], ["fill", "#ffffff"]]) {
    ground.setAttribute(name, value);
  }
  copy.prepend(ground);
  return { text: new XMLSerializer().serializeToString(copy), width: box.width, height: box.height };
}

function fileName(figure) {
  const words = `${find("figcaption", figure).textContent} ${view.cost} ${view.scale}`;
  const scatter = find(".view", figure);
  const text = scatter ? words : find("figcaption", figure).textContent;
  return text.replace(/[^\p{L}\p{N}.+=-]+/gu, "_").replace(/^_+|_+$/g, "").slice(0, 100);
}

// Of a figure with several views the one that is seen.
function seenPicture(figure) {
  return all(":scope > svg, .view > svg", figure).find((picture) => picture.getClientRects().length);
}

function saveSvg(figure) {
  save(`${fileName(figure)}.svg`, "image/svg+xml", standalone(seenPicture(figure)).text);
}

function savePng(figure) {
  const { text, width, height } = standalone(seenPicture(figure));
  const image = new Image();
  image.addEventListener("load", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2 * width, 2 * height];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(`${fileName(figure)}.png`, "image/png", blob));
  });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}

function startFigures() {
  for (const figure of all("figure.chart")) {
    const buttons = document.createElement("p");
    buttons.className = "save";
    for (const [words, act] of [[say("svg"), saveSvg], [say("png"), savePng]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.addEventListener("click", () => act(figure));
      buttons.append(button, " ");
    }
    figure.append(buttons);
  }
  for (const name of ["cost", "scale"]) {
    for (const radio of all(`#figures [name=${name}]`)) {
      radio.addEventListener("change", () => change({ [name]: radio.value }));
    }
  }
}
