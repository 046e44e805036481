-- What the pictures of an earlier wording were said to show: a JSON object, the text by the
-- picture's id. What is not in it is said now as it was.
ALTER TABLE status_edit ADD COLUMN described TEXT NOT NULL DEFAULT '{}';
