"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const PAGE = 40; // cards that one press of "more" adds
  const AROUND = 60; // characters shown on both sides of an error in a long sentence
  const HUES = [212, 24, 150, 328, 268, 48, 188, 0, 96, 300, 236, 72];
  const hue = (label) => HUES[label % HUES.length];

  // Text only ever goes in as text: nothing of the data is read as HTML.
  const make = (name, properties, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key === "style") for (const [name, one] of Object.entries(value)) node.style.setProperty(name, one);
      else if (key in node) node[key] = value;
      else node.setAttribute(key, value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  };

  const textOf = (sentence, start, end) => sentence.text.slice(start, end).join("");
  const entitiesOf = (error, side) => error[side].map((index) => data.sentences[error.sentence][side][index]);
  for (const sentence of data.sentences) sentence.search = sentence.text.join("").toLowerCase();
  for (const error of data.errors)
    error.labels = new Set([...entitiesOf(error, "gold"), ...entitiesOf(error, "predicted")].map((entity) => entity[2]));

  // --- a sentence, gold marked above and predictions below --------------------------------------------------------

  const ownerOf = (entities, length) => {
    const owner = new Array(length).fill(-1);
    entities.forEach(([start, end], index) => owner.fill(index, start, end));
    return owner;
  };

  // Narrow entities get room for the label above or below them, so that labels do not run into each other.
  const roomFor = (entity) => Math.max(0, data.labels[entity[2]].length * 7.4 + 6 - (entity[1] - entity[0]) * 19);

  const run = (sentence, error, from, to, gold, predicted) => {
    const node = make("span", { className: "run" });
    const marks = [];
    let room = 0;
    for (const [side, index] of [["gold", gold], ["predicted", predicted]]) {
      if (index < 0) continue;
      const entity = sentence[side][index];
      node.classList.add(side);
      node.style.setProperty(`--${side}`, hue(entity[2]));
      if (error[side].includes(index)) node.classList.add(`${side}-wrong`);
      if (entity[0] === from) marks.push(make("span", { className: `mark ${side}`, ariaHidden: "true" }, data.labels[entity[2]]));
      if (entity[1] === to) room = Math.max(room, roomFor(entity));
    }
    if (room) node.style.setProperty("margin-inline-end", `${room}px`);
    node.append(make("span", { className: "first" }, sentence.text[from], ...marks), sentence.text.slice(from + 1, to).join(""));
    return node;
  };

  const sentenceOf = (error, whole) => {
    const sentence = data.sentences[error.sentence];
    const length = sentence.text.length;
    const cut = !whole && length > 4 * AROUND;
    const first = cut ? Math.max(0, error.start - AROUND) : 0;
    const last = cut ? Math.min(length, error.end + AROUND) : length;
    const gold = ownerOf(sentence.gold, length);
    const predicted = ownerOf(sentence.predicted, length);
    const node = make("p", { className: "sentence", lang: "zh" });
    const dots = () => make("button", { type: "button", className: "dots", title: "Show the whole sentence", onclick: () => node.replaceWith(sentenceOf(error, true)) }, "…");
    if (first > 0) node.append(dots());
    for (let from = first, to; from < last; from = to) {
      to = from + 1;
      while (to < last && gold[to] === gold[from] && predicted[to] === predicted[from]) to++;
      node.append(run(sentence, error, from, to, gold[from], predicted[from]));
    }
    if (last < length) node.append(dots());
    return node;
  };

  // --- the features of an error's characters -------------------------------------------------------------------------------------

  const NAMES = { best: "best boundary", set: "set", local: "local boundary" };
  const heading = (name) => make("th", { scope: "col" }, NAMES[name], data.reads[name] ? "" : make("small", {}, " not read by this network"));

  const featuresOf = (error) => {
    const sentence = data.sentences[error.sentence];
    const head = make("tr", {}, make("th", { scope: "col" }, ""), make("th", { scope: "col" }, "segment"), heading("best"), make("th", { scope: "col" }, "cosine"), heading("set"), heading("local"));
    const rows = error.rows.map(([position, segment, best, cosine, set, local], index) => {
      const begins = !index || error.rows[index - 1][1] !== segment;
      const inside = position >= error.start && position < error.end;
      return make("tr", { className: `${inside ? "inside" : ""} ${begins ? "begins" : ""}` },
        make("th", { scope: "row", lang: "zh" }, sentence.text[position]),
        make("td", { lang: "zh" }, segment),
        make("td", { lang: "zh", className: best === segment ? "same" : "" }, best || "–"),
        make("td", { className: "number" }, cosine === null ? "–" : cosine.toFixed(3)),
        make("td", { lang: "zh", className: "words" }, set.join(" ") || "–"),
        make("td", { lang: "zh" }, local || "–"));
    });
    return make("div", { className: "wide", tabIndex: 0 }, make("table", { className: "character-features" }, make("thead", {}, head), make("tbody", {}, ...rows)));
  };

  // --- a card -----------------------------------------------------------------------------------------------------

  const named = (sentence, [start, end, label]) =>
    make("span", { className: "entity", style: { "--hue": hue(label) } }, make("b", {}, data.labels[label]), " ", make("span", { lang: "zh" }, textOf(sentence, start, end)));

  const cardOf = (error) => {
    const sentence = data.sentences[error.sentence];
    const list = (side, word) => {
      const entities = entitiesOf(error, side);
      return entities.length ? make("span", { className: "side" }, make("i", {}, word), ...entities.map((entity) => named(sentence, entity))) : null;
    };
    const details = make("details", {}, make("summary", {}, "Features here"));
    details.addEventListener("toggle", () => { if (details.open && details.children.length === 1) details.append(featuresOf(error)); });
    return make("article", { className: "card" },
      make("header", {}, make("span", { className: `badge ${error.kind}` }, data.kinds[error.kind]), list("gold", "gold"), list("predicted", "predicted"), make("small", { className: "number" }, `#${sentence.id}`)),
      sentenceOf(error, false),
      details);
  };

  // --- the filter: its state lives in the address, so a filtered list can be bookmarked ---------------------------

  const boxes = Object.entries(data.kinds).map(([kind, name]) => {
    const box = make("input", { type: "checkbox", value: kind });
    const count = make("span", { className: "n" });
    at("kinds").append(make("label", { className: `chip ${kind}` }, box, ` ${name} `, count));
    return { box, count, kind };
  });
  const present = [...new Set(data.errors.flatMap((error) => [...error.labels]))].sort((a, b) => a - b);
  const options = present.map((label) => ({ label, node: make("option", { value: data.labels[label] }) }));
  at("type").append(...options.map((option) => option.node));
  at("legend").append(
    make("span", { className: "how" }, make("span", { className: "run gold", style: { "--gold": 212 } }, "gold above"), make("span", { className: "run predicted", style: { "--predicted": 212 } }, "predicted below"), make("span", {}, "pale: correct")),
    ...present.map((label) => make("span", { className: "entity", style: { "--hue": hue(label) } }, make("b", {}, data.labels[label]))));

  let shown = [];
  const tests = () => {
    const kinds = new Set(boxes.filter(({ box }) => box.checked).map(({ kind }) => kind));
    const type = at("type").value;
    const query = at("query").value.trim().toLowerCase();
    const number = /^#\d+$/.test(query) ? Number(query.slice(1)) : null;
    return {
      kind: (error) => !kinds.size || kinds.has(error.kind),
      type: (error) => !type || [...error.labels].some((label) => data.labels[label] === type),
      query: (error) => {
        const sentence = data.sentences[error.sentence];
        return !query || (number === null ? sentence.search.includes(query) : sentence.id === number);
      },
    };
  };

  const addCards = () => {
    const done = at("cards").getElementsByClassName("card").length;
    const added = shown.slice(done, done + PAGE);
    at("cards").append(...added.map(cardOf));
    const left = shown.length - done - added.length;
    at("more").hidden = left <= 0;
    at("more").dataset.left = left;
    at("more").textContent = `Show ${Math.min(left, PAGE)} more of ${left}`;
    document.body.dataset.cards = done + added.length;
  };

  const update = () => {
    const test = tests();
    const count = (...checks) => data.errors.filter((error) => checks.every((check) => check(error))).length;
    for (const { kind, count: node } of boxes)
      node.textContent = count(test.type, test.query, (error) => error.kind === kind);
    for (const { label, node } of options)
      node.textContent = `${data.labels[label]} (${count(test.kind, test.query, (error) => error.labels.has(label))})`;
    shown = data.errors.filter((error) => test.kind(error) && test.type(error) && test.query(error));
    at("cards").replaceChildren();
    at("count").textContent = shown.length === data.errors.length ? `${shown.length} errors` : `${shown.length} of ${data.errors.length} errors`;
    if (!shown.length) at("cards").append(make("p", { className: "why-omitted" }, data.errors.length ? "No error matches the filter." : "There are no errors."));
    document.body.dataset.errors = shown.length;
    addCards();
  };

  const remember = () => {
    const state = new URLSearchParams();
    for (const { box, kind } of boxes) if (box.checked) state.append("kind", kind);
    if (at("type").value) state.set("type", at("type").value);
    if (at("query").value) state.set("text", at("query").value);
    const hash = state.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };

  const restore = () => {
    if (!location.hash.includes("=")) return;
    const state = new URLSearchParams(location.hash.slice(1));
    for (const { box, kind } of boxes) box.checked = state.getAll("kind").includes(kind);
    at("type").value = state.get("type") || "";
    at("query").value = state.get("text") || "";
    at("errors").scrollIntoView({ behavior: "instant" });
  };

  const form = at("filter");
  form.addEventListener("input", () => { update(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { update(); remember(); }));
  at("more").addEventListener("click", addCards);
  addEventListener("hashchange", () => { if (location.hash.includes("=")) { restore(); update(); } });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      at("query").focus();
    }
  });
  restore();
  update();
})();
