// Curves beside the globe, by plotly; their markers move with the slider, and a click on a curve moves the slider.
"use strict";
{
  const holder = document.querySelector("#stage .curves"), rich = { displaylogo: false, responsive: true, displayModeBar: false };
  const symbols = { o: "circle", s: "square", "^": "triangle-up", D: "diamond", v: "triangle-down", P: "cross", X: "x", p: "pentagon", ">": "triangle-right", h: "hexagon", "<": "triangle-left", d: "diamond-tall" };
  const boxes = [], first = motion.x[0], end = motion.x[motion.x.length - 1];
  let frame = 0;

  const colors = () => motion.looks[isDark() ? "dark" : "light"];
  // what a logarithmic axis cannot show lies at its lower end
  const height = (curve, y) => (y === null ? null : curve.log ? Math.max(y, curve.floor) : y);

  const traces = (curve) => motion.measures.flatMap((m, i) => {
    const color = colors().palette[i % colors().palette.length], look = { name: m.name, visible: m.shown, showlegend: false };
    const y = curve.y[i], hover = "%{text}<br>%{customdata:.3~g}";
    return [
      { ...look, x: motion.x, y: y.map((v) => height(curve, v)), customdata: y, text: motion.labels, mode: "lines", line: { color, width: 2 }, hovertemplate: hover },
      { ...look, x: [motion.x[frame]], y: [height(curve, y[frame])], mode: "markers", hoverinfo: "skip", cliponaxis: false,
        marker: { color, size: 11, symbol: symbols[m.marker], line: { color: colors().paper, width: 1.5 } } },
    ];
  });

  const layout = (curve) => {
    const c = colors(), axis = { gridcolor: c.grid, linecolor: c.grid, zeroline: false, tickfont: { color: c.faint_ink }, fixedrange: false };
    const bands = motion.bands.map(([x0, x1], k) => ({ type: "rect", x0, x1, y0: 0, y1: 1, yref: "paper", layer: "below", line: { width: 0 }, fillcolor: k % 2 ? c.band : "rgba(0,0,0,0)" }));
    const levels = curve.level === null ? [] : [{ type: "line", x0: 0, x1: 1, xref: "paper", y0: curve.level, y1: curve.level, line: { color: c.ink, width: 1, dash: "dash" } }];
    const ticks = motion.ticks ? { tickvals: motion.ticks[0], ticktext: motion.ticks[1] } : {};
    return {
      title: { text: curve.title, font: { size: 14, color: c.ink }, x: 0, xref: "paper", xanchor: "left" },
      margin: { l: 62, r: 16, t: 40, b: 50 }, paper_bgcolor: c.paper, plot_bgcolor: c.paper, hovermode: "closest",
      font: { family: "system-ui, sans-serif", size: 12, color: c.ink }, hoverlabel: { namelength: -1 },
      xaxis: { ...axis, ...ticks, showgrid: false, range: [first - 0.02 * (end - first), end + 0.02 * (end - first)], title: { text: motion.xlabel, font: { color: c.faint_ink, size: 12 } } },
      yaxis: { ...axis, type: curve.log ? "log" : "linear", exponentformat: "power", nticks: 6, ...(curve.log ? { range: curve.range, dtick: curve.dtick } : {}) },
      shapes: [...bands, ...levels],
    };
  };

  const redraw = () => boxes.forEach((box, n) => Plotly.react(box, traces(motion.curves[n]), layout(motion.curves[n]), rich));
  for (const curve of motion.curves) {
    const box = document.createElement("div");
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", `${curve.title}, against ${motion.xlabel}`);
    holder.append(box);
    boxes.push(box);
    Plotly.newPlot(box, traces(curve), layout(curve), rich).then(() => {
      box.on("plotly_click", (event) => goTo(event.points[0].pointIndex));
      holder.dataset.ready = boxes.length === motion.curves.length;
    });
  }
  document.addEventListener("frame", (event) => {
    frame = event.detail;
    boxes.forEach((box, n) => {
      const markers = motion.measures.map((_, i) => 2 * i + 1), curve = motion.curves[n];
      Plotly.restyle(box, { x: markers.map(() => [motion.x[frame]]), y: motion.measures.map((_, i) => [height(curve, curve.y[i][frame])]) }, markers);
    });
  });
  document.addEventListener("shown", redraw);
  document.addEventListener("paper", redraw);
}
