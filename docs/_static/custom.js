/* After a search Sphinx marks the words on the page that opens.  It must not cut formulas in two, before MathJax draws
   them, nor write into the icons. */
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".math, svg title").forEach((element) => element.classList.add("nohighlight"));
});
