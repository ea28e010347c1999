// The picture viewer: all frames show the same place at the same magnification; CSS variables carry it.
(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const json = (id) => JSON.parse(byId(id).textContent);
  if (!byId("viewer")) return; // a page without pictures

  const MOST = 16; // CSS pixels to one of the picture's at the nearest
  const viewer = byId("viewer");
  const stage = byId("stage");
  const rows = byId("panes");
  const wipe = byId("wipe");
  const album = json("album");
  const view = { scale: 1, x: 0.5, y: 0.5 }; // CSS pixels a pixel; what is in the middle, as a share of the picture
  const sides = ["left", "right"].map((side) => ({
    select: byId(side), image: byId(`${side}-image`), caption: byId(`${side}-caption`),
  }));
  const panes = json("panes-shown").map(makePane);
  const slots = [...sides, ...panes];
  let picture = null;

  function makePane(wanted, place) {
    const figure = document.createElement("figure");
    figure.className = "pane";
    figure.innerHTML = '<div class="frame"><img alt="" draggable="false"></div><select></select><figcaption class="caption"></figcaption>';
    rows.append(figure);
    const [frame, select, caption] = figure.children;
    select.setAttribute("aria-label", `Small picture ${place + 1}`);
    return { select, image: frame.firstChild, caption, wanted, frame };
  }

  // -- which pictures
  function fill(select, images, wanted) {
    const groups = new Map();
    for (const image of images) {
      if (!groups.has(image.group)) {
        const group = document.createElement("optgroup");
        group.label = image.group;
        groups.set(image.group, group);
      }
      groups.get(image.group).append(new Option(image.label, image.id));
    }
    select.replaceChildren(...groups.values());
    select.value = images.some((image) => image.id === wanted) ? wanted : images[0].id;
  }
  function show(slot) {
    const image = picture.images.find((one) => one.id === slot.select.value);
    slot.image.src = image.src;
    slot.image.alt = `${picture.name}: ${image.label}`;
    slot.caption.textContent = image.caption;
  }
  function choosePicture(place) {
    const wanted = slots.map((slot) => (picture ? slot.select.value : slot.wanted));
    picture = album[place];
    const { width, height } = picture;
    const times = Math.max(1, Math.floor(768 / width)); // small pictures in whole multiples: nothing blurs
    const sizes = { width: `${width}px`, height: `${height}px`, large: `${width * times}px`, aspect: width / height };
    for (const [name, value] of Object.entries(sizes)) viewer.style.setProperty(`--${name}`, value);
    slots.forEach((slot, i) => { fill(slot.select, picture.images, wanted[i]); show(slot); });
    setView(fit(), 0.5, 0.5);
  }
  function swap() {
    const [left, right] = sides.map((side) => side.select.value);
    sides[0].select.value = right;
    sides[1].select.value = left;
    sides.forEach(show);
  }

  // -- the view
  const fit = () => (stage.clientWidth || 1) / picture.width;
  const isNear = () => view.scale > fit() * 1.001;
  const part = (frame) => ({ // half of what a frame shows, as shares of the picture
    x: Math.min(0.5, frame.clientWidth / picture.width / view.scale / 2),
    y: Math.min(0.5, frame.clientHeight / picture.height / view.scale / 2),
  });
  const middleOf = (frame) => { // of what a frame shows: it stops at the picture's edges
    const half = part(frame);
    return { x: clamp(view.x, half.x, 1 - half.x), y: clamp(view.y, half.y, 1 - half.y) };
  };
  function moveTo(frame, holder) {
    const at = middleOf(frame);
    const dots = window.devicePixelRatio || 1;
    for (const [axis, side, size] of [["x", frame.clientWidth, picture.width], ["y", frame.clientHeight, picture.height]]) {
      const start = side / 2 - at[axis] * size * view.scale;
      holder.style.setProperty(`--${axis}`, `${Math.round(start * dots) / dots}px`); // on whole dots: nothing blurs
    }
  }
  function setView(scale, x, y) {
    view.scale = clamp(scale, fit(), Math.max(MOST, fit()));
    view.x = clamp(x, 0, 1);
    view.y = clamp(y, 0, 1);
    const small = panes.length ? panes[0].frame : stage;
    Object.assign(view, middleOf(small));
    viewer.style.setProperty("--scale", view.scale);
    moveTo(stage, stage);
    moveTo(small, rows);
    const [big, lens] = [middleOf(stage), part(small)];
    const whole = part(stage);
    for (const axis of ["x", "y"]) {
      stage.style.setProperty(`--lens-${axis}`, `${50 + (50 * (view[axis] - big[axis] - lens[axis])) / whole[axis]}%`);
      stage.style.setProperty(`--lens-size-${axis}`, `${(100 * lens[axis]) / whole[axis]}%`);
    }
    viewer.classList.toggle("near", isNear());
    viewer.classList.toggle("blocks", view.scale >= 2);
    byId("zoom-level").textContent = `${Math.round(view.scale * 100)} %`;
  }
  function zoomTo(scale, frame = stage, at = { x: 0.5, y: 0.5 }) {
    const near = clamp(scale, fit(), Math.max(MOST, fit()));
    const middle = isNear() || frame !== stage || at.x !== 0.5 ? middleOf(frame) : view;
    const gain = 1 / view.scale - 1 / near; // the point under the pointer stays where it is
    setView(near, middle.x + ((at.x - 0.5) * frame.clientWidth * gain) / picture.width,
      middle.y + ((at.y - 0.5) * frame.clientHeight * gain) / picture.height);
  }
  const zoomBy = (factor, frame, at) => zoomTo(view.scale * factor, frame, at);
  const zoomOut = () => setView(fit(), 0.5, 0.5);
  function panBy(dx, dy, frame = stage) { // by CSS pixels
    const middle = isNear() || frame !== stage ? middleOf(frame) : view;
    setView(view.scale, middle.x - dx / picture.width / view.scale, middle.y - dy / picture.height / view.scale);
  }
  function setWipe(share) {
    wipe.value = String(clamp(share, 0, 1) * 100);
    wipe.setAttribute("aria-valuetext", `${Math.round(wipe.value)} %`);
    viewer.style.setProperty("--wipe", `${wipe.value}%`);
  }

  // -- pointers: the handle wipes, a picture pans, two fingers zoom
  const pointers = new Map();
  let drag = null;
  const place = (frame, event) => {
    const box = frame.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  };
  const pinch = () => {
    const [one, two] = [...pointers.values()];
    return { x: (one.x + two.x) / 2, y: (one.y + two.y) / 2, apart: Math.hypot(one.x - two.x, one.y - two.y) };
  };
  function down(event) {
    if (event.button) return;
    const frame = event.currentTarget;
    const wiping = frame === stage && (event.target.closest(".divider") || !isNear());
    event.preventDefault();
    (wiping ? wipe : stage).focus({ preventScroll: true });
    frame.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(frame, event));
    drag = pointers.size === 2 ? { frame, ...pinch() } : { frame, wiping };
    if (wiping && pointers.size === 1 && event.pointerType === "mouse") setWipe(pointers.get(event.pointerId).x);
  }
  function move(event) {
    const last = pointers.get(event.pointerId);
    if (!last || !drag) return;
    const { frame } = drag;
    const now = place(frame, event);
    pointers.set(event.pointerId, now);
    if (pointers.size === 2) {
      const both = pinch();
      if (drag.apart) {
        zoomBy(both.apart / drag.apart, frame, both);
        panBy((both.x - drag.x) * frame.clientWidth, (both.y - drag.y) * frame.clientHeight, frame);
      }
      drag = { frame, ...both };
    } else if (drag.wiping) setWipe(now.x);
    else panBy((now.x - last.x) * frame.clientWidth, (now.y - last.y) * frame.clientHeight, frame);
  }
  function up(event) {
    pointers.delete(event.pointerId);
    drag = pointers.size && drag ? { frame: drag.frame, wiping: false } : null;
  }
  function wheel(event) {
    const inside = [stage, wipe].includes(document.activeElement);
    if (!inside && !event.ctrlKey && !event.metaKey) return; // the page scrolls until a picture was clicked
    event.preventDefault();
    const frame = event.currentTarget;
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), frame, place(frame, event));
  }
  for (const frame of [stage, ...panes.map((pane) => pane.frame)]) {
    frame.addEventListener("pointerdown", down);
    frame.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, up);
    frame.addEventListener("wheel", wheel, { passive: false });
    frame.addEventListener("dblclick", (event) => (isNear() ? zoomOut() : zoomBy(4, frame, place(frame, event))));
  }

  // -- keys
  const keys = {
    "+": () => zoomBy(2), "=": () => zoomBy(2), "-": () => zoomBy(0.5), 0: zoomOut, x: swap,
    Escape: () => document.activeElement.blur(),
  };
  const step = () => stage.clientWidth / 10;
  const arrows = {
    ArrowLeft: () => panBy(step(), 0), ArrowRight: () => panBy(-step(), 0),
    ArrowUp: () => panBy(0, step()), ArrowDown: () => panBy(0, -step()),
  };
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key]
      || (event.target === stage && arrows[event.key]);
    if (!action) return;
    event.preventDefault();
    action();
  });

  // -- controls
  wipe.addEventListener("input", () => setWipe(wipe.value / 100));
  byId("zoom-in").addEventListener("click", () => zoomBy(2));
  byId("zoom-out").addEventListener("click", () => zoomBy(0.5));
  byId("zoom-fit").addEventListener("click", zoomOut);
  byId("swap").addEventListener("click", swap);
  for (const slot of slots) slot.select.addEventListener("change", () => show(slot));
  let fitted = 0; // a view that showed the whole picture goes on doing so
  new ResizeObserver(() => {
    const whole = view.scale <= fitted * 1.001;
    fitted = fit();
    setView(whole ? fitted : view.scale, view.x, view.y);
  }).observe(stage);

  album.forEach((one, i) => {
    const label = document.createElement("label");
    label.title = one.note ? `${one.name}, ${one.note}` : one.name;
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "picture", value: String(i), checked: !i });
    const thumb = Object.assign(document.createElement("img"), { alt: "", src: (one.images.find((x) => x.id === "clean") || one.images[0]).src });
    const name = Object.assign(document.createElement("span"), { textContent: one.name });
    radio.addEventListener("change", () => choosePicture(i));
    label.append(radio, thumb, name);
    byId("pictures").append(label);
  });
  sides[0].wanted = "noisy";
  sides[1].wanted = byId("viewer").dataset.right;
  choosePicture(0);
  setWipe(0.5);
})();
