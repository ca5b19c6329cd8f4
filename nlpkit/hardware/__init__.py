"""The machine under a model: devices and their arithmetic, memory, energy, time, what is installed."""
