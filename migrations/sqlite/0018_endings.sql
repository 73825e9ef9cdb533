-- The words that the search index knows, in their order: how a word that is still being typed may end.

create virtual table search_words_known using fts5vocab('search_words', 'row');
