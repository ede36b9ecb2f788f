"""The offline format: a checkpoint lowered to one ``.pte`` file, and a worker process that runs it."""
