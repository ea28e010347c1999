// The theme, and tables that sort. Plain JavaScript: the page works from a file.
(() => {
  "use strict";

  // ---- theme: as the system has it, or as the reader wants it
  const themes = ["auto", "light", "dark"];
  let theme = 0;
  document.getElementById("theme").addEventListener("click", (event) => {
    theme = (theme + 1) % themes.length;
    event.target.textContent = `Theme: ${themes[theme]}`;
    if (theme) document.documentElement.dataset.theme = themes[theme];
    else delete document.documentElement.dataset.theme;
  });

  // ---- tables
  function sortBy(head) {
    const table = head.closest("table");
    const column = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const isNumber = head.classList.contains("number");
    const key = (row) => {
      const cell = row.children[column];
      return isNumber ? (cell.dataset.value === undefined ? null : Number(cell.dataset.value)) : cell.textContent;
    };
    const order = (a, b) => {
      const [one, two] = [key(a), key(b)];
      if (one === null || two === null) return (one === null) - (two === null); // what is missing stays below
      const ascending = isNumber ? one - two : one.localeCompare(two, "en", { numeric: true });
      return down ? -ascending : ascending;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }
  for (const button of document.querySelectorAll("thead button")) {
    button.addEventListener("click", () => sortBy(button.parentNode));
  }
})();
