/* The order of search results: pages whose title has the words that were asked for come first. */
const asked = (new URLSearchParams(window.location.search).get("q") || "").toLowerCase().match(/\w+/g) || [];

/* Sphinx does not look for numbers.  A number alone, such as 1.386, is one of a log: look for its page. */
var splitQuery = (query) => {
  const words = query.split(/[^\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu).filter((word) => word);
  return words.length && words.every((word) => /^\d+$/.test(word)) ? ["loss_d"] : words;
};

var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    const found = asked.filter((word) => title.toLowerCase().includes(word)).length;
    const guide = /^(guides|faq|cite|tables)/.test(page) ? 3 : 0;
    const minor = /^(assignments|changelog|release)/.test(page) ? -5 : 0;
    return score + (20 * found) / Math.max(1, asked.length) + guide + minor;
  },
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
