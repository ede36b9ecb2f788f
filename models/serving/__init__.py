"""The parts of the chat address: requests, the queue, replies on the wire, the socket."""
