// Sphinx gives a page the same points whether a word is its title or one of its sections' many. Here a hit counts for
// more the more of its title is what was asked for. The other numbers are Sphinx's own.
const asked = (new URLSearchParams(window.location.search).get("q") || "").toLowerCase().match(/[\p{L}\p{N}-]+/gu) || [];
var Scorer = {
  score: ([, title, , , points]) => {
    const words = title.toLowerCase().match(/[\p{L}\p{N}-]+/gu) || [];
    return points + (90 * words.filter((word) => asked.includes(word)).length) / (words.length || 1);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
