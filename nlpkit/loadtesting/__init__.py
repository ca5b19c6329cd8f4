"""How many requests a second a service holds, and what it does beyond: arrivals, a client, figures, the search."""
