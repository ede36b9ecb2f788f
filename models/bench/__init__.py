"""Speed and memory of the offline file beside its peers: the benchmark ``evenhand bench models``."""
