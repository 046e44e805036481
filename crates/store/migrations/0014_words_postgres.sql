-- Posts are found by the same words on both engines: the index is filled anew, beside the deeds.
TRUNCATE status_search;
UPDATE search_watermark SET indexed_id = 0 WHERE id = 1;
