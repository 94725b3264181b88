// The diagram of a sweep: a quantity over two axes, or a curve over one; the reader chooses which.
"use strict";
{
  const { axes, quantities, confidence, looks } = JSON.parse(document.getElementById("sweep").textContent);
  const section = document.getElementById("diagram"), choices = section.querySelector(".choices"), box = section.querySelector(".plot");
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  for (const q of quantities) for (const key of ["mean", "half", "number"]) q[key] = floats(q[key]);
  const at = axes.map(() => 0);
  let chosen = quantities[0], across = null, up = null, asCurve = false;

  // Axes with more than one value; time, if there is one, runs to the right, and the first of the others upwards.
  function begin() {
    const long = chosen.axes.filter((a) => axes[a].labels.length > 1);
    if (!long.includes(across)) across = long.find((a) => axes[a].name === "time") ?? long[0] ?? chosen.axes[0];
    if (asCurve) up = null;
    else if (!long.includes(up) || up === across) up = long.find((a) => a !== across) ?? null;
  }

  function select(name, options, value, then) {
    const label = document.createElement("label"), list = document.createElement("select");
    for (const [key, text] of options) list.add(new Option(text, key, false, key === String(value)));
    list.onchange = () => { then(list.value); show(); };
    label.append(`${name} `, list);
    choices.append(label);
  }

  function menus() {
    const focus = [...choices.querySelectorAll("select")].indexOf(document.activeElement);
    choices.replaceChildren();
    select("quantity", quantities.map((q, k) => [String(k), q.name]), quantities.indexOf(chosen), (k) => { chosen = quantities[k]; });
    const long = chosen.axes.filter((a) => axes[a].labels.length > 1), names = long.map((a) => [String(a), axes[a].name]);
    if (long.length > 1) {
      select("to the right", names, across, (a) => { if (Number(a) === up) up = across; across = Number(a); });
      select("upwards", [...names.filter(([a]) => Number(a) !== across), ["", "the quantity itself"]], up ?? "", (a) => { asCurve = a === ""; up = asCurve ? null : Number(a); });
    }
    for (const a of long) if (a !== across && a !== up) select(`${axes[a].name} =`, axes[a].labels.map((text, k) => [String(k), String(text)]), at[a], (k) => { at[a] = Number(k); });
    if (focus >= 0) choices.querySelectorAll("select")[focus]?.focus();
  }

  const value = (array, place) => array[chosen.axes.reduce((sum, a) => sum * axes[a].labels.length + place[a], 0)];
  const short = (x) => (Number.isFinite(x) ? String(Number(x.toPrecision(4))) : "no value");
  function said(place) {
    const where = chosen.axes.filter((a) => axes[a].labels.length > 1).map((a) => `${axes[a].name} = ${axes[a].labels[place[a]]}`);
    const mean = value(chosen.mean, place), half = value(chosen.half, place), count = value(chosen.number, place);
    const interval = Number.isFinite(half) ? `<br>${100 * confidence} % interval [${short(mean - half)}, ${short(mean + half)}]` : "";
    return `${where.join("<br>")}<br><b>${short(mean)}</b>${interval}<br>${count === 1 ? "one value" : `${count} values`}`;
  }

  const axisOf = (a, colors) => {
    const values = axes[a].labels, numbers = values.every((v) => typeof v === "number");
    const wide = numbers && values.length > 2 && values[0] > 0 && values[values.length - 1] > 50 * values[0];
    return { title: { text: axes[a].name }, type: !numbers ? "category" : wide ? "log" : "linear", gridcolor: colors.grid, linecolor: colors.grid, zeroline: false, color: colors.faint_ink };
  };

  function show() {
    begin();
    menus();
    const c = looks[isDark() ? "dark" : "light"], go = (a, k, b, l) => { const place = [...at]; place[a] = k; if (b !== null) place[b] = l; return place; };
    const x = axes[across].labels, finite = (v) => (Number.isFinite(v) ? v : null);
    const layout = {
      paper_bgcolor: c.paper, plot_bgcolor: c.paper, font: { family: "system-ui, sans-serif", size: 13, color: c.ink }, margin: { l: 70, r: 20, t: 20, b: 60 },
      xaxis: axisOf(across, c), hoverlabel: { align: "left" },
    };
    let trace;
    if (up === null) {
      const places = x.map((_, k) => go(across, k, null, 0)), halves = places.map((p) => finite(value(chosen.half, p)) ?? 0);
      trace = { type: "scatter", mode: "lines+markers", x, y: places.map((p) => finite(value(chosen.mean, p))), text: places.map(said), hovertemplate: "%{text}<extra></extra>", line: { color: c.palette[0] }, error_y: { type: "data", array: halves, color: c.palette[0], thickness: 1 } };
      layout.yaxis = { title: { text: chosen.name }, gridcolor: c.grid, linecolor: c.grid, zeroline: false, color: c.faint_ink };
    } else {
      const y = axes[up].labels, places = y.map((_, l) => x.map((_, k) => go(across, k, up, l)));
      trace = { type: "heatmap", colorscale: "Viridis", x, y, z: places.map((row) => row.map((p) => finite(value(chosen.mean, p)))), text: places.map((row) => row.map(said)), hovertemplate: "%{text}<extra></extra>", hoverongaps: false, colorbar: { title: { text: chosen.name, side: "right" }, outlinewidth: 0, tickfont: { color: c.faint_ink } } };
      layout.yaxis = axisOf(up, c);
    }
    box.setAttribute("aria-label", `${chosen.name} against ${axes[across].name}${up === null ? "" : ` and ${axes[up].name}`}`);
    Plotly.react(box, [trace], layout, { displaylogo: false, responsive: true, displayModeBar: false });
  }

  document.addEventListener("paper", show);
  section.hidden = false;
  show();
}
