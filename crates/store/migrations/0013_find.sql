-- What hangs on a post, found from that end: deleting or editing one must look at its own rows,
-- not at every table whole.
CREATE INDEX status_tag_status ON status_tag (status_id);
CREATE INDEX mention_status ON mention (status_id);
CREATE INDEX bookmark_status ON bookmark (status_id);
CREATE INDEX pin_status ON pin (status_id);
CREATE INDEX poll_status ON poll (status_id);

-- The rare among all posts, for public timelines that ask for nothing else: without these a
-- timeline with few or none of them reads every post there is.
CREATE INDEX status_remote ON status (visibility, id) WHERE uri IS NOT NULL;
CREATE INDEX status_pictured ON status (visibility, id) WHERE media_ids <> '';
