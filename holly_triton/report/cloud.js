// Turns the points of the canvas #cloud by mouse, touch and keyboard: shaded discs, the far ones first.
// x is right, y down, z into the picture, and the projection parallel, so the scale bar holds at every depth.
"use strict";
(() => {
  const canvas = document.getElementById("cloud");
  const context = canvas.getContext("2d");
  const bytes = Uint8Array.from(atob(canvas.dataset.points), (letter) => letter.charCodeAt(0));
  const table = new Float32Array(bytes.buffer); // x, y, z in nm and a value from 0 to 1, or a channel, point by point
  const count = table.length / 4;
  const reach = Number(canvas.dataset.reach), radius = Number(canvas.dataset.radius);
  const kind = canvas.dataset.colour; // "value", "channel" or "depth"
  const depth = new Float32Array(count), order = Uint32Array.from({ length: count }, (_, i) => i);
  const LEVELS = 48, SPRITE = 64;

  const UPRIGHT = [1, 0, 0, 0, 1, 0, 0, 0, 1];
  let rotation, zoom, handedness = 1, sprites;
  let turning = !matchMedia("(prefers-reduced-motion: reduce)").matches, visible = true;

  function reset() {
    rotation = UPRIGHT;
    zoom = 1;
    draw();
  }

  // Turns by angles about the screen's y (right) and x (down): the near side follows the pointer.
  function turn(right, down) {
    const c = Math.cos(right), s = Math.sin(right), d = Math.cos(down), e = Math.sin(down);
    const step = [c, 0, -s, -e * s, d, -e * c, d * s, e, d * c];
    const before = rotation;
    rotation = UPRIGHT.map((_, i) => {
      const row = 3 * Math.floor(i / 3), column = i % 3;
      return step[row] * before[column] + step[row + 1] * before[3 + column] + step[row + 2] * before[6 + column];
    });
  }

  // One sphere for each level of colour, of each channel, drawn once.
  function makeSprites() {
    const style = getComputedStyle(canvas);
    const parse = (text) => text.trim().match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
    const read = (name) => parse(style.getPropertyValue(name));
    const css = (colour) => `rgb(${colour.map(Math.round).join(",")})`;
    const mix = (a, b, share) => a.map((value, i) => value + (b[i] - value) * share);
    const colours = canvas.dataset.legend ? canvas.dataset.legend.split(" ").map(parse) : [];
    const ends = kind === "channel" ? colours.map((colour) => [colour, mix(colour, read("--page"), 0.7)])
      : [(kind === "value" ? ["--low", "--high"] : ["--near", "--far"]).map(read)];
    sprites = ends.map(([first, last]) => Array.from({ length: LEVELS }, (_, level) => {
      const sprite = document.createElement("canvas"), middle = SPRITE / 2;
      sprite.width = sprite.height = SPRITE;
      const brush = sprite.getContext("2d"), colour = mix(first, last, level / (LEVELS - 1));
      const light = brush.createRadialGradient(0.75 * middle, 0.7 * middle, 0, middle, middle, middle);
      light.addColorStop(0, css(mix(colour, [255, 255, 255], 0.35)));
      light.addColorStop(0.6, css(colour));
      light.addColorStop(1, css(mix(colour, [0, 0, 0], 0.35)));
      brush.fillStyle = light;
      brush.arc(middle, middle, middle - 1, 0, 2 * Math.PI);
      brush.fill();
      return sprite;
    }));
  }

  function draw() {
    const width = canvas.clientWidth, height = canvas.clientHeight, sharp = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * sharp);
    canvas.height = Math.round(height * sharp);
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    const [a, b, c, d, e, f, g, h, k] = rotation;
    for (let i = 0, at = 0; i < count; i++, at += 4)
      depth[i] = g * table[at] + h * table[at + 1] + k * handedness * table[at + 2];
    order.sort((i, j) => depth[j] - depth[i]);
    const scale = zoom * Math.min(width, height) / (2.15 * (reach + radius)); // px per nm
    const half = Math.max(radius * scale, 1.5);
    for (const i of order) {
      const x = table[4 * i], y = table[4 * i + 1], z = handedness * table[4 * i + 2];
      const share = kind === "value" ? table[4 * i + 3] : (depth[i] / reach + 1) / 2;
      const level = Math.min(LEVELS - 1, Math.max(0, Math.floor(share * LEVELS)));
      const sprite = sprites[kind === "channel" ? table[4 * i + 3] : 0][level];
      const left = width / 2 + scale * (a * x + b * y + c * z) - half;
      const top = height / 2 + scale * (d * x + e * y + f * z) - half;
      context.drawImage(sprite, left, top, 2 * half, 2 * half);
    }
    drawScale(scale, height);
    canvas.dataset.turn = [...rotation, zoom, handedness].map((value) => value.toFixed(4)).join(" ");
  }

  // A bar of 1, 2, 5, 10 ... nm, between 50 and 125 pixels long.
  function drawScale(scale, height) {
    const longest = 125 / scale, decade = 10 ** Math.floor(Math.log10(longest));
    const nm = decade * [5, 2, 1].find((step) => step * decade <= longest);
    context.fillStyle = getComputedStyle(canvas).color;
    context.fillRect(16, height - 20, nm * scale, 4);
    context.font = "14px system-ui, sans-serif";
    context.fillText(`${Number(nm.toPrecision(1))} nm`, 16, height - 28);
  }

  function changed(change) {
    turning = false;
    change();
    draw();
  }

  const held = new Map(); // where each finger, or the mouse, was last
  canvas.addEventListener("pointerdown", (event) => {
    turning = false; // a click alone stops it
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const other = [...held.values()].find((one) => one.pointerId !== event.pointerId);
    const apart = (one) => Math.max(20, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY));
    const radians = Math.PI / Math.min(canvas.clientWidth, canvas.clientHeight);
    held.set(event.pointerId, event);
    changed(() => {
      if (other) zoomBy(apart(event) / apart(before));
      else turn((event.clientX - before.clientX) * radians, (event.clientY - before.clientY) * radians);
    });
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, (event) => held.delete(event.pointerId));

  const zoomBy = (factor) => { zoom = Math.min(40, Math.max(0.3, zoom * factor)); };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
    changed(() => zoomBy(Math.exp(-0.0015 * lines * event.deltaY)));
  }, { passive: false });

  const keys = {
    ArrowLeft: () => turn(-0.1, 0), ArrowRight: () => turn(0.1, 0), ArrowUp: () => turn(0, -0.1),
    ArrowDown: () => turn(0, 0.1), "+": () => zoomBy(1.15), "-": () => zoomBy(1 / 1.15), "0": reset,
  };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    changed(keys[event.key]);
  });
  document.getElementById("reset").addEventListener("click", () => changed(reset));
  document.getElementById("handedness")?.addEventListener("click", () => changed(() => { handedness = -handedness; }));

  let last;
  function spin(now) {
    if (!turning) return;
    if (visible && last) {
      turn(0.0003 * Math.min(now - last, 100), 0);
      draw();
    }
    last = now;
    requestAnimationFrame(spin);
  }

  makeSprites();
  reset();
  new ResizeObserver(draw).observe(canvas);
  new IntersectionObserver((entries) => { visible = entries.at(-1).isIntersecting; }).observe(canvas); // the newest of several
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { makeSprites(); draw(); });
  requestAnimationFrame(spin);
})();
