// The measures on their globe, drawn on a canvas: it needs no WebGL, so that any browser shows it at once.
"use strict";
{
  const stage = document.getElementById("stage"), canvas = stage.querySelector("canvas"), tip = stage.querySelector(".tip");
  // "willReadFrequently" keeps the canvas in main memory: thousands of small shapes are drawn faster there, above all without a graphics card
  const pen = canvas.getContext("2d", { willReadFrequently: true }), motion = window.motion = JSON.parse(document.getElementById("motion").textContent);
  const flat = motion.ground === "circle" || motion.ground === "plane", sphere = motion.ground !== "plane" && motion.ground !== "space";
  const behind = { globe: 0.16, ball: 0.6, space: 0.6 }[motion.ground] ?? 1;
  const scale = sphere ? 0.47 : 0.43;
  let turn = motion.turn, tilt = motion.tilt, frame = 0, places = [], queued = false;

  const bytes = (text) => {
    const raw = atob(text), array = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) array[i] = raw.charCodeAt(i);
    return array.buffer;
  };
  const points = (text) => new Int16Array(bytes(text));
  for (const m of motion.measures) {
    m.points = points(m.points);
    m.rings = points(m.rings);
    m.probes = points(m.probes);
    m.weights = new Float32Array(bytes(m.weights));
    m.shape = new Path2D(m.shape);
    m.shown = true;
    // as in the figures: smaller for more points, larger for heavier atoms
    const typical = Math.min(70, Math.max(3, 28 * (60 / m.size) ** 0.45));
    m.radii = m.weights.map((w) => 0.0034 * Math.sqrt(typical * Math.min(5, Math.max(0.3, w * m.size))));
  }
  const background = points(motion.background);

  // [across, up, towards the eye] of the point that begins at place i, in units of the radius
  function project(array, i) {
    const x = array[i] / 32767, y = array[i + 1] / 32767, z = array[i + 2] / 32767;
    if (flat) return [x, y, 1];
    const across = Math.cos(turn) * y - Math.sin(turn) * x, deep = Math.cos(turn) * x + Math.sin(turn) * y;
    return [across, Math.cos(tilt) * z - Math.sin(tilt) * deep, Math.cos(tilt) * deep + Math.sin(tilt) * z];
  }

  // For points that several measures share, at this frame: which of them, by place
  let owners = new Map();
  function share() {
    owners = new Map();
    if (motion.measures.length < 2) return;
    motion.measures.forEach((m, i) => {
      if (!m.shown) return;
      for (let j = 0, at = frame * m.size * 3; j < m.size; j++, at += 3) {
        const key = keyOf(m.points, at), known = owners.get(key);
        if (known === undefined) owners.set(key, [i]);
        else if (known[known.length - 1] !== i) known.push(i);
      }
    });
  }
  const keyOf = (array, at) => ((array[at] + 32768) * 65536 + array[at + 1] + 32768) * 65536 + array[at + 2] + 32768;

  function line(count, at, look) {
    pen.beginPath();
    let drawing = false;
    for (let k = 0; k <= count; k++) {
      const [x, y, toward] = project(at(k / count).map((c) => 32767 * c), 0);
      if (toward < 0 && motion.ground === "globe") { drawing = false; continue; }
      drawing ? pen.lineTo(...look(x, y)) : pen.moveTo(...look(x, y));
      drawing = true;
    }
    pen.stroke();
  }

  function ground(side, colors) {
    const middle = side / 2, radius = scale * side, look = (x, y) => [middle + radius * x, middle - radius * y];
    pen.strokeStyle = colors.grid;
    pen.lineWidth = devicePixelRatio;
    if (!sphere) {
      for (let axis = 0; axis < (flat ? 2 : 3); axis++) line(1, (t) => [0, 1, 2].map((k) => (k === axis ? 2.2 * t - 1.1 : 0)), look);
      pen.fillStyle = colors.faint_ink;
      pen.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
      ["x\u2081", "x\u2082", "x\u2083"].slice(0, flat ? 2 : 3).forEach((name, axis) => {
        const [x, y] = project([0, 1, 2].map((k) => (k === axis ? 32767 : 0)), 0);
        pen.fillText(`${name} = ${motion.reach}`, Math.min(look(x, y)[0] + 4, 0.86 * side), look(x, y)[1] - 6);
      });
      return;
    }
    const light = pen.createRadialGradient(middle - 0.35 * radius, middle - 0.45 * radius, 0, middle, middle, 1.05 * radius);
    light.addColorStop(0, colors.globe_light);
    light.addColorStop(1, colors.globe_dark);
    pen.fillStyle = motion.ground === "circle" ? colors.globe_light : light;
    pen.beginPath();
    pen.arc(middle, middle, radius, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
    if (motion.ground !== "globe") return;
    pen.globalAlpha = 0.8;
    pen.lineWidth = 0.6 * devicePixelRatio;
    for (let k = -2; k <= 2; k++) {
      const height = Math.sin((k * Math.PI) / 6), rim = Math.cos((k * Math.PI) / 6);
      line(90, (t) => [rim * Math.cos(2 * Math.PI * t), rim * Math.sin(2 * Math.PI * t), height], look);
    }
    for (let k = 0; k < 6; k++) {
      const c = Math.cos((k * Math.PI) / 6), s = Math.sin((k * Math.PI) / 6);
      line(90, (t) => [Math.cos(2 * Math.PI * t) * c, Math.cos(2 * Math.PI * t) * s, Math.sin(2 * Math.PI * t)], look);
    }
    pen.globalAlpha = 0.75;
    pen.fillStyle = colors.land;
    for (let i = 0; i < background.length; i += 3) {
      const [x, y, toward] = project(background, i);
      if (toward > 0) pen.fillRect(...look(x, y), 1.3 * devicePixelRatio, 1.3 * devicePixelRatio);
    }
    pen.globalAlpha = 1;
  }

  function draw() {
    queued = false;
    const side = Math.round(canvas.clientWidth * devicePixelRatio), colors = motion.looks[isDark() ? "dark" : "light"];
    if (!side) return;
    if (canvas.width !== side) canvas.width = canvas.height = side;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = colors.paper;
    pen.fillRect(0, 0, side, side);
    ground(side, colors);
    places = [];
    motion.measures.forEach((m, i) => m.shown && m.probes.length && crosses(m, colors.palette[i % colors.palette.length], side));
    for (const front of [false, true]) {
      if (!front && flat) continue;
      motion.measures.forEach((m, i) => m.shown && m.rings.length && rings(m, colors.palette[i % colors.palette.length], side, front));
      motion.measures.forEach((m, i) => m.shown && dots(m, i, colors, side, front));
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.globalAlpha = 1;
  }

  function dots(m, i, colors, side, front) {
    const middle = side / 2, start = frame * m.size * 3, edged = m.size <= 400, together = new Path2D();
    pen.fillStyle = colors.palette[i % colors.palette.length];
    pen.strokeStyle = colors.paper;
    pen.globalAlpha = front ? 0.95 : behind;
    for (let j = 0, at = start; j < m.size; j++, at += 3) {
      if (m.points[at] === -32768) continue; // a position that is not finite
      const [x, y, toward] = project(m.points, at);
      if (toward >= 0 !== front) continue;
      const size = m.radii[j] * side * 0.5, across = middle + scale * side * x, down = middle - scale * side * y;
      if (front || behind > 0.5) places.push([across, down, i, j]);
      const common = owners.get(keyOf(m.points, at));
      if (common && common.length > 1) {
        const turnOf = (2 * Math.PI) / common.length, first = Math.PI / 2 + common.indexOf(i) * turnOf;
        pen.setTransform(1, 0, 0, 1, across, down);
        pen.beginPath();
        pen.moveTo(0, 0);
        pen.arc(0, 0, 1.2 * size, first, first + turnOf);
        pen.fill();
        continue;
      }
      if (!edged) { // thousands are filled at once
        together.addPath(m.shape, { a: size / 5, d: size / 5, e: across - size, f: down - size });
        continue;
      }
      pen.setTransform(size / 5, 0, 0, size / 5, across - size, down - size);
      pen.fill(m.shape);
      pen.lineWidth = 2.5 / size;
      pen.stroke(m.shape);
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fill(together);
  }

  function rings(m, color, side, front) {
    pen.strokeStyle = color;
    pen.globalAlpha = front ? 0.75 : 0.75 * behind;
    const size = 1.45 * m.radii[0] * side * 0.5 * Math.sqrt(Math.min(1, (3 * m.size) / m.rings.length));
    for (let at = 0; at < m.rings.length; at += 3) {
      const [x, y, toward] = project(m.rings, at);
      if (toward >= 0 !== front) continue;
      pen.setTransform(size / 5, 0, 0, size / 5, side / 2 + scale * side * x - size, side / 2 - scale * side * y - size);
      pen.lineWidth = (5 * devicePixelRatio) / size;
      pen.stroke(m.shape);
    }
  }

  function crosses(m, color, side) {
    const count = m.probes.length / motion.labels.length, arm = 3 * devicePixelRatio;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.strokeStyle = color;
    pen.lineWidth = devicePixelRatio;
    for (let at = frame * count; at < (frame + 1) * count; at += 3) {
      const [x, y, toward] = project(m.probes, at), across = side / 2 + scale * side * x, down = side / 2 - scale * side * y;
      pen.globalAlpha = toward >= 0 ? 0.7 : 0.7 * behind;
      pen.beginPath();
      for (const sign of [-1, 1]) {
        pen.moveTo(across - arm, down - sign * arm);
        pen.lineTo(across + arm, down + sign * arm);
      }
      pen.stroke();
    }
  }

  const soon = () => { if (!queued) { queued = true; requestAnimationFrame(draw); } };

  // What lies under the pointer: every measure that has a point there, and its weight
  function point(event) {
    const box = canvas.getBoundingClientRect(), x = (event.clientX - box.left) * devicePixelRatio, y = (event.clientY - box.top) * devicePixelRatio;
    let best = null, least = 14 * devicePixelRatio;
    for (const place of places) {
      const far = Math.hypot(place[0] - x, place[1] - y);
      if (far <= least) [best, least] = [place, far];
    }
    tip.hidden = best === null;
    if (best === null) return;
    const here = places.filter(([a, b]) => Math.hypot(a - best[0], b - best[1]) < 0.5);
    tip.textContent = here.slice(0, 6).map(([, , i, j]) => {
      const m = motion.measures[i], at = (frame * m.size + j) * 3;
      const where = [0, 1, 2].slice(0, flat ? 2 : 3).map((k) => ((m.points[at + k] / 32767) * motion.reach).toFixed(3)).join(", ");
      return `${m.name}\nweight ${Number(m.weights[j].toPrecision(3))}${motion.ground === "ball" ? "" : ` at (${where})`}`;
    }).join("\n") + (here.length > 6 ? `\nand ${here.length - 6} more here` : "");
    tip.style.left = `${Math.max(0, Math.min(best[0] / devicePixelRatio + 12, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${best[1] / devicePixelRatio + 12}px`;
  }

  const rotate = (across, up) => {
    turn -= across;
    tilt = Math.max(-1.57, Math.min(1.57, tilt + up));
    tip.hidden = true;
    soon();
  };
  canvas.onpointerdown = (event) => canvas.setPointerCapture(event.pointerId);
  canvas.onpointermove = (event) => (event.buttons && !flat ? rotate(event.movementX / 150, event.movementY / 150) : point(event));
  canvas.onpointerleave = () => { tip.hidden = true; };
  canvas.onkeydown = (event) => {
    const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
    if (event.key === "Home") [turn, tilt] = [motion.turn, motion.tilt];
    else if (!step || flat) return;
    event.preventDefault();
    rotate(...(step ?? [0, 0]));
  };
  document.addEventListener("frame", (event) => { frame = event.detail; tip.hidden = true; share(); soon(); });
  document.addEventListener("shown", () => { share(); soon(); });
  document.addEventListener("paper", soon);
  new ResizeObserver(soon).observe(canvas);
  stage.hidden = false;
  share();
  draw();
  performance.mark("globe");
}
