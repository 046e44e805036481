-- How far the index of posts has come; the index itself is each engine's own.
INSERT INTO search_watermark (id, indexed_id) VALUES (1, 0);
