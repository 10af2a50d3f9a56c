"""Floor 5: when and where does it run? Settings, locks, publishing, tracking, and the jobs behind the commands."""
