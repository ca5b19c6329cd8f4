"""Files that run a service elsewhere: images (Docker), two replicas behind nginx (compose), many (Kubernetes)."""
