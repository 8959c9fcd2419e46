// A click on a header sorts the table by its column, a second click the other way round; cells without a value stay last.
document.querySelectorAll("table.sortable th").forEach((header) => {
  header.addEventListener("click", () => {
    const index = header.cellIndex;
    const falling = header.getAttribute("aria-sort") === "ascending";
    const body = header.closest("table").tBodies[0];
    const keyed = Array.from(body.rows, (row) => {
      const cell = row.cells[index];
      const isNumber = cell.dataset.value !== undefined;
      const key = isNumber ? Number(cell.dataset.value) : cell.textContent;
      return { row, key, missing: cell.classList.contains("missing") };
    });
    keyed.sort((a, b) => {
      if (a.missing || b.missing) return a.missing - b.missing;
      const order = typeof a.key === "number" ? a.key - b.key : a.key.localeCompare(b.key, "en", { numeric: true });
      return falling ? -order : order;
    });
    keyed.forEach(({ row }) => body.append(row));
    header.parentNode.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", falling ? "descending" : "ascending");
  });
});
