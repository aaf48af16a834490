"""Tasks: one file each; `tasks.base.task` says what a task is."""
