"""Studies of this project's own speed and statistics. Each folder is one; ``README.md`` says what they ask."""
