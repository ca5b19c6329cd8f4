"""How fast models are and how much memory they take: each in a process of its own, by turns."""
