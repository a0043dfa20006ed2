/* Two figures to play with: a plane to walk in, and a training to play. They need no server and no other script.
 *
 * ciutils/show/explorer.py writes their controls and data. A notebook holds the data in the page; the book keeps each
 * space and history in a file of its own, which a script element brings when it is chosen: that works from a disk too.
 * Names come from users: they enter the page as text, never as markup.
 */
"use strict";
(() => {
  if (window.takeFigureData) return; // a notebook holds this script once for each figure

  const HERE = document.currentScript?.src;
  const RUNS = ["#2f7fc9", "#c8701a", "#2a9168", "#b05cc6", "#7f7f7f"]; // readable on light and dark pages
  const DANCERS = ["currentcolor", "#0b8a8a"]; // as in the picture of the dance
  const POSITIONS = 41; // of a cut
  const PACE = 500, PLAYED = 30000; // milliseconds an epoch, and a whole training at most

  // --- elements, numbers, data

  const element = (space) => (name, attributes = {}, ...children) => {
    const made = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const html = element("http://www.w3.org/1999/xhtml");
  const svg = element("http://www.w3.org/2000/svg");

  const signed = (value, digits = 3) => (value
    ? (Math.abs(value) < 1e-3 ? value.toExponential(digits - 1) : value.toPrecision(digits)).replaceAll("-", "−") : "0");
  const share = (rate, digits = 1) => (Number.isFinite(rate) ? `${(100 * rate).toFixed(digits)}%` : "undefined");
  const loss = (value) => { // in four characters, which is what a cell on a phone has room for
    if (!Number.isFinite(value)) return "undefined";
    return value < 9999.5 ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : value.toExponential(0);
  };
  /** The beginning and the end of a long name: those of many classes begin alike. */
  const brief = (name, most = 12) => (name.length > most
    ? `${name.slice(0, Math.ceil((most - 1) / 2))}…${name.slice(-Math.floor((most - 1) / 2))}` : name);
  const among = ({ classes, of }) => (classes.length < of ? ` of ${classes.length} of ${of} classes` : "");
  const range = (count) => [...Array(count).keys()];
  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const path = (points) => points.map(([x, y], k) => (Number.isFinite(y)
    ? `${k && Number.isFinite(points[k - 1][1]) ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}` : "")).join("");
  const whole = (text) => text.split(",").map(Number); // "3,,1" is 3, 0, 1

  const waiting = {}, loaded = {};
  window.takeFigureData = (name, data) => waiting[name](data);
  function load(name) {
    const here = document.querySelector(`script[data-name="${name}"]`);
    return loaded[name] ??= here ? Promise.resolve(JSON.parse(here.textContent)) : new Promise((resolve, reject) => {
      waiting[name] = resolve;
      const script = html("script", { src: new URL(`data/${name}.js`, HERE) });
      script.onerror = () => { delete loaded[name]; reject(); };
      document.head.append(script);
    });
  }

  /** The CCTM of a text of counts: rows of rates, NaN where a class has no images, or nothing is known. */
  function cctm(counts, totals) {
    const images = whole(totals), size = images.length, all = counts === null ? [] : whole(counts);
    return images.map((total, row) => range(size).map((column) => all[row * size + column] / total));
  }

  // --- colours

  function mix(colours, level) {
    const place = Math.min(Math.max(level, 0), 1) * (colours.length - 1);
    const low = Math.min(Math.floor(place), colours.length - 2), part = place - low;
    return range(3).map((k) => Math.round(colours[low][k] * (1 - part) + colours[low + 1][k] * part));
  }
  const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;
  const ink = (colour) => { // black or white, whichever has more contrast (WCAG's relative luminance)
    const [red, green, blue] = colour.map((part) => (part / 255) ** 2.2);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "black" : "white";
  };

  /** A matrix of classes: `fill` writes rates, `draw` puts a drawing into each cell; `extra` is one more column. */
  class Matrix {
    constructor(classes, colours, extra) {
      this.colours = colours;
      const head = (name, scope) => html("th", { scope, title: name }, html("span", {}, brief(name)));
      this.rows = classes.map(() => classes.map(() => html("td")));
      const more = extra ? [head(extra, "col")] : [];
      more.forEach((each) => each.classList.add("extra"));
      this.extra = extra ? classes.map(() => html("td")) : [];
      this.caption = html("caption");
      this.table = html("table", { class: "rates", style: `--columns: ${classes.length + (extra ? 1 : 0)}` }, this.caption,
        html("thead", {}, html("tr", {}, html("td"), ...classes.map((name) => head(name, "col")), ...more)),
        html("tbody", {}, ...classes.map((name, row) => html("tr", {}, head(name, "row"),
          ...this.rows[row], ...(extra ? [this.extra[row]] : [])))));
    }

    fill(rates) {
      this.rows.forEach((cells, row) => cells.forEach((cell, column) => {
        const rate = rates[row][column];
        const colour = mix(this.colours, Math.sqrt(rate || 0)); // small rates are what there is to see
        const plain = row === column || !Number.isFinite(rate);
        cell.textContent = rate >= 0.0005 ? (100 * rate).toFixed(rate < 0.9995 ? 1 : 0) : "";
        cell.style.background = plain ? "#80808040" : css(colour);
        cell.style.color = plain ? "" : ink(colour);
      }));
    }

    draw(drawing) {
      this.rows.forEach((cells, row) => cells.forEach((cell, column) => cell.replaceChildren(drawing(row, column))));
    }
  }

  /** What both figures do: read the controls, load what they name, and draw. */
  class Figure extends HTMLElement {
    connectedCallback() {
      if (this.given) return;
      this.given = JSON.parse(this.dataset.figure);
      this.form = this.querySelector("form");
      this.said = this.querySelector("output");
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.form.addEventListener("input", (event) => this.changed(event.target));
      this.start();
      this.choose();
    }

    part(name) { return this.querySelector(`[data-part=${name}]`); }
    value(name) { return this.form.elements[name].value; }
    checked(name) { return this.form.elements[name].checked; }

    /** Load data and draw them with `draw`, unless something else is chosen meanwhile. */
    async bring(names, draw) {
      const wanted = this.wanted = names.join();
      try {
        const data = await Promise.all(names.map(load));
        if (this.wanted === wanted) draw(data);
      } catch (error) {
        if (error) throw error; // a script that did not come has none
        if (this.wanted === wanted) this.said.textContent = "The data of this choice could not be loaded.";
      }
    }
  }

  // --- a plane to walk in

  const MAP = { width: 370, height: 350, left: 222, top: 160, half: 142 }; // left, top: of the middle
  const CUT = { width: 360, height: 190, left: 40, right: 350, top: 10, bottom: 142 };

  class Plane extends Figure {
    start() {
      this.map = this.part("map");
      this.map.addEventListener("click", (event) => this.walkTo(event)); // a tap too; swipes scroll the page
      this.map.addEventListener("pointermove", (event) => {
        if (event.pointerType === "mouse" && event.buttons === 1) this.walkTo(event);
      });
      this.map.addEventListener("keydown", (event) => {
        if (event.key === "Home") { // where the network is
          event.preventDefault();
          ["theta1", "theta2"].forEach((axis) => { this.form.elements[axis].value = this.form.elements[axis].max / 2; });
          this.drawHere();
        }
        const [name, step] = { ArrowLeft: ["theta1", -1], ArrowRight: ["theta1", 1], ArrowDown: ["theta2", -1],
          ArrowUp: ["theta2", 1] }[event.key] ?? [];
        if (!name) return;
        event.preventDefault();
        this.form.elements[name].valueAsNumber += step;
        this.drawHere();
      });
    }

    choose() {
      const { elements } = this.form;
      const fits = (space, upTo) => ["network", "setup", "plane"].slice(0, upTo)
        .every((name) => elements[name].value === space[name]);
      ["network", "setup", "plane"].forEach((name, place) => {
        const there = new Set(this.given.spaces.filter((space) => fits(space, place)).map((space) => space[name]));
        for (const option of elements[name].options) option.disabled = !there.has(option.value);
        if (!there.has(elements[name].value)) elements[name].value = [...there][0];
      });
      const chosen = this.given.spaces.find((space) => fits(space, 3));
      elements.recalibrated.disabled = !chosen.recalibrated;
      elements.recalibrated.checked = Boolean(this.wished && chosen.recalibrated);
      this.bring([this.checked("recalibrated") ? chosen.recalibrated : chosen.frozen], ([data]) => this.take(data));
    }

    take(data) {
      const { elements } = this.form, first = !this.data || this.data.theta1.length !== data.theta1.length
        || this.data.theta2.length !== data.theta2.length;
      this.data = data;
      this.axes = ["theta1", "theta2"].map((axis) => data[axis]);
      this.ends = this.axes.map((values) => values.at(-1));
      ["theta1", "theta2"].forEach((axis, k) => {
        elements[axis].max = this.axes[k].length - 1;
        if (first) elements[axis].value = (this.axes[k].length - 1) / 2; // the network itself
        this.part(axis).textContent = `θ, ${data.names[k]}`;
      });
      const shown = elements.shown, kept = shown.value;
      shown.replaceChildren(html("option", { value: "" }, "mistakes of all classes"),
        ...data.classes.map((name, k) => html("option", { value: k }, `loss of ${name}`)));
      shown.value = [...shown.options].some((option) => option.value === kept) ? kept : "";
      this.matrix = new Matrix(data.classes, this.given.colours, "loss");
      this.part("there").replaceChildren(this.matrix.table);
      this.draw();
    }

    changed(control) {
      if (control.name === "recalibrated") this.wished = control.checked; // also where a plane on the way has none
      if (["network", "setup", "plane", "recalibrated"].includes(control.name)) this.choose();
      else if (["shown", "distance"].includes(control.name)) this.draw();
      else if (control.name === "angle") this.drawCut();
      else this.drawHere();
    }

    place(i, j) { return i * this.axes[1].length + j; }
    rate(i, j) { return (this.data.mistakes[this.place(i, j)] ?? NaN) / this.data.images; }

    /** What the map shows at a point of the grid: the mistake rate, or the loss of a class. */
    shown(i, j) {
      const label = this.value("shown");
      return label === "" ? this.rate(i, j) : this.data.losses[this.place(i, j)][label] ?? NaN;
    }

    /** Where a point is drawn. By weight distance: as the plane lies among the weights, equal lengths equally far. */
    project(theta1, theta2) {
      const { distance: [one, two], cosine } = this.data;
      const there = (a, b) => (this.checked("distance")
        ? [a * one + b * two * cosine, b * two * Math.sqrt(1 - cosine ** 2)] : [a / this.ends[0], b / this.ends[1]]);
      const corners = [[1, 1], [1, -1]].map(([a, b]) => there(a * this.ends[0], b * this.ends[1]));
      const scale = MAP.half / Math.max(...corners.flat().map(Math.abs)) / this.margin();
      const [x, y] = there(theta1, theta2);
      return [MAP.left + scale * x, MAP.top - scale * y];
    }

    /** How much wider than from first to last point the map is: half a cell at each side. */
    margin() { return 1 + 1 / (Math.min(...this.axes.map((values) => values.length)) - 1); }

    /** The point of the grid under a place of the map. */
    under(x, y) {
      const [zero, right, up] = [[0, 0], [this.ends[0], 0], [0, this.ends[1]]].map((point) => this.project(...point));
      const [a, b, c, d] = [right[0] - zero[0], up[0] - zero[0], right[1] - zero[1], up[1] - zero[1]];
      const [dx, dy] = [x - zero[0], y - zero[1]], area = a * d - b * c;
      return [(d * dx - b * dy) / area * this.ends[0], (a * dy - c * dx) / area * this.ends[1]].map((theta, axis) => {
        const away = this.axes[axis].map((value) => Math.abs(value - theta));
        return away.indexOf(Math.min(...away));
      });
    }

    walkTo(event) {
      const { x, y } = new DOMPoint(event.clientX, event.clientY)
        .matrixTransform(this.map.firstChild.getScreenCTM().inverse());
      const [i, j] = this.under(x, y);
      this.form.elements.theta1.value = i;
      this.form.elements.theta2.value = j;
      this.drawHere();
    }

    draw() {
      this.drawMap();
      this.drawCut();
      this.drawHere();
    }

    /** Value at the dark end of the colours, and the contour lines. */
    scale() {
      if (this.value("shown") === "") return { top: 0.9, levels: range(8).map((k) => (k + 1) / 10), told: share };
      const values = range(this.axes[0].length * this.axes[1].length)
        .map((k) => this.shown(Math.floor(k / this.axes[1].length), k % this.axes[1].length))
        .filter(Number.isFinite).sort((a, b) => a - b);
      const top = values[Math.floor(0.95 * (values.length - 1))] || 1;
      return { top, levels: range(8).map((k) => top * (k + 1) / 9), told: loss };
    }

    drawMap() {
      const [one, two] = this.axes, { top, levels, told } = this.scale();
      const halves = [one, two].map((values) => (values[1] - values[0]) / 2);
      const corner = (i, j) => ([a, b]) => this.project(one[i] + a * halves[0], two[j] + b * halves[1]).join();
      const cells = one.flatMap((_, i) => two.map((_, j) => {
        const value = this.shown(i, j);
        const points = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(corner(i, j)).join(" ");
        const fill = Number.isFinite(value) ? css(mix(this.given.colours, value / top)) : "none";
        return svg("polygon", { points, fill, stroke: fill, "stroke-width": 0.6 });
      }));
      const middle = this.shown((one.length - 1) / 2, (two.length - 1) / 2);
      const lines = levels.map((level) => svg("path", { class: "contour", d: this.contour(level) }));
      if (this.value("shown") === "") {
        lines.push(svg("path", { class: "rim", d: this.contour(middle + this.given.tolerance) }));
      }
      this.line = svg("path", { class: "line" });
      this.point = svg("g", { class: "point" }, svg("circle", { r: 7 }), svg("circle", { r: 2 }));
      const [x, y] = this.project(0, 0);
      const [right, above] = this.axes.map((values) => values.length - 1);
      const frame = svg("polygon", { class: "frame", points: [corner(0, 0)([-1, -1]), corner(right, 0)([1, -1]),
        corner(right, above)([1, 1]), corner(0, above)([-1, 1])].join(" ") });
      this.map.replaceChildren(svg("svg", { viewBox: `0 0 ${MAP.width} ${MAP.height}`, "aria-hidden": true },
        ...cells, frame, ...lines, this.line, svg("path", { class: "own", d: `M${x - 6} ${y}h12M${x} ${y - 6}v12` }),
        this.point, ...this.axisTexts(halves)));
      const bar = this.given.colours.map(css).join();
      this.part("scale").replaceChildren(html("span", {}, "0"),
        html("span", { class: "bar", style: `background: linear-gradient(to right, ${bar})` }),
        html("span", {}, `${told(top, 0)} and more`), html("span", { class: "lines" }, this.value("shown") === ""
          ? `thin lines: 10, 20, ... 80%; the white line: ${Number((100 * this.given.tolerance).toPrecision(3))} percentage points above the network's own rate`
          : `in nats; thin lines: ${levels.length} levels, equally far apart`));
    }

    axisTexts(halves) {
      const far = this.checked("distance"), unit = far ? "weight distance" : "θ";
      const ticks = [0, 1].flatMap((axis) => [-1, 0, 1].map((end) => {
        const along = end * this.ends[axis], edge = -this.ends[1 - axis] - halves[1 - axis];
        const [x, y] = axis ? this.project(edge, along) : this.project(along, edge);
        const value = along * (far ? this.data.distance[axis] : 1);
        return svg("text", axis ? { x: x - 5, y: y + 4, "text-anchor": "end" } : { x, y: y + 15,
          "text-anchor": ["start", "middle", "end"][end + 1] }, signed(value, Math.abs(value) < 1e-3 ? 2 : 3)); // as there is room for
      }));
      const title = (k) => `${brief(this.end(k, -1), 16)} ← ${unit} → ${brief(this.end(k, 1), 16)}`;
      return [...ticks, svg("text", { x: MAP.left, y: MAP.height - 8, "text-anchor": "middle" }, title(0)),
        svg("text", { transform: `translate(12 ${MAP.top}) rotate(-90)`, "text-anchor": "middle" }, title(1))];
    }

    /** What going along a direction does: "helps cat"; a random one has no class. */
    end(axis, way) {
      const name = this.data.names[axis];
      return this.data.classes.includes(name) ? `${way > 0 ? "helps" : "harms"} ${name}` : `${way > 0 ? "+" : "−"}${name}`;
    }

    /** The line where what is shown has the value `level`, from its crossings of the edges of each square. */
    contour(level) {
      const [one, two] = this.axes, parts = [];
      for (let i = 0; i + 1 < one.length; i += 1) {
        for (let j = 0; j + 1 < two.length; j += 1) {
          const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
          const values = corners.map(([a, b]) => this.shown(a, b) - level);
          if (!values.every(Number.isFinite)) continue;
          const crossings = range(4).filter((k) => (values[k] < 0) !== (values[(k + 1) % 4] < 0)).map((k) => {
            const [from, to] = [corners[k], corners[(k + 1) % 4]], part = values[k] / (values[k] - values[(k + 1) % 4]);
            return this.project(one[from[0]] + part * (one[to[0]] - one[from[0]]),
              two[from[1]] + part * (two[to[1]] - two[from[1]])).map((each) => each.toFixed(1)).join(" ");
          });
          for (let k = 0; k < crossings.length; k += 2) parts.push(`M${crossings[k]}L${crossings[k + 1]}`);
        }
      }
      return parts.join("");
    }

    /** What is shown between points of the grid, bilinear; NaN beside a point without a value. */
    between(theta1, theta2) {
      const [[i, a], [j, b]] = [theta1, theta2].map((theta, axis) => {
        const values = this.axes[axis], last = values.length - 2;
        const place = (theta - values[0]) / (values.at(-1) - values[0]) * (values.length - 1);
        const low = Math.min(Math.max(Math.floor(place), 0), last);
        return [low, place - low];
      });
      return (1 - a) * ((1 - b) * this.shown(i, j) + b * this.shown(i, j + 1))
        + a * ((1 - b) * this.shown(i + 1, j) + b * this.shown(i + 1, j + 1));
    }

    drawCut() {
      const angle = Number(this.value("angle")), radians = angle * Math.PI / 180, { top, told } = this.scale();
      const turn = [Math.cos(radians), Math.sin(radians)].map((part) => (angle > 90 ? -part : part)); // from the left
      const at = (position) => turn.map((part, axis) => position * this.ends[axis] * part);
      const positions = range(POSITIONS).map((k) => 2 * k / (POSITIONS - 1) - 1);
      const values = positions.map((position) => this.between(...at(position)));
      const highest = this.value("shown") === "" ? 1 : Math.max(top, ...values.filter(Number.isFinite));
      const x = (position) => CUT.left + (position + 1) / 2 * (CUT.right - CUT.left);
      const y = (value) => CUT.bottom - value / highest * (CUT.bottom - CUT.top);
      const grid = [0, 0.5, 1].map((level) => svg("g", {}, svg("path", { class: "grid",
        d: `M${CUT.left} ${y(level * highest)}H${CUT.right}` }), svg("text", { x: CUT.left - 5,
        y: y(level * highest) + 4, "text-anchor": "end" }, told(level * highest, 0))));
      const ends = [-1, 1].map((way) => [0, 1].filter((axis) => Math.abs(turn[axis]) > 1e-9)
        .map((axis) => this.end(axis, way * Math.sign(turn[axis]))));
      const labels = ends.flatMap((texts, side) => texts.map((text, k) => svg("text", { class: "end",
        x: side ? CUT.right : CUT.left, y: CUT.bottom + 18 + 15 * k, "text-anchor": side ? "end" : "start" },
      brief(text, 22))));
      const said = `${this.value("shown") === "" ? "Mistake rate" : "Loss"} along the cut at ${angle} degrees: ${
        told(values[0])} where it ${ends[0].join(", ")}; ${told(values[(POSITIONS - 1) / 2])} in the middle; ${
        told(values.at(-1))} where it ${ends[1].join(", ")}`;
      this.part("cut").replaceChildren(svg("svg", { viewBox: `0 0 ${CUT.width} ${CUT.height}`, role: "img",
        "aria-label": said }, ...grid, svg("path", { class: "grid", d: `M${x(0)} ${CUT.top}V${CUT.bottom}` }),
      svg("path", { class: "line", d: path(positions.map((each, k) => [x(each), y(values[k])])) }), ...labels));
      this.line.setAttribute("d", path([-1, 1].map((position) => this.project(...at(position)))));
      this.form.elements.angle.setAttribute("aria-valuetext", `${angle} degrees`);
      this.part("angle").textContent = `angle of the cut, ${angle}°`;
    }

    drawHere() {
      const [i, j] = ["theta1", "theta2"].map((axis) => this.form.elements[axis].valueAsNumber), { data } = this;
      const thetas = [this.axes[0][i], this.axes[1][j]];
      this.point.setAttribute("transform", `translate(${this.project(...thetas).join()})`);
      ["theta1", "theta2"].forEach((axis, k) => this.form.elements[axis]
        .setAttribute("aria-valuetext", signed(thetas[k])));
      const rates = cctm(data.counts[this.place(i, j)], data.totals), losses = data.losses[this.place(i, j)];
      this.matrix.fill(rates);
      this.matrix.extra.forEach((cell, row) => { cell.textContent = losses[row] === null ? "–" : loss(losses[row]); });
      this.matrix.caption.textContent = `The CCTM${among(data)} at the point, in percent of each row, and each class's mean loss`;
      const [one, two] = thetas.map((theta, axis) => theta * data.distance[axis]);
      const distance = Math.sqrt(Math.max(0, one ** 2 + two ** 2 + 2 * one * two * data.cosine));
      const mistakes = rates.flatMap((row, a) => row.map((rate, b) => ({ rate: a === b ? 0 : rate || 0, a, b })));
      const most = Math.max(...mistakes.map(({ rate }) => rate)), worst = mistakes.filter(({ rate }) => rate === most);
      const missed = new Set(worst.map(({ a }) => data.classes[a])), called = new Set(worst.map(({ b }) => data.classes[b]));
      const drawn = this.value("shown");
      this.said.replaceChildren(html("b", {}, share(this.rate(i, j))), ` of ${
        data.images.toLocaleString("en")} training images are misclassified at θ(${data.names[0]}) = ${signed(thetas[0])}, θ(${
        data.names[1]}) = ${signed(thetas[1])}; weight distance ${signed(distance)}.`, most
        ? ` Most: ${missed.size > 1 ? `${missed.size} classes` : [...missed]} called ${[...called].join(" or ")}, ${share(most)}.` : "",
        drawn && losses[drawn] !== null ? ` The mean loss of ${data.classes[drawn]}: ${loss(losses[drawn])} nats.` : "");
    }
  }

  // --- a training to play

  const CHART = { width: 360, left: 68, right: 352 };
  const STRIP = 20; // points of the curve in a cell, at most

  class Dance extends Figure {
    start() {
      const { elements } = this.form;
      elements.play.addEventListener("click", () => this.play(!this.timer));
      elements.back.addEventListener("click", () => this.step(-1));
      elements.forward.addEventListener("click", () => this.step(1));
      this.part("matrix").addEventListener("keydown", (event) => {
        const [name, way] = { ArrowUp: ["a", -1], ArrowDown: ["a", 1], ArrowLeft: ["b", -1], ArrowRight: ["b", 1] }[
          event.key] ?? [];
        if (!name) return;
        event.preventDefault();
        const other = Number(this.value(name === "a" ? "b" : "a")), next = Number(this.value(name)) + way;
        const label = next === other ? next + way : next; // not the diagonal
        if (label in this.data.classes) this.choosePair({ [name]: label });
      });
    }

    /** Have these classes danced, as { a: 3, b: 5 } or one of them. */
    choosePair(labels) {
      for (const [name, label] of Object.entries(labels)) this.form.elements[name].value = label;
      this.draw();
      this.querySelector("td.chosen").scrollIntoView({ block: "nearest", inline: "nearest" });
    }

    disconnectedCallback() { this.play(false); }

    choose() {
      const files = this.given.runs.map((run) => run.file);
      const own = this.form.elements.run.selectedIndex;
      const drawn = this.checked("curves") ? files : [files[own]];
      this.bring(drawn, (data) => this.take(data, data.length > 1 ? own : 0));
    }

    take(all, own) {
      const { elements } = this.form;
      this.all = all;
      this.data = all[own];
      for (const option of elements.counts.options) option.disabled = !(option.value in this.data.counts);
      if (!(this.value("counts") in this.data.counts)) [elements.counts.value] = Object.keys(this.data.counts);
      elements.epoch.max = this.data.epochs.length - 1;
      this.matrix = new Matrix(this.data.classes, this.given.colours);
      this.part("matrix").replaceChildren(this.matrix.table);
      this.matrix.rows.forEach((cells, row) => cells.forEach((cell, column) => cell.addEventListener("click", () => {
        if (row !== column) this.choosePair({ a: row, b: column });
      })));
      this.draw();
    }

    changed(control) {
      if (["run", "curves"].includes(control.name)) this.choose();
      else if (control.name === "epoch") this.drawHere();
      else this.draw();
    }

    step(way) {
      const epoch = this.form.elements.epoch, before = epoch.valueAsNumber;
      epoch.valueAsNumber = before + way;
      this.drawHere();
      return epoch.valueAsNumber !== before;
    }

    play(on) {
      const { play, epoch } = this.form.elements;
      clearInterval(this.timer);
      if (on && epoch.value === epoch.max) epoch.value = -1;
      this.timer = on ? setInterval(() => this.step(1) || this.play(false),
        Math.min(PACE, PLAYED / this.data.epochs.length)) : 0;
      play.textContent = on ? "pause" : "play";
    }

    /** The CCTM of each epoch of a history, counted as chosen; none where it is not counted so. */
    cctms(data) {
      const counts = data.counts[this.value("counts")] ?? [];
      return counts.map((each, epoch) => cctm(each, data.totals[this.value("counts")][epoch]));
    }

    /** The class that takes most images of class `row`, if that is more than the threshold: the note. */
    note(rates, row) {
      const others = rates[row].map((rate, column) => (column === row || !Number.isFinite(rate) ? -1 : rate));
      const most = Math.max(...others);
      return most > this.given.threshold ? others.indexOf(most) : -1;
    }

    x(epoch) {
      return CHART.left + (CHART.right - CHART.left) * epoch / Math.max(this.data.epochs.length - 1, 1);
    }

    draw() {
      this.own = this.cctms(this.data);
      this.pair = ["a", "b"].map((name) => Number(this.value(name)));
      ["a", "b"].forEach((name, k) => { // two classes dance
        for (const option of this.form.elements[name].options) option.disabled = Number(option.value) === this.pair[1 - k];
      });
      this.cursors = [];
      this.matrix.rows.forEach((cells, row) => cells.forEach((cell, column) => cell
        .classList.toggle("chosen", row === this.pair[0] && column === this.pair[1])));
      const { classes } = this.data, [a, b] = this.pair, colour = (run) => RUNS[run % RUNS.length];
      const all = this.all.map((data) => this.cctms(data)), runs = all.length > 1 ? range(all.length)
        : [this.form.elements.run.selectedIndex];
      this.part("recalls").replaceChildren(...this.chart("Recalls by epoch", 1, this.pair.map((row, k) =>
        [`recall of ${classes[row]}`, DANCERS[k], this.own.map((rates) => rates[row][row])])));
      this.part("notes").replaceChildren(...this.pair.map((row, k) => this.staff(row, DANCERS[k])));
      const cell = all.map((cctms, k) => [this.given.runs[runs[k]].name, colour(runs[k]),
        cctms.map((rates) => rates[a][b])]);
      const most = Math.max(...cell.flatMap(([, , rates]) => rates).filter(Number.isFinite), 0);
      this.part("cell").replaceChildren(html("div", { class: "title" }, `${classes[a]} called ${classes[b]}`),
        ...this.chart(`${classes[a]} called ${classes[b]}, by epoch`, most || 1, cell));
      if (this.checked("curves")) this.drawStrips(all, colour);
      this.drawHere();
    }

    /** A line that stands where `x` says the epoch is. */
    cursor(top, bottom, x = (epoch) => this.x(epoch)) {
      const line = svg("path", { class: "cursor", d: `M0 ${top}V${bottom}` });
      this.cursors.push([line, x]);
      return line;
    }

    /** Curves over the epochs, from 0 to `top`: each a name, a colour and a rate for each epoch. */
    chart(label, top, curves) {
      const above = 10, below = 150, y = (rate) => below - rate / top * (below - above), { epochs } = this.data;
      const grid = [0, 0.5, 1].map((level) => svg("g", {}, svg("path", { class: "grid",
        d: `M${CHART.left} ${y(level * top)}H${CHART.right}` }), svg("text", { x: CHART.left - 5,
        y: y(level * top) + 4, "text-anchor": "end" }, share(level * top, 0))));
      const lines = curves.map(([, colour, rates]) => svg("path", { class: "line", style: `stroke: ${colour}`,
        d: path(rates.map((rate, epoch) => [this.x(epoch), y(rate)])) }));
      const ends = [0, epochs.length - 1].map((epoch) => svg("text", { x: this.x(epoch), y: below + 16,
        "text-anchor": epoch ? "end" : "start" }, `epoch ${epochs[epoch]}`));
      return [svg("svg", { viewBox: `0 0 ${CHART.width} ${below + 22}`, role: "img", "aria-label": label },
        ...grid, ...lines, ...ends, this.cursor(above, below)), html("div", { class: "legend" },
        ...curves.map(([name, colour]) => html("span", {}, html("i", { style: `background: ${colour}` }), name)))];
    }

    staff(row, colour) {
      const { classes, epochs } = this.data, line = 12, top = 20, bottom = top + line * classes.length;
      const y = (label) => bottom - line * (label + 0.5); // upwards, as in the picture of the notes
      const names = classes.map((name, label) => svg("g", {}, svg("path", { class: "grid",
        d: `M${CHART.left} ${y(label)}H${CHART.right}` }), svg("text", { class: "small", x: CHART.left - 5,
        y: y(label) + 4, "text-anchor": "end" }, brief(name))));
      const notes = this.own.flatMap((rates, epoch) => {
        const note = this.note(rates, row);
        return note < 0 ? [] : [svg("circle", { cx: this.x(epoch), cy: y(note), r: epochs.length > 60 ? 2 : 3.5,
          style: `fill: ${colour}` })];
      });
      return svg("svg", { viewBox: `0 0 ${CHART.width} ${bottom + 4}`, role: "img", "aria-label":
        `Notes of ${classes[row]}: in each epoch the class that takes most of its images` },
      svg("text", { x: CHART.left, y: 13, style: `fill: ${colour}` }, `notes of ${brief(classes[row])}`),
      ...names, ...notes, this.cursor(top, bottom));
    }

    /** Each cell of the CCTM as a small curve for each training, the chosen one on top: means over as many epochs as a
     * cell has no room to tell apart, and square roots, since the largest cell is many times most others. */
    drawStrips(all, colour) {
      const chosen = this.form.elements.run.selectedIndex, last = this.own.length - 1;
      const order = [...range(all.length).filter((run) => run !== chosen), chosen];
      this.together = Math.ceil(this.own.length / STRIP);
      const means = all.map((cctms) => range(Math.ceil(cctms.length / this.together))
        .map((part) => cctms.slice(part * this.together, (part + 1) * this.together))
        .map((part) => part[0].map((row, a) => row.map((_, b) => mean(part.map((rates) => rates[a][b]))))));
      const besides = means.flat().flatMap((rates) => rates.flatMap((row, a) => row.filter((rate, b) => a !== b && rate > 0)));
      this.top = Math.max(...besides, 0) || 1;
      const x = (epoch) => 100 * epoch / Math.max(last, 1);
      const middle = (part) => x(Math.min((part + 0.5) * this.together - 0.5, last));
      this.matrix.draw((row, column) => {
        const y = (rate) => 98 - 94 * Math.sqrt(rate / (row === column ? 1 : this.top));
        const strips = order.map((run) => svg("path", { class: run === chosen ? "strip own" : "strip",
          style: `stroke: ${colour(run)}`, d: path(means[run].map((rates, part) => [middle(part), y(rates[row][column])])) }));
        return svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": true }, ...strips,
          this.cursor(0, 100, x));
      });
    }

    drawHere() {
      const epoch = this.form.elements.epoch.valueAsNumber, rates = this.own[epoch];
      const { epochs, classes } = this.data, number = epochs[epoch];
      this.form.elements.epoch.setAttribute("aria-valuetext", `epoch ${number}`);
      this.part("epoch").textContent = `epoch ${number}`;
      for (const [line, x] of this.cursors) line.setAttribute("transform", `translate(${x(epoch)})`);
      const curves = this.checked("curves");
      if (!curves) this.matrix.fill(rates);
      this.matrix.caption.textContent = curves
        ? `Each cell of the CCTM over the epochs, from left to right${this.together > 1 ? `, means of ${this.together}` : ""}; `
          + `a cell's top is ${share(this.top)}, on the diagonal 100%, and heights are square roots, so that small rates are seen`
        : `The CCTM${among(this.data)} in epoch ${number}, in percent of each row`;
      const told = this.pair.map((row) => {
        const note = this.note(rates, row);
        return `recall of ${classes[row]} ${share(rates[row][row])}, its note ${note < 0 ? "none" : `${classes[note]} (${
          share(rates[row][note])})`}`;
      });
      this.said.replaceChildren(html("b", {}, `Epoch ${number}`), `: ${told.join("; ")}.`);
    }
  }

  function define() {
    customElements.define("interference-plane", Plane);
    customElements.define("interference-dance", Dance);
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", define); // else without content
  else define();
})();
