-- Parts of the index are merged sixteen at a time instead of four, which halves what is written for
-- each post; a search looks through a few more parts. All at once, which stops the writer for as
-- long as it takes, only where twice as many have gathered.
INSERT INTO status_search (status_search, rank) VALUES ('automerge', 16);
INSERT INTO status_search (status_search, rank) VALUES ('crisismerge', 32);
