"""A small model that learns from a large one: the student, the losses, the teacher's side, the Trainer."""
