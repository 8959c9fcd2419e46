// Three planes of a case (scan, masks, maps) as radiologists look at a patient: right on the left, anterior up or left,
// superior up. `cases` comes from the page: name, shape, spacing_mm, start, and volumes (H, W, D) of bytes, gzipped.
(() => {
  const COLORS = [[255, 80, 60], [70, 140, 255], [60, 200, 90], [220, 90, 230], [250, 200, 50], [60, 220, 220]];
  const root = document.getElementById("viewer");
  const find = (selector) => root.querySelector(selector);
  const [choice, boxes, opacity, cross, places] = ["select", "span", ".opacity", ".cross", ".planes"].map(find);
  const make = (kind, parent, settings = {}) => parent.appendChild(Object.assign(document.createElement(kind), settings));

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // a plane: which axes of the volume are its columns, rows and slices; columns and rows run against the axes
  const planes = [["sagittal", 1, 2, 0], ["coronal", 0, 2, 1], ["axial", 0, 1, 2]].map(([name, u, v, s]) => {
    const figure = make("figure", places);
    const canvas = make("canvas", figure, { id: name });
    const slider = make("input", figure, { type: "range", min: 0 });
    slider.setAttribute("aria-label", name);
    const plane = { name, u, v, s, canvas, slider, caption: make("figcaption", figure) };
    slider.addEventListener("input", drawAll);
    canvas.addEventListener("wheel", (event) => {
      slider.value = Number(slider.value) + Math.sign(event.deltaY);
      drawAll();
      event.preventDefault();
    });
    canvas.addEventListener("pointerdown", move);
    canvas.addEventListener("pointermove", (event) => event.buttons && move(event));
    function move(event) {
      const box = canvas.getBoundingClientRect();
      const go = (axis, part) => { planes[axis].slider.value = shown.shape[axis] - 1 - Math.floor(part * shown.shape[axis]); };
      go(u, (event.clientX - box.left) / box.width);
      go(v, (event.clientY - box.top) / box.height);
      drawAll();
    }
    return plane;
  });

  let shown; // the case: shape, image, layers
  function draw({ name, u, v, s, canvas, slider, caption }) {
    const { shape, image, layers } = shown;
    const strides = [1, shape[0], shape[0] * shape[1]];
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(shape[u], shape[v]);
    const share = opacity.value / 100;
    const visible = layers.filter((layer) => layer.box.checked).reverse(); // the first lies on top
    const start = Number(slider.value) * strides[s];
    const middle = [u, v].map((axis) => Number(planes[axis].slider.value));
    for (let row = 0; row < shape[v]; row++) for (let column = 0; column < shape[u]; column++) {
      const [x, y] = [shape[u] - 1 - column, shape[v] - 1 - row];
      const i = start + x * strides[u] + y * strides[v];
      let color = [image[i], image[i], image[i]];
      const mix = (own, part) => { color = color.map((value, k) => (1 - part) * value + part * own[k]); };
      if (cross.checked && (x === middle[0]) !== (y === middle[1])) mix([60, 150, 255], 0.45);
      for (const { voxels, kind, number } of visible) {
        const value = voxels[i];
        if (!value) continue;
        if (kind === "map") { mix([255, value, 0], 0.7 * value / 255); continue; }
        const edge = !x || !y || x === shape[u] - 1 || y === shape[v] - 1
          || [strides[u], -strides[u], strides[v], -strides[v]].some((step) => voxels[i + step] !== value);
        mix(COLORS[(value - 1 + 2 * number) % COLORS.length], edge ? 1 : share);
      }
      pixels.data.set([...color, 255], 4 * (column + shape[u] * row));
    }
    context.putImageData(pixels, 0, 0);
    caption.textContent = `${name} ${Number(slider.value) + 1} of ${shape[s]}`;
  }
  function drawAll() { planes.forEach(draw); }

  async function show() {
    const { shape, spacing_mm, start, image, layers } = cases[choice.selectedIndex];
    boxes.replaceChildren();
    const made = [];
    for (const [number, { name, kind, voxels }] of layers.entries()) {
      const label = make("label", boxes);
      const box = make("input", label, { type: "checkbox", checked: kind === "mask" });
      box.addEventListener("input", drawAll);
      label.append(` ${name} `);
      if (kind === "mask") make("i", label).style.background = `rgb(${COLORS[(2 * number) % COLORS.length]})`;
      made.push({ voxels: await unpack(voxels), kind, number, box });
    }
    shown = { shape, image: await unpack(image), layers: made };
    planes.forEach(({ u, v, s, canvas, slider }) => {
      Object.assign(canvas, { width: shape[u], height: shape[v] });
      canvas.style.aspectRatio = `${shape[u] * spacing_mm[u]} / ${shape[v] * spacing_mm[v]}`;
      slider.max = shape[s] - 1;
      slider.value = start[s];
    });
    drawAll();
    document.body.dataset.ready = choice.value;
  }
  cases.forEach(({ name }) => make("option", choice, { textContent: name }));
  choice.hidden = cases.length < 2;
  choice.addEventListener("input", show);
  [opacity, cross].forEach((control) => control.addEventListener("input", drawAll));
  show();
})();
