// The photos of the listing: chosen, dropped or pasted, up to the server's limits, shown small, and taken away again.

import { announce, find, make } from "./dom.js";
import { infoRefusal, limit } from "./server.js";
import { refusalSentence } from "./sentences.js";
import { number, say } from "./texts.js";

let photos = [];

/** In their order: file, and an address under which this page may show it. */
export const chosenPhotos = () => photos;

/** A file's bytes as the contract's JSON carries them. */
export const base64 = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });

/** Why `file` may not be one more; `null`: it may. A type that the browser does not know is for the server to tell. */
function problemOf(file) {
  const [most, bytes] = [limit("maxImages"), limit("maxImageBytes")];
  if (file.type && !file.type.startsWith("image/")) return say("photos.no_image", { name: file.name });
  if (most !== null && photos.length >= most) return say("photos.too_many", { name: file.name, limit: most });
  if (bytes !== null && file.size > bytes) return say("photos.too_large", { name: file.name, limit: number(bytes / 1024 ** 2) });
  return null;
}

function add(files) {
  const problems = [];
  for (const file of files) {
    const problem = problemOf(file);
    if (problem) problems.push(problem);
    else photos.push({ file, address: URL.createObjectURL(file) });
  }
  renderPhotos();
  find("photos-problem").textContent = problems.join(" ");
}

function remove(index) {
  URL.revokeObjectURL(photos[index].address);
  announce(say("photos.removed", { name: photos[index].file.name }));
  photos = photos.filter((_, other) => other !== index);
  renderPhotos();
  // The button that was pressed is gone; without this the keyboard would start at the top of the page.
  (find("photos").querySelectorAll("button")[Math.min(index, photos.length - 1)] ?? find("photos-input")).focus();
}

export function renderPhotos() {
  const most = limit("maxImages");
  const unknown = infoRefusal();
  find("photos-hint").textContent = most !== null
    ? say("photos.hint", { limit: most, size: number(limit("maxImageBytes") / 1024 ** 2) })
    : say("photos.hint_unknown", { why: unknown ? refusalSentence(unknown) : "" });
  find("photos-problem").textContent = "";
  find("photos").replaceChildren(...photos.map(({ file, address }, index) =>
    make("li", {}, make("img", { src: address, alt: say("photos.alternative", { id: index + 1, name: file.name }) }), file.name, " ",
      make("button", { type: "button", click: () => remove(index), "aria-label": say("photos.remove_named", { name: file.name }) },
        say("photos.remove")))));
}

export function startPhotos() {
  const [input, drop] = [find("photos-input"), find("drop")];
  input.addEventListener("change", () => {
    add(input.files);
    // So that the same file can be chosen again after it was removed.
    input.value = "";
  });
  for (const [event, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    drop.addEventListener(event, (dragged) => {
      dragged.preventDefault();
      drop.classList.toggle("over", over);
    });
  }
  drop.addEventListener("drop", (dropped) => add(dropped.dataTransfer.files));
  // Beside the field a dropped file would open in the place of this page.
  for (const event of ["dragover", "drop"]) document.addEventListener(event, (dragged) => dragged.preventDefault());
  document.addEventListener("paste", (pasted) => {
    const files = [...(pasted.clipboardData?.files ?? [])];
    if (!find("page-try").hidden && files.length) add(files);
  });
}
