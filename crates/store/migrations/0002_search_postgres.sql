-- The words of a post, as they are: no language's stemming, since posts are in all of them.
CREATE TABLE status_search (
    status_id BIGINT NOT NULL PRIMARY KEY,
    words TSVECTOR NOT NULL
);
CREATE INDEX status_search_words ON status_search USING GIN (words);
