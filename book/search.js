// Sphinx gives a page the same points whether a word is its title or one of its many. Here a hit counts for more the
// more of its title is what was asked for, a section before its page, a chapter before the reference, and text before
// functions; and a claim's number leads to the claim. The points that are not explained are Sphinx's own.
const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}-]+/gu) || [];
const asked = words(new URLSearchParams(window.location.search).get("q") || "");

// A page is found if it has all words that are asked for, but for these.
stopwords.push("can", "do", "does", "how", "i", "what", "when", "where", "which", "who", "why");

// What every object of JavaScript has, such as a "constructor", is no word of the index; Sphinx 8.2 knows that itself.
queueMicrotask(() => {
  const { setIndex } = Search, { hasOwnProperty } = Object.prototype;
  Search.setIndex = (index) => {
    for (const terms of [index.terms, index.titleterms]) Object.setPrototypeOf(terms, { __proto__: null, hasOwnProperty });
    setIndex(index);
  };
});

var Scorer = {
  /** The points of a hit [page, title, anchor, description, points, file], which is made to lead to its section. */
  score: (hit) => {
    const [file, title, anchor, description, points] = hit, [page, section] = file.split("#");
    const { docnames, titles } = Search._index, named = words(title.split(" > ").pop());
    if (section) [hit[0], hit[1], hit[2]] = [page, `${titles[docnames.indexOf(page)]} > ${title}`, `#${section}`];
    else if (anchor.startsWith("#term-")) hit[1] = `${title} > ${anchor.slice(6).replaceAll("-", " ")}`;
    hit[5] = page; // by which Sphinx tells equal hits
    if (description) return points; // a function
    const share = named.filter((word) => asked.includes(word)).length / (named.length || 1);
    const claim = section === "claim-by-claim" && asked.find((word) => /^c\d\d$/.test(word));
    if (claim) hit[2] = `#${claim.toUpperCase()}`;
    const behind = /\/(functions$|machines-)/.test(page) ? 3 : title === "Exercises" ? 2 : 0;
    const before = (section && !share ? 2 : 0) + (page.includes("/chapters/") ? 1 : 0) - behind;
    return points + 90 * share + (claim ? 9 : 0) + before;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 0, 1: -5, 2: -10 }, // functions after text
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
