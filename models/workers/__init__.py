"""Who does the work of a run: this process, processes on this machine, or workers on many machines."""
